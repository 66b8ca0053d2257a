"""What all sockets of an edge together hold of what clients sent: one bound for their bytes.

A socket may send a frame of 64 MiB, and nobody has read it before it is whole. So a few sockets could hold gigabytes.
Beyond the bound the socket that holds most is closed with 1013; whoever sends questions of usual size never notices.
"""

import asyncio
from collections.abc import Callable, MutableMapping
from typing import Protocol
from weakref import WeakKeyDictionary, WeakSet

import structlog
from websockets.asyncio.server import ServerConnection
from websockets.frames import CloseCode
from websockets.protocol import State

CHECK_BYTES = 1024 * 1024
"""Bytes that may arrive between two looks at what all hold: so far the bound may be passed."""
CUT_SECONDS = 2.0
"""How long a socket that is closed for it has to take the close frame."""
REASON = "the service holds too much that it has not read: send less at once, or later"

log = structlog.get_logger()


class Holder(Protocol):
    """What has taken bytes out of a connection and not yet given them to the bus."""

    @property
    def held(self) -> int:
        """How many."""
        ...


class Unread:
    """The connections of one edge, and *most* bytes that they may hold together."""

    def __init__(self, most: int) -> None:
        self.holders: MutableMapping[ServerConnection, Holder] = WeakKeyDictionary()
        """What each open conversation holds beside its connection."""
        self._most = most
        self._connections: WeakSet[ServerConnection] = WeakSet()
        self._arrived = 0

    def counted(self, connection: ServerConnection) -> ServerConnection:
        """Have what comes in over *connection* counted; gives it back."""
        receive: Callable[[bytes], None] = connection.data_received
        self._connections.add(connection)

        def data_received(data: bytes) -> None:
            receive(data)
            self._arrived += len(data)
            if self._arrived >= CHECK_BYTES:
                self._arrived = 0
                self._shed()

        connection.data_received = data_received  # type: ignore[method-assign]
        return connection

    def _shed(self) -> None:
        """Close those that hold most, until all together hold no more than they may."""
        opened = [connection for connection in self._connections if hasattr(connection, "recv_messages")]
        held = {connection: self._held(connection) for connection in opened}
        total = sum(held.values())
        for connection in sorted(held, key=held.__getitem__, reverse=True):
            if total <= self._most:
                return
            total -= held[connection]
            log.warning("socket_shed", held=held[connection], limit=self._most, advice="MAX_UNREAD_BYTES")
            self._cut(connection)

    def _held(self, connection: ServerConnection) -> int:
        holder = self.holders.get(connection)
        frames = sum(len(frame.data) for frame in tuple(connection.recv_messages.frames.queue))
        return len(connection.protocol.reader.buffer) + frames + (holder.held if holder else 0)

    def _cut(self, connection: ServerConnection) -> None:
        """Say why, and end it; nothing more is read of it meanwhile."""
        self._connections.discard(connection)
        transport, protocol = connection.transport, connection.protocol
        transport.pause_reading()
        protocol.reader.buffer.clear()
        if protocol.state is State.OPEN:
            protocol.fail(CloseCode.TRY_AGAIN_LATER, REASON)
            for data in protocol.data_to_send():
                if data:
                    transport.write(data)
        asyncio.get_running_loop().call_later(CUT_SECONDS, transport.abort)
