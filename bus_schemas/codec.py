"""Events to NATS messages and back.

A text event's payload is its JSON. An audio event's payload is the WAV, and its other fields are one JSON header,
`Voice-Event`, in ASCII: nats-py corrupts other bytes in headers that it reads from a stream.
"""

import re
from collections.abc import Mapping, Sequence
from typing import cast

import msgspec
from msgspec import Struct

from . import subjects
from .events import Dead, Event, Failed, OptionalToken, Sentence, Speech, Utterance

HEADER = "Voice-Event"
MESSAGE_ID = "Nats-Msg-Id"
UNREADABLE = "Voicebus-Unreadable"
"""The one header of a message whose header block could not be read: that block, each byte a letter of Latin-1."""
MAX_HEADER_BYTES = 64_000
"""JetStream refuses a message whose headers are over 65,535 bytes together; the rest is for the broker's own.
A reply of 10,000 letters of any alphabet fits: an escaped letter costs 6 bytes, an emoji 12."""

Headers = Mapping[str, str | Sequence[str]]

_MESSAGE_ID = re.compile(r"\A[A-Za-z0-9_.-]{1,512}\Z")
_encoder = msgspec.json.Encoder()
_decoders: dict[type[Event], msgspec.json.Decoder[Event]] = {}


class NotAnEvent(ValueError):
    """The message cannot be read as the event that its subject names; the text says what is wrong with it."""


class _Named(Struct, frozen=True):
    turn: OptionalToken = ""


class Message(Struct, frozen=True):
    """A message as it stands on the bus."""

    subject: str
    payload: bytes
    headers: Mapping[str, str] = {}


def encode(event: Event) -> Message:
    """Write an event; a header that would be too long leaves out what the event calls spare.

    Raises: BadSubject; NotAnEvent when the header would still be over MAX_HEADER_BYTES, when a name in the message id
    is none, and for a text that is not Unicode (a lone surrogate).
    """
    subject = subjects.subject(type(event), event.origin, event.session)
    headers = {MESSAGE_ID: message_id(event)} if event.turn else {}
    bare = msgspec.structs.replace(event, origin="", session="")
    if not event.PAYLOAD:
        return Message(subject, _json(bare, subject), headers)
    payload = cast(bytes, getattr(event, event.PAYLOAD))
    return Message(subject, payload, {**headers, HEADER: _header(bare, subject)})


def decode(
    subject: str, payload: bytes, headers: Headers | None = None, *, sequence: int = 0, time_ms: int = 0
) -> Event:
    """Read a message.

    *sequence* and *time_ms* are the broker's, when the message comes out of a stream: they name a turn that its
    publisher did not, and start the clock of an utterance.

    Raises: BadSubject, NotAnEvent.
    """
    address = subjects.parse(subject)
    if UNREADABLE in (headers or {}):
        raise NotAnEvent(f"{subject}: its header block cannot be read; it is NATS/1.0 and `name: value` lines")
    decoder = _decoder(address.event)
    try:
        if address.event.PAYLOAD:
            event = decoder.decode(_first(headers, HEADER) or "{}")
            event = msgspec.structs.replace(event, **{event.PAYLOAD: payload})
        else:
            event = decoder.decode(payload)
    except RecursionError as error:
        raise NotAnEvent(f"{subject}: its JSON is nested too deep") from error
    except (msgspec.DecodeError, UnicodeError) as error:
        raise NotAnEvent(f"{subject}: {error}") from error
    event = msgspec.structs.replace(event, origin=address.origin, session=address.session)
    return _stored(event, sequence, time_ms) if sequence else event


def named_turn(payload: bytes, headers: Headers | None = None) -> str:
    """The turn that a message names, when the rest of it cannot be read; empty when it names none."""
    try:
        return msgspec.json.decode(_first(headers, HEADER) or payload, type=_Named).turn
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return ""


def message_id(event: Event) -> str:
    """The `Nats-Msg-Id` of an event: the same event has the same one, whoever publishes it, however often.

    Raises: NotAnEvent when one of its parts is no name.
    """
    parts = [event.origin, event.session, event.turn, str(event.run), event.NAME]
    match event:
        case Speech():
            parts += [event.attempt or "-", str(event.n), event.take, str(event.piece)]
        case Sentence():
            parts += [event.attempt or "-", str(event.n)]
        case Failed() if event.attempt:
            parts += [event.attempt]
        case Dead():
            parts += [event.stage, str(event.sequence)]
    found = ".".join(parts)
    if not _MESSAGE_ID.match(found):
        raise NotAnEvent(f"message id {found[:200]!r} has more in it than A-Z a-z 0-9 _ - between its dots")
    return found


def plain(headers: Headers | None) -> dict[str, str]:
    """Header values as text: a client with the optional fast parser gives lists of one.

    What is not Unicode becomes `?`, so that a dead letter can carry every header.
    """
    return {_unicode(key): _unicode(_one(value)) for key, value in (headers or {}).items()}


def _stored(event: Event, sequence: int, time_ms: int) -> Event:
    if not event.turn:
        event = msgspec.structs.replace(event, turn=f"{sequence}-{time_ms:x}")
    if isinstance(event, Utterance):
        event = msgspec.structs.replace(event, deadline=time_ms + event.timeout_ms)
    return event


def _first(headers: Headers | None, name: str) -> str:
    return _one((headers or {}).get(name, ""))


def _one(value: str | Sequence[str]) -> str:
    return value if isinstance(value, str) else "".join(value[:1])


def _unicode(text: str) -> str:
    return text.encode(errors="replace").decode()


def _header(event: Event, subject: str) -> str:
    """All but the payload, on one line."""
    rest = msgspec.structs.replace(event, **{event.PAYLOAD: b""})
    header = _ascii(_json(rest, subject))
    for spare in event.SPARE:
        if len(header) > MAX_HEADER_BYTES:
            rest = msgspec.structs.replace(rest, **{spare: type(getattr(rest, spare))()})
            header = _ascii(_json(rest, subject))
    if len(header) > MAX_HEADER_BYTES:
        raise NotAnEvent(f"the {HEADER} header of {subject} is {len(header)} bytes; at most {MAX_HEADER_BYTES} travel")
    return header


def _json(event: Event, subject: str) -> bytes:
    try:
        return _encoder.encode(event)
    except UnicodeError as error:
        raise NotAnEvent(f"a text for {subject} is not Unicode: {error}") from error


def _decoder(event: type[Event]) -> "msgspec.json.Decoder[Event]":
    if event not in _decoders:
        _decoders[event] = msgspec.json.Decoder(event)
    return _decoders[event]


def _ascii(text: bytes) -> str:
    r"""JSON with every character over 127 as `\uXXXX`; outside strings JSON has none."""
    if text.isascii():
        return text.decode()
    return "".join(character if character < "\x80" else _escape(character) for character in text.decode())


def _escape(character: str) -> str:
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
