"""Sockets that only stay open, in a process of their own: `python -m benchmarks.growth.idle URL COUNT TOLD`.

When all are open, TOLD is written: an `Opened` as JSON. SIGTERM closes them.
"""

import asyncio
import signal
import sys
import time
from pathlib import Path

import msgspec
from msgspec import Struct
from websockets.asyncio.client import ClientConnection, connect

from services.edge import open_files

AT_ONCE = 32
OPEN_SECONDS = 60.0
OF_AN_ADDRESS = 20_000
"""Linux gives the clients of one address 28,000 ports; the next ones come from the next address of 127.0.0.0/8."""


class Opened(Struct, frozen=True):
    """How it went."""

    sockets: int
    seconds: float


async def main(url: str, count: int, told: Path) -> None:
    """Open, tell, wait, close."""
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    gate, began = asyncio.Semaphore(AT_ONCE), time.monotonic()

    async def opened(number: int) -> ClientConnection:
        async with gate:
            address = (f"127.0.0.{1 + number // OF_AN_ADDRESS}", 0)
            return await connect(url, local_addr=address, open_timeout=OPEN_SECONDS, proxy=None, compression=None)

    sockets = await asyncio.gather(*(opened(number) for number in range(count)))
    written = msgspec.json.encode(Opened(len(sockets), time.monotonic() - began))
    await asyncio.to_thread(told.write_bytes, written)
    await stopping.wait()
    await asyncio.gather(*(socket.close() for socket in sockets))


if __name__ == "__main__":
    open_files.allow(int(sys.argv[2]))
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])))
