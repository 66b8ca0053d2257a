"""Where an event travels: `voice.<event>.<origin>.<session>`."""

import re

from msgspec import Struct

from .events import EVENTS, TOKEN_PATTERN, Event

ROOT = "voice"

_TOKEN = re.compile(TOKEN_PATTERN)
_BY_NAME = {event.NAME: event for event in EVENTS}


class BadSubject(ValueError):
    """The subject is not one of voicebus; the message says which part and what is allowed."""


class Address(Struct, frozen=True):
    """What a subject says: which event, who asked, in which conversation."""

    event: type[Event]
    origin: str
    session: str


def token(text: str, what: str) -> str:
    """Give `text` back when it may stand in a subject.

    Raises: BadSubject.
    """
    if not _TOKEN.match(text):
        raise BadSubject(f"{what} {text[:80]!r} is not 1 to 64 of A-Z a-z 0-9 _ -")
    return text


def subject(event: type[Event], origin: str, session: str) -> str:
    """The subject of one event of one conversation.

    Raises: BadSubject.
    """
    return f"{ROOT}.{event.NAME}.{token(origin, 'origin')}.{token(session, 'session')}"


def every(event: type[Event]) -> str:
    """The wildcard for one event of every conversation."""
    return f"{ROOT}.{event.NAME}.*.*"


def conversation(origin: str, session: str) -> str:
    """The wildcard for every event of one conversation.

    Raises: BadSubject.
    """
    return f"{ROOT}.*.{token(origin, 'origin')}.{token(session, 'session')}"


def parse(text: str) -> Address:
    """Read a subject.

    Raises: BadSubject.
    """
    parts = text.split(".")
    if len(parts) != 4 or parts[0] != ROOT or parts[1] not in _BY_NAME:
        names = "|".join(_BY_NAME)
        raise BadSubject(f"subject {text[:200]!r} is not {ROOT}.<{names}>.<origin>.<session>")
    return Address(_BY_NAME[parts[1]], token(parts[2], "origin"), token(parts[3], "session"))
