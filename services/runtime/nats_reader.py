"""nats-py's reader, mended: bytes that it cannot read end neither its task nor the connection.

nats-py 2.16 raises on a short or undecodable header block and on a subject that is not UTF-8, and splits a control line
at bytes that NATS allows in a subject. Its read loop then ends while the client still says that it is connected
(nats.py pull request 914), or the connection is made again and the broker delivers the same bytes again.
`tests/runtime/test_nats_reader.py` fails when a hook named here is gone.
"""

import asyncio
import contextlib
import re
import time
from collections.abc import Callable

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.protocol import parser

from bus_schemas import codec

from . import metrics

WARN_SECONDS = 10.0
"""Between two warnings of a connection about unreadable messages: a flood of them must not fill the log."""

VERSION, LINE_END = b"NATS/1.0", b"\r\n"
"""How a header block begins and ends (ADR-4 of NATS). The broker checks neither, and nats-py cuts what it finds."""

_MSG = re.compile(rb"\AMSG ([^ \t\n]+) (\d+) +(([^ \t\n]+) +)?(\d+)\r\n")
_HMSG = re.compile(rb"\AHMSG ([^ \t\n]+) (\d+) +(([^ \t\n]+) +)?(\d+) +(\d+)\r\n")
"""The control lines as nats-server writes them: of an empty reply it leaves both spaces. nats-py splits at carriage
returns, vertical tabs and form feeds too, and a subject may have all three."""

MOST_BLOCK = 72 * 1024
"""Bytes of a header block that are read: JetStream takes 64 KiB and adds a little. A core message may have as many as
`max_payload`, and 8 MB of short lines kept nats-py from everything else for a second."""


log = structlog.get_logger()


def mend(client: Client, on_end: Callable[[], None]) -> None:
    """Have *client* read every message that the broker delivers; call it before `connect`.

    *on_end* is called when its reader ends all the same, and the client still calls itself connected.
    A header block that cannot be read becomes the one header `codec.UNREADABLE`, with the block as it came. A subject
    or reply that is not UTF-8 has `\\xff` in place of each such byte: no event has such a subject.
    """
    parser.MSG_RE, parser.HMSG_RE = _MSG, _HMSG
    reader = _Reader(client, on_end)
    client._read_loop = reader.read  # type: ignore[method-assign]
    client._process_msg = reader.process  # type: ignore[method-assign,assignment]
    client._process_headers = reader.headers  # type: ignore[method-assign,assignment]
    client._build_message = reader.message  # type: ignore[method-assign]
    client._process_pong = reader.pong  # type: ignore[method-assign]


class _Reader:
    """What stands around the methods of one client."""

    def __init__(self, client: Client, on_end: Callable[[], None]) -> None:
        self._client, self._on_end = client, on_end
        self._read, self._process, self._headers = client._read_loop, client._process_msg, client._process_headers
        self._pong = client._process_pong
        self._warned = -WARN_SECONDS

    async def read(self) -> None:
        await self._read()
        if self._client.is_connected:
            self._on_end()

    async def process(self, sid: int, subject: bytes, reply: bytes, data: bytes, block: bytes) -> None:
        try:
            await self._process(sid, subject, reply, data, block)
        except Exception as error:  # what a queue has comes again; the rest was core NATS
            self._count("message", error)

    async def pong(self) -> None:
        """One that comes after its `flush` has given up is set all the same by nats-py, which raises."""
        with contextlib.suppress(asyncio.InvalidStateError):
            await self._pong()

    async def headers(self, block: bytes) -> dict[str, str] | None:
        try:
            if block and not (block.startswith(VERSION) and block.endswith(LINE_END)):
                raise ValueError("a header block is NATS/1.0, lines and an empty line")
            if len(block or b"") > MOST_BLOCK:
                raise ValueError(f"a header block of {len(block)} bytes is more than JetStream takes")
            return await self._headers(block)
        except Exception as error:  # whatever it is, the next message can be read
            self._count("headers", error)
            return {codec.UNREADABLE: block[:MOST_BLOCK].decode("latin-1")}

    def message(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: dict[str, str] | None) -> Msg:
        where, answer = self._text(subject), self._text(reply)
        return Msg(_client=self._client, subject=where, reply=answer, data=data, headers=headers, _sid=sid)

    def _text(self, name: bytes) -> str:
        try:
            return name.decode()
        except UnicodeDecodeError as error:
            self._count("subject", error)
            return name.decode("utf-8", "backslashreplace")

    def _count(self, what: str, error: Exception) -> None:
        metrics.UNREADABLE.inc()
        if time.monotonic() - self._warned >= WARN_SECONDS:
            self._warned = time.monotonic()
            log.warning("message_unreadable", what=what, error=repr(error)[:200], counted_in="/metrics")
