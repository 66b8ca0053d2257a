"""`/about`: which voices and languages can be asked for, for pages and programs that offer a choice."""

from http import HTTPStatus
from urllib.parse import urlsplit

import msgspec
from websockets.http11 import Request, Response

from services.runtime import health

from .gate import Gate
from .repertoire import Repertoire

PATH = "/about"


def respond(request: Request, repertoire: Repertoire, gate: Gate) -> Response | None:
    """The answer to this path; None when the path is another. No key is asked for: it names voices and languages."""
    if urlsplit(request.path).path != PATH:
        return None
    response = health.response(HTTPStatus.OK, msgspec.json.encode(repertoire.about))
    response.headers["Cache-Control"] = "no-store"
    response.headers["Vary"] = "Origin"
    origin = gate.page(request.headers)
    if origin:
        response.headers["Access-Control-Allow-Origin"] = origin
    return response
