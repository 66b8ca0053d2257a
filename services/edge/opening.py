"""The connections of a server, so that those in their handshake can be cut off: the library waits for them."""

from typing import Any
from weakref import WeakSet

from websockets.asyncio.server import ServerConnection
from websockets.protocol import State

from services.runtime.http_head import without_bodies

from .unread import Unread


class Opening:
    """Makes connections for `serve(create_connection=...)`, and remembers them while they live."""

    def __init__(self, unread: Unread) -> None:
        self._unread = unread
        self._made: WeakSet[ServerConnection] = WeakSet()

    def __call__(self, *arguments: Any, **options: Any) -> ServerConnection:
        connection = self._unread.counted(without_bodies(ServerConnection(*arguments, **options)))
        self._made.add(connection)
        return connection

    def cut(self) -> None:
        """End every connection that is in its handshake."""
        for connection in tuple(self._made):
            if connection.protocol.state is State.CONNECTING and hasattr(connection, "transport"):
                connection.transport.abort()
