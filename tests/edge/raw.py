"""A WebSocket client without a library, for what no library does: half a frame, no pong, never reading."""

import asyncio
import resource
import socket
import struct
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from msgspec import Struct

CONTINUATION, BINARY, CLOSE, PING, PONG = 0, 2, 8, 9, 10


class Raw(Struct, frozen=True):
    """An open socket; nothing is read or answered unless told so."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def closed(self, seconds: float) -> int:
        """The code of the close frame, after whatever comes before it; 1006 when the connection ends without one."""
        async with asyncio.timeout(seconds):
            try:
                while True:
                    opcode, payload = await self.frame()
                    if opcode == CLOSE:
                        return int(struct.unpack("!H", payload[:2])[0])
            except (asyncio.IncompleteReadError, ConnectionError):
                return 1006

    async def frame(self) -> tuple[int, bytes]:
        """The next frame of the server."""
        first, second = await self.reader.readexactly(2)
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack("!H", await self.reader.readexactly(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", await self.reader.readexactly(8))
        return first & 0x0F, await self.reader.readexactly(length)


@asynccontextmanager
async def connected(port: int, query: str = "", *, receive_buffer: int = 0) -> AsyncIterator[Raw]:
    """A socket after its handshake. *receive_buffer*: bytes that the operating system takes for it; 0: its choice."""
    plain = socket.socket()
    if receive_buffer:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    plain.setblocking(False)
    await asyncio.get_running_loop().sock_connect(plain, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=plain, limit=1024)
    writer.write(
        f"GET /ws{query} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
    )
    head = await reader.readuntil(b"\r\n\r\n")
    assert b" 101 " in head
    try:
        yield Raw(reader, writer)
    finally:
        writer.transport.abort()


def frame(opcode: int, payload: bytes, *, final: bool = True) -> bytes:
    """A frame as a client sends it, masked with zeros."""
    length = len(payload)
    if length < 126:
        head = struct.pack("!BB", final << 7 | opcode, 0x80 | length)
    elif length < 65_536:
        head = struct.pack("!BBH", final << 7 | opcode, 0x80 | 126, length)
    else:
        head = struct.pack("!BBQ", final << 7 | opcode, 0x80 | 127, length)
    return head + bytes(4) + payload


def most_memory() -> int:
    """Bytes of memory that this process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
