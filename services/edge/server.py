"""The WebSocket server: handshakes, the page, health pages, and a conversation for each socket."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from math import ceil
from urllib.parse import urlsplit

import msgspec
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from bus_schemas import codes, frames
from bus_schemas.frames import Error, ErrorFrame
from services.runtime import health, trace
from services.runtime.bus import Bus
from services.runtime.errors import Refused, StartError
from services.runtime.health import Readiness

from . import about, handshake, keys, page_files, report, tls
from .admission import Admission
from .conversation import Conversation
from .gate import Gate
from .keys import Key
from .opening import Opening
from .page_files import PageFile
from .relay import Relay
from .repertoire import Repertoire
from .settings import EdgeSettings
from .turn import STOPPING, Wishes
from .unread import Unread

CLOSE_SECONDS = 1.0
"""How long a closing socket waits for its client to say goodbye."""
OPEN_SECONDS = 10.0
"""How long a client may take for its handshake, and for that of TLS before it."""
LOOK_SECONDS = 1.0
"""Between two looks at what clients have not read."""
FRAMES_AHEAD = 1
"""Frames that wait to be read: each may be as large as MAX_FRAME_BYTES."""

RETRY_SECONDS = 5.0
CROWDED = Error(codes.BUSY, "Too many sockets are open: connect again in a while.", RETRY_SECONDS)
MANY_OF_ONE = Error(codes.BUSY, "This address has too many sockets open: close one, then connect again.", RETRY_SECONDS)
STATUS = {
    codes.UNKNOWN_PATH: HTTPStatus.NOT_FOUND,
    codes.UNAUTHORIZED: HTTPStatus.UNAUTHORIZED,
    codes.ORIGIN: HTTPStatus.FORBIDDEN,
}
"""Of the refusals that are more than a bad request."""


class Edge:
    """A server that listens; made by `listen`."""

    def __init__(
        self, settings: EdgeSettings, bus: Bus, readiness: Readiness, gate: Gate, pages: Mapping[str, PageFile]
    ) -> None:
        self.port = 0
        self._pages = pages
        self._gate = gate
        self._settings = settings
        self._bus = bus
        self._readiness = readiness
        self._relay = Relay(bus)
        self.repertoire = Repertoire(asyncio.get_running_loop().time)
        self.admission = Admission(bus, settings.share.burst_turns, asyncio.get_running_loop().time)
        self.unread = Unread(settings.max_unread_bytes)
        self.opening = Opening(self.unread)
        self._conversations: set[Conversation] = set()
        self._empty = asyncio.Event()
        self._stopping = False

    @property
    def sockets(self) -> int:
        """How many are open."""
        return len(self._conversations)

    async def drain(self, seconds: float) -> None:
        """Take no more turns; let the running ones finish within *seconds*, tell the rest; close every socket."""
        self._stopping = True
        self._readiness.lack("edge", "it is stopping")
        for conversation in tuple(self._conversations):
            conversation.stop()
        if not await self._emptied(seconds):
            for conversation in tuple(self._conversations):
                conversation.give_up()
            await self._emptied(CLOSE_SECONDS)

    async def look(self) -> None:
        """Cut off whoever lets what it should read pile up, for as long as this runs."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for conversation in tuple(self._conversations):
                conversation.link.look()

    def free(self) -> None:
        """Cut off whoever would hold up the end of the server: it does not read, not even a close frame."""
        for conversation in tuple(self._conversations):
            conversation.link.free()

    async def _emptied(self, seconds: float) -> bool:
        if self._conversations:
            self._empty.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._empty.wait()
            except TimeoutError:
                return False
        return True

    async def admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer what is no conversation: the page, health, a wrong address, who may not ask."""
        response = await self._answer(connection, request)
        if response is not None and request.method == "HEAD":
            response.body = b""
        return response

    async def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        try:
            if request.method not in health.METHODS and self._knows(request.path):
                report.REFUSED.labels(codes.METHOD).inc()
                return health.wrong_method(request.method)
            found = await self._page(request)
            if found is not None:
                return found
            wishes = handshake.wishes(request.path, self._settings)
            self._gate.check_page(request.headers)
            self._gate.key(request.headers)
            self.repertoire.check(wishes)
        except ValueError as error:
            return _refusal(HTTPStatus.BAD_REQUEST, Error(codes.BAD_PARAMETER, f"This is no address: {error}."))
        except Refused as error:
            return _refusal(STATUS.get(error.code, HTTPStatus.BAD_REQUEST), Error(error.code, error.message))
        if self._stopping:
            return _refusal(HTTPStatus.SERVICE_UNAVAILABLE, STOPPING)
        if len(self._conversations) >= self._settings.max_sockets:
            return _refusal(HTTPStatus.SERVICE_UNAVAILABLE, CROWDED)
        if self._gate.crowded(_host(connection)):
            return _refusal(HTTPStatus.TOO_MANY_REQUESTS, MANY_OF_ONE)
        return None

    def _knows(self, target: str) -> bool:
        """Whether something is at this path."""
        path = urlsplit(target).path
        return path in self._pages or path in (*health.PATHS, about.PATH, handshake.PATH)

    async def _page(self, request: Request) -> Response | None:
        """The answer to what is no conversation; None when the path is another."""
        return (
            page_files.respond(request, self._pages)
            or about.respond(request, self.repertoire, self._gate)
            or await health.respond(request, self._readiness)
        )

    def protocol(self, _: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
        """The subprotocol to answer with."""
        return keys.protocol(offered)

    def name(self, _: ServerConnection, request: Request, response: Response) -> None:
        """Tell the client its session."""
        if response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
            key = self._gate.key(request.headers)
            response.headers[handshake.SESSION_HEADER] = handshake.wishes(request.path, self._settings, key).session

    async def converse(self, connection: ServerConnection) -> None:
        """Hold the conversation of one socket."""
        assert connection.request is not None
        key = self._gate.key(connection.request.headers)
        with self._gate.socket(_host(connection), key) as share:
            wishes = self._wishes(connection, key)
            conversation = Conversation(
                connection, wishes, self._settings, self._bus, self._relay, share, self.admission
            )
            self.unread.holders[connection] = conversation
            await self._hold(conversation)

    async def _hold(self, conversation: Conversation) -> None:
        self._conversations.add(conversation)
        if self._stopping:
            conversation.stop()
        try:
            report.OPENED.inc()
            with report.SOCKETS.track_inprogress():
                await conversation.run()
        finally:
            self._conversations.discard(conversation)
            if not self._conversations:
                self._empty.set()

    def _wishes(self, connection: ServerConnection, key: Key | None) -> Wishes:
        """What the handshake settled."""
        request, response = connection.request, connection.response
        assert request is not None
        assert response is not None
        wishes = handshake.wishes(request.path, self._settings, key)
        parent = trace.of({name: ",".join(request.headers.get_all(name)) for name in trace.NAMES})
        return msgspec.structs.replace(wishes, session=response.headers[handshake.SESSION_HEADER], parent=parent)


@asynccontextmanager
async def listen(settings: EdgeSettings, bus: Bus, readiness: Readiness) -> AsyncIterator[Edge]:
    """Serve `/ws`, the page and the health pages; at the end every socket that is still open is closed with 1001.

    Raises: StartError when the port is taken; SettingsError for keys or a certificate that cannot be used.
    """
    gate = Gate(settings, asyncio.get_running_loop().time)
    edge = Edge(settings, bus, readiness, gate, await asyncio.to_thread(page_files.read))
    encryption = await asyncio.to_thread(tls.context, settings)
    try:
        server = await serve(
            edge.converse,
            settings.host,
            settings.port,
            ssl=encryption,
            ssl_handshake_timeout=OPEN_SECONDS if encryption else None,
            select_subprotocol=edge.protocol,
            process_request=edge.admit,
            process_response=edge.name,
            create_connection=edge.opening,  # type: ignore[arg-type]  # whatever makes one will do
            max_size=2 * settings.max_frame_bytes,
            max_queue=FRAMES_AHEAD,
            open_timeout=OPEN_SECONDS,
            compression=None,
            ping_interval=settings.ping_seconds,
            ping_timeout=settings.pong_seconds,
            close_timeout=CLOSE_SECONDS,
            server_header=None,
        )
    except OSError as error:
        raise StartError(
            f"port {settings.port} of {settings.host} is taken or forbidden ({error.strerror}); set PORT or HOST"
        ) from error
    async with server, edge.repertoire.heard(bus):
        edge.port = int(server.sockets[0].getsockname()[1])
        gate.tell()
        looks = [asyncio.create_task(look(), name="edge-look") for look in (edge.look, edge.admission.look)]
        try:
            yield edge
        finally:
            for look in looks:
                look.cancel()
            await asyncio.gather(*looks, return_exceptions=True)
            edge.free()
            edge.opening.cut()


def _host(connection: ServerConnection) -> str:
    """The address at the other end; empty when it has gone already."""
    return str(connection.remote_address[0]) if connection.remote_address else ""


def _refusal(status: HTTPStatus, error: Error) -> Response:
    report.REFUSED.labels(error.code).inc()
    response = health.response(status, frames.encode(ErrorFrame(error)).encode())
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(ceil(error.retry_after))
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response
