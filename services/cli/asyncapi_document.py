"""The AsyncAPI document of voicebus: the WebSocket and the bus, made from the code."""

from typing import Any

import msgspec

from bus_schemas import codec

from . import arguments, asyncapi_nats, asyncapi_schemas, asyncapi_ws

ASYNCAPI = "3.1.0"
ABOUT = f"""\
A spoken question goes in as a WAV; the answer comes out as text and speech.

Ask through the WebSocket of the edge, or on the bus, where each stage reads one work queue and publishes into the \
next. On the bus an audio event's payload is the WAV, and its other fields are one JSON header, `{codec.HEADER}`; any \
other event's payload is its JSON. Unknown fields are to be ignored, a field with its default is left out. Delivery is \
at least once: readers drop repeats."""


def document() -> dict[str, Any]:
    """The whole contract."""
    return {
        "asyncapi": ASYNCAPI,
        "info": _info(),
        "defaultContentType": "application/json",
        "servers": _servers(),
        "channels": asyncapi_ws.channels() | asyncapi_nats.channels(),
        "operations": asyncapi_ws.operations() | asyncapi_nats.operations(),
        "components": {
            "schemas": asyncapi_schemas.schemas(),
            "messages": asyncapi_ws.messages() | asyncapi_nats.messages(),
            "parameters": asyncapi_nats.parameters(),
            "securitySchemes": _security(),
        },
    }


def text() -> str:
    """The document as JSON for a file."""
    return msgspec.json.format(msgspec.json.encode(document()), indent=2).decode() + "\n"


def _info() -> dict[str, Any]:
    return {
        "title": "voicebus",
        "version": arguments.installed_version(),
        "description": ABOUT,
        "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
    }


def _servers() -> dict[str, Any]:
    return {
        asyncapi_ws.SERVER: {
            "host": "localhost:8000",
            "protocol": "ws",
            "description": "The edge; `wss` where it has a certificate. It asks for a key where `API_KEYS` is set.",
            "security": [{"$ref": "#/components/securitySchemes/key"}],
        },
        asyncapi_nats.SERVER: {
            "host": "localhost:4222",
            "protocol": "nats",
            "description": "The broker, with JetStream. It asks for a user only where its configuration has users.",
            "security": [{"$ref": "#/components/securitySchemes/user"}],
        },
    }


def _security() -> dict[str, Any]:
    browser = "a browser offers the subprotocols `voicebus` and `voicebus.key.<key>` instead"
    return {
        "key": {"type": "http", "scheme": "bearer", "description": f"`Authorization: Bearer <key>`; {browser}."},
        "user": {
            "type": "userPassword",
            "description": "A user of the broker that may publish as its own origin only.",
        },
    }
