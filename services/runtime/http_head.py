"""Requests that have a body, for a server that reads none.

websockets 17 ends the connection of such a request without an answer. Here its body is thrown away, and the headers
that announce it, so that the server answers the rest as any other request.
"""

import re
from collections.abc import Callable

from websockets.asyncio.server import ServerConnection

MOST_HEAD = 64 * 1024
"""Bytes until the head of a request must have ended; a longer one is left to the library, which refuses it."""
END = b"\r\n\r\n"
_ANNOUNCES = re.compile(rb"\r\n(?:content-length|transfer-encoding|expect)[ \t]*:[^\r\n]*(?=\r\n)", re.IGNORECASE)
_NO_BODY = re.compile(rb"\r\ncontent-length[ \t]*:[ \t]*0+[ \t]*", re.IGNORECASE)


def without_bodies(connection: ServerConnection) -> ServerConnection:
    """Have *connection* read the head of its request alone, where the request has a body; gives it back."""
    receive: Callable[[bytes], None] = connection.data_received
    head, opened, emptied = bytearray(), False, False

    def data_received(data: bytes) -> None:
        nonlocal opened, emptied
        if opened:
            if not emptied:
                receive(data)
            return
        head.extend(data)
        end = head.find(END)
        if end < 0 and len(head) < MOST_HEAD:
            return
        opened = True
        found = bytes(head)
        head.clear()
        announced = [line for line in _ANNOUNCES.findall(found[: end + 2]) if not _NO_BODY.fullmatch(line)]
        emptied = end >= 0 and bool(announced)
        receive(_ANNOUNCES.sub(b"", found[: end + 2]) + b"\r\n" if emptied else found)

    connection.data_received = data_received  # type: ignore[method-assign]
    return connection
