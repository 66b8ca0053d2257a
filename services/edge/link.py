"""A client's socket whose client is never waited for without an end, however slow or hostile it is.

The WebSocket library waits for the room to write without a limit, also for a ping or a close frame, and keeps the
fragments of a message one by one: a client that reads nothing, or sends fragments of no bytes, would be kept for ever.
"""

import asyncio
import contextlib
import math

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from . import parting

CUT_SECONDS = 2.0
"""How long a client that does not keep up has to say goodbye, before it is cut off."""
MOST_UNREAD = 1024 * 1024
"""Bytes that may pile up beside a reply: pongs, for a client that sends pings and reads nothing."""


class Link:
    """One open socket."""

    def __init__(self, connection: ServerConnection, send_seconds: float, receive_seconds: float) -> None:
        self._connection = connection
        self._send_seconds = send_seconds
        self._receive_seconds = receive_seconds
        self._sending = 0
        self._parted = ""
        self._rest = bytearray()
        """What has come of a message in fragments."""
        self._read_until = math.inf
        """When what waits to be read has waited too long."""

    @property
    def goodbye(self) -> bool:
        """Whether the client, and not a broken network, ended it."""
        return parting.goodbye(self._connection.protocol)

    @property
    def ending(self) -> str:
        """Why it is closed; one word of a small set."""
        return self._parted or parting.reason(self._connection.protocol)

    @property
    def held(self) -> int:
        """Bytes of the message that is coming."""
        return len(self._rest)

    async def receive(self) -> str | bytes:
        """The next message, of which a client may make any number of fragments; of a text only the first is kept.

        Raises: ConnectionClosed.
        """
        fragments = self._connection.recv_streaming()
        first = await anext(fragments)
        rest = self._rest = bytearray()
        try:
            async with asyncio.timeout(self._receive_seconds):
                async for fragment in fragments:
                    rest += fragment if isinstance(fragment, bytes) else b""
        except TimeoutError:
            raise await self._part(parting.SLOW_SENDER, "a message took too long to come") from None
        self._rest = bytearray()
        return first + rest if rest and isinstance(first, bytes) else first

    async def send(self, frame: str | bytes) -> None:
        """Send one frame. Raises: ConnectionClosed, also when the client does not read it in time."""
        self._sending += len(frame)
        try:
            async with asyncio.timeout(self._send_seconds):
                await self._connection.send(frame)
        except TimeoutError:
            raise await self._part(parting.SLOW_READER, "a reply took too long to be read") from None
        self._sending -= len(frame)

    async def over(self) -> None:
        """Wait until it is closed, by whomever."""
        await self._connection.wait_closed()

    async def close(self, reason: str) -> None:
        """The service is going away."""
        await self._connection.close(CloseCode.GOING_AWAY, reason)

    def look(self) -> None:
        """Cut it off when what its client should read piles up or is left; to be called once in a while."""
        now = asyncio.get_running_loop().time()
        if self._sending or not self._unread:
            self._read_until = math.inf
        elif self._read_until == math.inf:
            self._read_until = now + self._send_seconds
        if self._unread - self._sending > MOST_UNREAD or now > self._read_until:
            self._parted = parting.SLOW_READER
            self.cut()

    def free(self) -> None:
        """Cut it off when a close frame would have to wait for the client to read."""
        if self._unread:
            self.cut()

    def cut(self) -> None:
        """End it at once."""
        self._connection.transport.abort()

    @property
    def _unread(self) -> int:
        """Bytes that the operating system did not take yet."""
        return self._connection.transport.get_write_buffer_size()

    async def _part(self, reason: str, message: str) -> ConnectionClosed:
        """Close the socket of a client that does not keep up."""
        self._parted = reason
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CUT_SECONDS):
                await self._connection.close(CloseCode.POLICY_VIOLATION, message)
        self.cut()
        await self._connection.wait_closed()
        return self._connection.protocol.close_exc
