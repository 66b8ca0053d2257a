"""The web page at `/`: its files, read once when the edge starts, and the headers that they are sent with."""

import hashlib
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct
from websockets.http11 import Request, Response

from services.runtime import health

FOLDER = Path(__file__).parent / "page"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""The methods that a page answers."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-cache",
}
"""Of every file, besides `nosniff`, which every answer has: nothing but the edge's own files runs or is asked, and no
other site may frame the page."""


class PageFile(Struct, frozen=True):
    """A file as it is sent."""

    body: bytes
    content_type: str
    etag: str


def read(folder: Path = FOLDER) -> Mapping[str, PageFile]:
    """Every file of the page by its path. Nothing else is ever served: a path is looked up here, not on the disk."""
    files = {f"/{path.name}": _file(path) for path in sorted(folder.iterdir()) if path.suffix in TYPES}
    return {**files, "/": files["/index.html"]}


def respond(request: Request, files: Mapping[str, PageFile]) -> Response | None:
    """The answer to the path of a file; None when the path is another."""
    file = files.get(urlsplit(request.path).path)
    if file is None:
        return None
    return _response(file, known=file.etag in ", ".join(request.headers.get_all("If-None-Match")))


def _response(file: PageFile, *, known: bool) -> Response:
    """The file, or that the browser's copy is still good."""
    status = HTTPStatus.NOT_MODIFIED if known else HTTPStatus.OK
    response = health.response(status, b"" if known else file.body, file.content_type)
    if known:  # a length would have to be that of the file
        del response.headers["Content-Length"]
    response.headers["ETag"] = file.etag
    for name, value in HEADERS.items():
        response.headers[name] = value
    return response


def _file(path: Path) -> PageFile:
    body = path.read_bytes()
    return PageFile(body, TYPES[path.suffix], f'"{hashlib.sha256(body).hexdigest()[:32]}"')
