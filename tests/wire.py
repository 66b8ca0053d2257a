"""Bytes on the broker's port as no client library would write them."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from msgspec import Struct

ANSWER_SECONDS = 10.0


class Wire(Struct, frozen=True):
    """A connection to the broker, without a client."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, *frames: bytes) -> bytes:
        """Send, and wait until the broker has read all of it; returns what it said.

        Raises: ConnectionError, when it closed the connection instead.
        """
        self.writer.write(b"".join(frames) + b"PING\r\n")
        await self.writer.drain()
        said = b""
        async with asyncio.timeout(ANSWER_SECONDS):
            while not said.endswith(b"PONG\r\n"):
                line = await self.reader.readline()
                if not line:
                    raise ConnectionResetError(said.decode("latin-1"))
                said += line
        return said


def pub(subject: bytes, body: bytes = b"") -> bytes:
    """A message without headers."""
    return b"PUB %b %d\r\n%b\r\n" % (subject, len(body), body)


def hpub(subject: bytes, block: bytes, body: bytes = b"") -> bytes:
    """A message with *block* in place of its headers."""
    return b"HPUB %b %d %d\r\n%b%b\r\n" % (subject, len(block), len(block) + len(body), block, body)


@asynccontextmanager
async def dialled(url: str, user: str = "", password: str = "") -> AsyncIterator[Wire]:
    """A connection that has said who it is."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    who = {"user": user, "pass": password} if user else {}
    writer.write(b"CONNECT " + json.dumps({"headers": True, "verbose": False, **who}).encode() + b"\r\n")
    wire = Wire(reader, writer)
    try:
        await wire.send()
        yield wire
    finally:
        writer.close()
