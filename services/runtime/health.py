"""`/healthz`, `/readyz` and `/metrics`, answered by the same small web server in every service."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from bus_schemas import codes, frames
from bus_schemas.frames import Error, ErrorFrame

from . import metrics
from .errors import StartError
from .http_head import without_bodies

JSON = "application/json"
METHODS = ("GET", "HEAD")
PATHS = ("/healthz", "/readyz", "/metrics")


class Readiness:
    """What this service still lacks; ready when nothing is missing."""

    def __init__(self) -> None:
        self._missing: dict[str, str] = {}

    def lack(self, what: str, why: str) -> None:
        """*what* is missing; *why* is a sentence for an operator."""
        self._missing[what] = why

    def have(self, what: str) -> None:
        """*what* is there now."""
        self._missing.pop(what, None)

    def state(self, what: str, trouble: str) -> None:
        """*what* is there when *trouble* is empty, otherwise missing because of it."""
        if trouble:
            self.lack(what, trouble)
        else:
            self.have(what)

    @property
    def missing(self) -> dict[str, str]:
        """Each thing that is missing, and why."""
        return dict(self._missing)


async def respond(request: Request, readiness: Readiness) -> Response | None:
    """The answer to a health path; None when the path is another."""
    match urlsplit(request.path).path:
        case "/healthz":
            return response(HTTPStatus.OK, b'{"alive":true}')
        case "/readyz":
            missing = readiness.missing
            status = HTTPStatus.SERVICE_UNAVAILABLE if missing else HTTPStatus.OK
            return response(status, msgspec.json.encode({"ready": not missing, "missing": missing}))
        case "/metrics":  # in a thread: it reads files of the operating system
            metrics.READY.set(not readiness.missing)
            return response(HTTPStatus.OK, await asyncio.to_thread(generate_latest), CONTENT_TYPE_LATEST)
    return None


def wrong_method(method: str) -> Response:
    """405: nothing here is changed by a request, and no body is read."""
    message = f"{method[:20]} is not taken here: everything is asked with GET, a question over a WebSocket at /ws."
    found = response(HTTPStatus.METHOD_NOT_ALLOWED, frames.encode(ErrorFrame(Error(codes.METHOD, message))).encode())
    found.headers["Allow"] = ", ".join(METHODS)
    return found


def response(status: HTTPStatus, body: bytes, content_type: str = JSON) -> Response:
    """An HTTP response that ends its connection."""
    headers = Headers({"Content-Type": content_type, "Content-Length": str(len(body)), "Connection": "close"})
    headers["X-Content-Type-Options"] = "nosniff"
    return Response(status.value, status.phrase, headers, body)


@asynccontextmanager
async def listen(host: str, port: int, readiness: Readiness) -> AsyncIterator[int]:
    """Serve the health paths of a service that has no other server; gives the port.

    Raises: StartError when the port is taken.
    """

    async def answer(_: ServerConnection, request: Request) -> Response:
        if request.method not in METHODS:
            return wrong_method(request.method)
        found = await respond(request, readiness)
        return found or response(HTTPStatus.NOT_FOUND, msgspec.json.encode({"paths": PATHS}))

    async def nobody(connection: ServerConnection) -> None:
        await connection.close()

    def connection(*arguments: Any, **options: Any) -> ServerConnection:
        return without_bodies(ServerConnection(*arguments, **options))

    try:
        server = await serve(nobody, host, port, process_request=answer, create_connection=connection)  # type: ignore[arg-type]
    except OSError as error:
        raise StartError(f"port {port} of {host} is taken or forbidden ({error.strerror}); set HEALTH_PORT") from error
    async with server:
        yield int(server.sockets[0].getsockname()[1])
