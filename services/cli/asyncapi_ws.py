"""The WebSocket half of the AsyncAPI document: two channels at one address, told apart by `?stream=1`."""

from typing import Any

from msgspec import Struct

from bus_schemas.events import MAX_TIMEOUT_MS
from bus_schemas.frames import (
    Answer,
    Done,
    ErrorFrame,
    Restarted,
    Spoken,
    Stop,
    Taken,
    Trail,
    Transcription,
)
from services.edge import handshake
from services.edge.settings import EdgeSettings

from . import asyncapi_schemas as schemas

SERVER = "edge"
WAV = "audio/wav"
BINARY = {
    "question": "What a person said: a whole WAV file in one binary frame.",
    "replySound": "The whole reply, spoken: a WAV file, without samples where nobody spoke. It follows its `answer`.",
    "pieceSound": "One piece of a sentence, spoken: a WAV file of its own. It follows its `spoken` at once.",
}
FRAMES: dict[str, type[Struct]] = {
    "taken": Taken,
    "answer": Answer,
    "trail": Trail,
    "transcription": Transcription,
    "spoken": Spoken,
    "restarted": Restarted,
    "done": Done,
    "error": ErrorFrame,
    "stop": Stop,
}
ASKED = ("question", "stop")
"""What a client sends; all the rest comes from the edge."""
CHANNELS: dict[str, tuple[str, ...]] = {
    "conversation": ("question", "taken", "answer", "replySound", "trail", "error"),
    "streaming": ("question", "stop", "taken", "transcription", "spoken", "pieceSound", "restarted", "done", "error"),
}
ABOUT = {
    "conversation": "One answer for each question, in order: `answer`, `replySound` (and `trail`), or instead "
    "of them `error`. With `?turns=1` there is a `taken` before.",
    "streaming": "The answer while it is made: `transcription`, then `spoken` and `pieceSound` for each piece, at "
    "last `done` or `error`. Whatever the client sends meanwhile ends the running turn.",
}


def channels() -> dict[str, Any]:
    """Both kinds of conversation."""
    return {name: _channel(name) for name in CHANNELS}


def operations() -> dict[str, Any]:
    """What the edge receives and sends."""
    found: dict[str, Any] = {}
    for channel, names in CHANNELS.items():
        answers = [_in_channel(channel, name) for name in names if name not in ASKED]
        for name in (name for name in names if name in ASKED):
            found[f"receive{name.capitalize()}{channel.capitalize()}"] = {
                "action": "receive",
                "channel": {"$ref": f"#/channels/{channel}"},
                "messages": [_in_channel(channel, name)],
                "reply": {"channel": {"$ref": f"#/channels/{channel}"}, "messages": answers},
            }
    return found


def messages() -> dict[str, Any]:
    """Every frame: the binary ones, and the text ones, which are JSON."""
    return {name: _binary(name, about) for name, about in BINARY.items()} | {
        name: _text(name, kind) for name, kind in FRAMES.items()
    }


def query() -> dict[str, dict[str, Any]]:
    """The query parameters of the address, as schemas."""
    seconds = EdgeSettings().turn_seconds
    return {
        "session": {
            "type": "string",
            "pattern": schemas.pattern(handshake.TOKEN.pattern),
            "description": "Go on with this conversation. Without it the edge makes one, and names it in the header "
            f"`{handshake.SESSION_HEADER}` of its answer to the handshake.",
        },
        "voice": {"type": "string", "maxLength": 64, "description": "Who answers: a name that `/about` lists."},
        "language": {
            "type": "string",
            "pattern": schemas.pattern(handshake.LANGUAGE.pattern),
            "description": "What is spoken, such as `pt` or `pt-BR`; `/about` lists them. Otherwise it is found out.",
        },
        "timeout": {
            "type": "number",
            "minimum": handshake.MIN_TIMEOUT_SECONDS,
            "maximum": MAX_TIMEOUT_MS / 1000,
            "default": seconds,
            "description": "How many seconds an answer may take.",
        },
        "stream": _flag("tells the answer while it is made: the channel `streaming`."),
        "turns": _flag("names each turn as soon as it is stored, in the frame `taken`."),
        "trace": _flag("tells where the turn's time went: in the frame `trail`, or in `done`."),
        "resume": {
            "type": "string",
            "pattern": schemas.pattern(handshake.TOKEN.pattern),
            "description": "Come back for this turn of `session`: it is the new socket's first.",
        },
    }


def _flag(what: str) -> dict[str, Any]:
    return {"type": "string", "enum": ["1"], "description": f"`1` {what}"}


def _channel(name: str) -> dict[str, Any]:
    required = {"required": ["stream"]} if name == "streaming" else {}
    wishes = {key: value for key, value in query().items() if name == "streaming" or key != "stream"}
    return {
        "address": handshake.PATH,
        "title": name,
        "description": ABOUT[name],
        "servers": [{"$ref": f"#/servers/{SERVER}"}],
        "messages": {each: {"$ref": f"#/components/messages/{each}"} for each in CHANNELS[name]},
        "bindings": {
            "ws": {
                "method": "GET",
                "query": {"type": "object", "properties": wishes, **required},
                "bindingVersion": "0.1.0",
            }
        },
    }


def _in_channel(channel: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/channels/{channel}/messages/{name}"}


def _binary(name: str, about: str) -> dict[str, Any]:
    payload = {"type": "string", "format": "binary", "description": "A WAV file."}
    return {"name": name, "title": name, "summary": about, "contentType": WAV, "payload": payload}


def _text(name: str, kind: type[Struct]) -> dict[str, Any]:
    summary = schemas.text(kind).splitlines()[0]
    return {
        "name": name,
        "title": kind.__name__,
        "summary": summary,
        "contentType": "application/json",
        "payload": schemas.ref(kind),
    }
