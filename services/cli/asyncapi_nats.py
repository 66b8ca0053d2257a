"""The NATS half of the AsyncAPI document: a channel an event."""

from typing import Any

from msgspec import Struct

from bus_schemas import Cancel, Dead, Event, Failed, Sentence, Speech, Transcript, Utterance, codec, subjects
from services.runtime import streams, trace
from services.runtime.streams import StreamSettings

from . import asyncapi_schemas as schemas

SERVER = "broker"
WAV = "audio/wav"
ANYTHING = "application/octet-stream"
TRACED = "W3C trace context: passed on to every event that follows of this one."


class Role(Struct, frozen=True):
    """Who publishes an event and who reads it."""

    writers: str
    readers: str
    asked: bool = False
    """Whether those who ask publish it, and voicebus receives it."""


ROLES: dict[type[Event], Role] = {
    Utterance: Role("edge, other systems", "stt", asked=True),
    Transcript: Role("stt", "llm"),
    Sentence: Role("llm", "tts"),
    Speech: Role("tts; stt when nobody spoke", "the origin"),
    Failed: Role("any stage", "the origin"),
    Cancel: Role("the origin", "every stage", asked=True),
    Dead: Role("any stage", "an operator"),
}


def channels() -> dict[str, Any]:
    """Every subject."""
    return {event.NAME: _channel(event, role) for event, role in ROLES.items()}


def operations() -> dict[str, Any]:
    """What voicebus as a whole does with each event."""
    return {
        f"{'receive' if role.asked else 'send'}{event.__name__}": {
            "action": "receive" if role.asked else "send",
            "channel": {"$ref": f"#/channels/{event.NAME}"},
            "summary": _summary(event),
        }
        for event, role in ROLES.items()
    }


def messages() -> dict[str, Any]:
    """Every event as a message: its payload and its headers."""
    return {event.NAME: _message(event) for event in ROLES}


def parameters() -> dict[str, Any]:
    """The two tokens of a subject."""
    allowed = "1 to 64 of `A-Z a-z 0-9 _ -`."
    return {
        "origin": {
            "description": f"The party that asks and is answered; `web` for the edges of a deployment. {allowed}",
            "examples": ["web", "kiosk-7"],
        },
        "session": {"description": f"One conversation of the origin. {allowed}", "examples": ["42"]},
    }


def _channel(event: type[Event], role: Role) -> dict[str, Any]:
    return {
        "address": f"{subjects.ROOT}.{event.NAME}.{{origin}}.{{session}}",
        "title": event.NAME,
        "summary": _summary(event),
        "servers": [{"$ref": f"#/servers/{SERVER}"}],
        "parameters": {name: {"$ref": f"#/components/parameters/{name}"} for name in parameters()},
        "messages": {event.NAME: {"$ref": f"#/components/messages/{event.NAME}"}},
        "x-written-by": role.writers,
        "x-read-by": role.readers,
        "x-jetstream": _stream(event),
    }


def _stream(event: type[Event]) -> dict[str, Any] | None:
    """The stream that stores an event, as `voicebus setup` makes it; None for what is not stored."""
    name = streams.STREAM_OF.get(event)
    if name is None:
        return None
    config = next(each for each in streams.table(StreamSettings()) if each.name == name)
    queue = {"consumer": streams.CONSUMERS[name]} if name in streams.CONSUMERS else {}
    return {
        "stream": name,
        **queue,
        "retention": config.retention,
        "discard": config.discard,
        "max_age_seconds": config.max_age,
        "max_message_bytes": config.max_msg_size,
    }


def _message(event: type[Event]) -> dict[str, Any]:
    return {
        "name": event.NAME,
        "title": event.__name__,
        "summary": _summary(event),
        "contentType": _content_type(event),
        "headers": _headers(event),
        "payload": _payload(event),
    }


def _content_type(event: type[Event]) -> str:
    if not event.PAYLOAD:
        return "application/json"
    return ANYTHING if event is Dead else WAV


def _payload(event: type[Event]) -> dict[str, Any]:
    if not event.PAYLOAD:
        return schemas.ref(event)
    what = "The bytes of the original message." if event is Dead else "A WAV file."
    return {"type": "string", "format": "binary", "description": what}


def _headers(event: type[Event]) -> dict[str, Any]:
    same = "The same event has the same id, however often it is published; it makes publishing again safe."
    properties: dict[str, Any] = {codec.MESSAGE_ID: {"type": "string", "description": same}}
    properties |= {name: {"type": "string", "description": TRACED} for name in trace.NAMES}
    if event.PAYLOAD:
        properties[codec.HEADER] = {
            "type": "string",
            "maxLength": codec.MAX_HEADER_BYTES,
            "pattern": r"^[\x20-\x7e]*$",
            "description": "The event's fields: one line of JSON in ASCII, other characters as `\\u` escapes.",
            "contentMediaType": "application/json",
            "x-content-schema": schemas.ref(event),
        }
    return {"type": "object", "properties": properties, "required": _required(event)}


def _required(event: type[Event]) -> list[str]:
    """A bare WAV is a whole utterance; no other event beside a payload can do without its fields."""
    return [codec.HEADER] if event.PAYLOAD and event is not Utterance else []


def _summary(event: type[Event]) -> str:
    return schemas.text(event).splitlines()[0]
