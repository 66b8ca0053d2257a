"""A link in between that is slow: so many bits a second each way, and everything later by its delay."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from msgspec import Struct

from tests.harness import free_port

CHUNK = 2048
BUFFER = 8192
"""Bytes that wait in the link; the rest waits at whoever sends."""


class SlowLink(Struct, frozen=True):
    """From its own port to another one of this machine."""

    here: int
    there: int
    bits_per_second: int
    delay_s: float

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, both ways."""
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.there, limit=BUFFER)
        with suppress(asyncio.CancelledError):  # before Python 3.12 a server's stream tells the loop of it as an error
            await asyncio.gather(self._pipe(reader, far_writer), self._pipe(far_reader, writer))

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        with suppress(OSError):
            while chunk := await reader.read(CHUNK):
                await asyncio.sleep(len(chunk) * 8 / self.bits_per_second)
                loop.call_later(self.delay_s, writer.write, chunk)
        loop.call_later(2 * self.delay_s, writer.close)


@contextmanager
def slow(there: int, bits_per_second: int, delay_s: float) -> Iterator[int]:
    """A slow link to the port *there*; gives its own port."""
    link = SlowLink(free_port(), there, bits_per_second, delay_s)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    opening = asyncio.start_server(link.carry, "127.0.0.1", link.here, limit=BUFFER)
    asyncio.run_coroutine_threadsafe(opening, loop).result(10)
    yield link.here
    asyncio.run_coroutine_threadsafe(_end(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


async def _end() -> None:
    """What is still carried goes no further."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
