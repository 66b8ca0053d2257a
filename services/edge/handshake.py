"""What the address of a socket says: the path, and the wishes in its query."""

import ipaddress
import math
import re
import secrets
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from bus_schemas import codes
from bus_schemas.events import MAX_TIMEOUT_MS, TOKEN_PATTERN
from services.runtime.errors import Refused

from .keys import Key
from .repertoire import likely
from .settings import EdgeSettings
from .turn import Wishes

PATH = "/ws"
SESSION_HEADER = "Voicebus-Session"
"""The response header of the handshake that names the session."""

MIN_TIMEOUT_SECONDS = 0.001
PARAMETERS = ("session", "voice", "language", "timeout", "trace", "turns", "stream", "resume")
TOKEN = re.compile(TOKEN_PATTERN)
_OURS = re.compile(r"\A[0-9a-f]{32}\Z")
"""A name that the edge makes: 128 random bits, so nobody guesses another's."""
LANGUAGE = re.compile(r"\A([A-Za-z]{2,3})(?:[-_][A-Za-z0-9]{2,8})*\Z")
_VOICE = re.compile(r"\A[\w. -]{1,64}\Z")


def wishes(address: str, settings: EdgeSettings, key: Key | None = None) -> Wishes:
    """Read the address of a handshake, such as `/ws?session=42&timeout=20`.

    Who has a *key* asks under its name, and names its sessions as it likes.

    Raises: Refused with UNKNOWN_PATH or BAD_PARAMETER; ValueError when it is no address at all.
    """
    path = urlsplit(address).path
    if path != PATH:
        raise Refused(
            codes.UNKNOWN_PATH,
            f"There is nothing at {path[:100]}: "
            f"the page is at /, the WebSocket at {PATH}, what it speaks at /about, health at /healthz and /readyz.",
        )
    query = _query(urlsplit(address).query)
    return Wishes(
        origin=key.name if key else settings.origin,
        session=_session(query.get("session", ""), guessable=key is not None or is_loopback(settings.host)),
        voice=_matched(_VOICE, query, "voice", "a name of 1 to 64 letters, digits and . _ - or spaces"),
        language=_language(query),
        timeout_ms=_timeout(query, settings.turn_seconds),
        trace=query.get("trace", "") == "1",
        turns=query.get("turns", "") == "1",
        stream=query.get("stream", "") == "1",
        resume=_resume(query),
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches *host*."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _query(text: str) -> dict[str, str]:
    query: dict[str, str] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        if name not in PARAMETERS:
            raise Refused(
                codes.BAD_PARAMETER,
                f"?{name[:80]}= is no parameter; there are: {', '.join(PARAMETERS)}.{likely(name[:80], PARAMETERS)}",
            )
        if name in query:
            raise Refused(codes.BAD_PARAMETER, f"?{name}= is given twice: give it once.")
        query[name] = value
    return query


def _session(name: str, *, guessable: bool) -> str:
    """The session's name: a fresh one for none and, where all share one origin, for any that the edge did not make."""
    if name and not TOKEN.match(name):
        raise _bad("session", name, "1 to 64 letters, digits, _ and -")
    if _OURS.match(name) or (name and guessable):
        return name
    return secrets.token_hex(16)


def _resume(query: Mapping[str, str]) -> str:
    name = _matched(TOKEN, query, "resume", "the name of a turn")
    if name and not query.get("session", ""):
        raise Refused(codes.BAD_PARAMETER, "?resume= is without ?session=: name the session of the turn as well.")
    return name


def _language(query: Mapping[str, str]) -> str:
    """`pt` of `pt`, `PT` or `pt-BR`."""
    found = LANGUAGE.match(_matched(LANGUAGE, query, "language", "a language code such as en or pt"))
    return found[1].lower() if found else ""


def _timeout(query: Mapping[str, str], default: float) -> int:
    text = query.get("timeout", "") or str(default)
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not MIN_TIMEOUT_SECONDS <= seconds <= MAX_TIMEOUT_MS / 1000:
        raise _bad("timeout", text, f"a number of seconds, more than 0 and at most {MAX_TIMEOUT_MS // 1000}")
    return round(seconds * 1000)


def _matched(pattern: re.Pattern[str], query: Mapping[str, str], name: str, wanted: str) -> str:
    value = query.get(name, "")
    if value and not pattern.match(value):
        raise _bad(name, value, wanted)
    return value


def _bad(name: str, value: str, wanted: str) -> Refused:
    return Refused(codes.BAD_PARAMETER, f"?{name}={value[:80]!r} is not {wanted}.")
