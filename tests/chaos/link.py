"""A TCP proxy in front of the broker: the link that is cut and delayed."""

import asyncio
import contextlib
from types import TracebackType
from typing import Self

CHUNK = 64 * 1024


class Link:
    """`async with Link(port, to)`: what connects to *port* of 127.0.0.1 reaches *to*."""

    def __init__(self, port: int, to: int) -> None:
        self.port = port
        self.delay = 0.0
        """Seconds that each chunk of bytes waits, in both directions."""
        self.left: int | None = None
        """Bytes that may still come back; then the connection breaks, and the next has no limit."""
        self._to = to
        self._up = True
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        self._abort()

    async def cut(self, seconds: float) -> None:
        """Break every connection, and let nobody through for *seconds*."""
        self._up = False
        self._abort()
        await asyncio.sleep(seconds)
        self._up = True

    def _abort(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if not self._up:
                raise ConnectionRefusedError
            there, back = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, back}
        await asyncio.gather(self._one_way(reader, back), self._one_way(there, writer, breaks=True))
        self._open -= {writer, back}

    async def _one_way(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, breaks: bool = False
    ) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(CHUNK):
                if breaks and self.left is not None:
                    chunk, self.left = chunk[: self.left], self.left - len(chunk)
                    if self.left <= 0:
                        self.left = None
                        writer.write(chunk)
                        break
                if self.delay:
                    await asyncio.sleep(self.delay)
                writer.write(chunk)
                await writer.drain()
        writer.close()
