"""A connection to an edge; whatever stands in its way is said in a sentence."""

from collections.abc import Mapping
from ssl import SSLCertVerificationError
from urllib.parse import urlsplit, urlunsplit

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI

from bus_schemas import codes
from bus_schemas.frames import Error, ErrorFrame
from services.runtime.errors import VoicebusError

OPEN_SECONDS = 10.0
MAX_FRAME_BYTES = 64 * 1024 * 1024


class NoAnswer(VoicebusError):
    """The edge cannot be reached, or a turn came to nothing. `code` is one of `bus_schemas.codes`.

    *retry_after*: seconds after which another try may succeed, where the edge says so.
    """

    def __init__(self, code: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_after = retry_after


def raise_error(text: str) -> None:
    """Raise what an error frame says. Raises: NoAnswer."""
    try:
        error: Error = msgspec.json.decode(text, type=ErrorFrame).error
    except msgspec.DecodeError:
        return
    raise NoAnswer(error.code, error.message, error.retry_after)


async def dial(url: str, headers: Mapping[str, str]) -> ClientConnection:
    """Connect. Raises: NoAnswer."""
    try:
        return await connect(
            url, open_timeout=OPEN_SECONDS, max_size=MAX_FRAME_BYTES, proxy=None, additional_headers=headers
        )
    except InvalidURI as error:
        raise NoAnswer(codes.BAD_PARAMETER, f"{url!r} is no WebSocket URL such as ws://127.0.0.1:8000/ws") from error
    except InvalidStatus as error:
        body = bytes(error.response.body or b"").decode(errors="replace").strip()
        raise_error(body)
        raise NoAnswer(
            codes.UNAVAILABLE, f"{_place(url)} answered HTTP {error.response.status_code}: {body[:300]}"
        ) from error
    except TimeoutError as error:
        raise NoAnswer(codes.UNAVAILABLE, f"nothing answers on {_place(url)} within {OPEN_SECONDS:g} s") from error
    except SSLCertVerificationError as error:
        raise NoAnswer(
            codes.UNAVAILABLE,
            f"the certificate of {_place(url)} is not trusted ({error.verify_message}): ask by a name that it has, and"
            " name its authority's file in SSL_CERT_FILE",
        ) from error
    except (OSError, InvalidHandshake, EOFError) as error:
        raise NoAnswer(
            codes.UNAVAILABLE,
            f"no voicebus answers on {_place(url)}: start one with `voicebus up`, or name another with --url",
        ) from error


def _place(url: str) -> str:
    return urlunsplit(urlsplit(url)._replace(query=""))
