"""The committed document as a judge of real messages."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from nats.aio.msg import Msg

from bus_schemas import codec, frames
from services.cli import asyncapi_ws

_PATH = Path(__file__).resolve().parents[2] / "docs" / "asyncapi.json"
DOCUMENT = msgspec.json.decode(_PATH.read_bytes(), type=dict[str, Any])
"""As it is committed."""


def check_frame(channel: str, frame: str | bytes) -> str:
    """Hold a frame of the edge to a channel; the name of its message."""
    return check_text(channel, frame) if isinstance(frame, str) else check_binary(channel, frame)


def check_text(channel: str, frame: str) -> str:
    """Hold a text frame to a channel; the name of its message."""
    kind = type(frames.decode(frame))
    (name,) = (name for name, each in asyncapi_ws.FRAMES.items() if each is kind)
    _check_channel(channel, name)
    _check_known(DOCUMENT["components"]["messages"][name]["payload"], json.loads(frame))
    return name


def check_binary(channel: str, frame: bytes) -> str:
    """Hold a binary frame of the edge to a channel; the name of its message."""
    name = "replySound" if channel == "conversation" else "pieceSound"
    _check_channel(channel, name)
    assert frame[:4] == b"RIFF"
    return name


def check_event(message: Msg) -> str:
    """Hold a message of the bus to the channel of its subject; the name of its event."""
    name = message.subject.split(".")[1]
    channel, told = DOCUMENT["channels"][name], DOCUMENT["components"]["messages"][name]
    assert re.fullmatch(re.sub(r"\{\w+\}", "[A-Za-z0-9_-]{1,64}", channel["address"]), message.subject)
    headers = dict(message.headers or {})
    _valid(told["headers"], headers)
    header = told["headers"]["properties"].get(codec.HEADER)
    if header is None:
        _check_known(told["payload"], json.loads(message.data))
    elif codec.HEADER in headers:
        _check_known(header["x-content-schema"], json.loads(headers[codec.HEADER]))
    return name


def _check_channel(channel: str, name: str) -> None:
    assert name in DOCUMENT["channels"][channel]["messages"], f"{name} is not told in the channel {channel}"


def _check_known(schema: dict[str, Any], instance: dict[str, Any]) -> None:
    """The instance is valid, and every field of it is told."""
    _valid(schema, instance)
    told = DOCUMENT["components"]["schemas"][schema["$ref"].split("/")[-1]]["properties"]
    assert set(instance) <= set(told), f"{set(instance) - set(told)} are not told in {schema}"


def _valid(schema: dict[str, Any], instance: object) -> None:
    """Its references lead into the document."""
    Draft202012Validator({**schema, "components": DOCUMENT["components"]}).validate(instance)
