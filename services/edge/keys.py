"""API keys: who may ask, as whom on the bus, and how much.

An entry is `name:key[:turns a minute[:turns at once]]`; in place of the key may stand `sha256=` and its SHA-256 in
hexadecimal, so that a file of keys holds no secret. Two entries of one name are two keys of one party: add the new
one, move the clients, remove the old one.
"""

import hashlib
import hmac
import re
from collections.abc import Iterator, Sequence

from msgspec import Struct
from websockets.datastructures import Headers
from websockets.typing import Subprotocol

from bus_schemas import codes
from services.runtime.errors import Refused, SettingsError

PROTOCOL = Subprotocol("voicebus")
"""The WebSocket subprotocol that is answered: a browser's socket fails when none of those it offered is."""
KEY_PROTOCOL = "voicebus.key."
"""A browser can send no header of its own, so it offers this with the key at its end as a second subprotocol."""

HOW = "name:key[:turns a minute[:turns at once]], the key of 16 to 256 of A-Z a-z 0-9 . _ ~ + -, or sha256=HEX"
_ENTRY = re.compile(
    r"(?P<name>[A-Za-z0-9_-]{1,64}):"
    r"(?:sha256=(?P<digest>[0-9A-Fa-f]{64})|(?P<key>[A-Za-z0-9._~+-]{16,256}))"
    r"(?::(?P<per_minute>\d{0,6}))?(?::(?P<at_once>\d{0,6}))?"
)
_COMMENT = re.compile(r"#.*")
_PROTOCOL_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_UNKNOWN = (
    "This service asks for a key: send `Authorization: Bearer <key>`, or offer the subprotocol voicebus.key.<key>."
)


class Key(Struct, frozen=True):
    """One key; the key itself is not kept."""

    name: str
    """The origin on the bus of whoever has it."""
    digest: bytes
    """The SHA-256 of the key."""
    per_minute: int = 0
    """Turns a minute; 0: no limit."""
    at_once: int = 0
    """Turns that run or wait at once; 0: no limit."""


def read(text: str) -> tuple[Key, ...]:
    """The keys of API_KEYS: entries with commas or white space between them, `#` begins a comment.

    Raises: SettingsError, naming every bad entry by its number, never by what it says.
    """
    entries = _COMMENT.sub("", text).replace(",", " ").split()
    found = [_ENTRY.fullmatch(entry) for entry in entries]
    problems = [f"API_KEYS: entry {n} is not {HOW}" for n, match in enumerate(found, 1) if match is None]
    if text.strip() and not entries:
        problems.append(f"API_KEYS: there is no key in it, only comments; write {HOW}, or leave it unset")
    keys = tuple(_key(match) for match in found if match is not None)
    problems += [] if problems else _contradictions(keys)
    if problems:
        raise SettingsError("\n".join(problems))
    return keys


def find(keys: Sequence[Key], presented: str) -> Key | None:
    """The one that was presented; every key is compared, whole, so that the time tells nothing of any."""
    digest = _digest(presented)
    found = None
    for key in keys:
        if hmac.compare_digest(key.digest, digest):
            found = key
    return found


def caller(keys: Sequence[Key], headers: Headers) -> Key:
    """Whose key a handshake brings.

    Raises: Refused with UNAUTHORIZED.
    """
    presented = list(_presented(headers))
    key = find(keys, presented[0]) if len(presented) == 1 else None
    if key is None:
        raise Refused(codes.UNAUTHORIZED, _UNKNOWN)
    return key


def protocol(offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """The subprotocol to answer with: never the one that holds a key."""
    return PROTOCOL if PROTOCOL in offered else None


def _presented(headers: Headers) -> Iterator[str]:
    for value in headers.get_all("Authorization"):
        scheme, _, key = value.partition(" ")
        if scheme.lower() == "bearer":
            yield key.strip()
    offered = [name.strip() for value in headers.get_all("Sec-WebSocket-Protocol") for name in value.split(",")]
    if not all(_PROTOCOL_NAME.fullmatch(name) for name in offered):
        # The WebSocket library would quote the whole header, and the key in it, in its refusal.
        raise Refused(codes.UNAUTHORIZED, _UNKNOWN)
    yield from (name.removeprefix(KEY_PROTOCOL) for name in offered if name.startswith(KEY_PROTOCOL))


def _key(match: re.Match[str]) -> Key:
    digest = bytes.fromhex(match["digest"]) if match["digest"] else _digest(match["key"])
    return Key(match["name"], digest, int(match["per_minute"] or 0), int(match["at_once"] or 0))


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def _contradictions(keys: Sequence[Key]) -> list[str]:
    problems = []
    if len({key.digest for key in keys}) < len(keys):
        problems.append("API_KEYS: a key stands there twice; give each party its own")
    limits = {key.name: (key.per_minute, key.at_once) for key in keys}
    problems += [
        f"API_KEYS: the entries of {key.name} have different limits; give them the same"
        for key in keys
        if limits[key.name] != (key.per_minute, key.at_once)
    ]
    return list(dict.fromkeys(problems))
