"""The contract as a page in Markdown: the AsyncAPI document, drawn for a person."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from . import asyncapi_nats, asyncapi_ws
from .asyncapi_document import document
from .asyncapi_schemas import CODE, known_codes

Schema = dict[str, Any]

HEAD = """\
# The protocol, message by message

Every frame of the WebSocket and every event of the bus, with its fields. This page and \
[asyncapi.json](asyncapi.json), for tools that read [AsyncAPI](https://www.asyncapi.com/) 3.1, are written from the \
code by `voicebus asyncapi`; a test compares them. How the messages play together is in \
[bus_schemas/README.md](../bus_schemas/README.md), how to ask from another system in [publishing.md](publishing.md).

Bold fields are required. Unknown fields are to be ignored; a field that is not required and has its default is left \
out. Integers are at most 2^53-1, so that JavaScript counts them right.
"""
BUS = """\
An audio event's payload is the WAV, and its fields are one line of JSON in the header `Voice-Event`; any \
other event's payload is its JSON. *origin* and *session* are in the subject and nowhere else: 1 to 64 \
of `A-Z a-z 0-9 _ -` each.
"""
CODES = "Of `failed` and of `error`. A program that does not know one goes by the part before the dot.\n"
PARTS = ("Step", "Heard", "Error")
SHOWN = 40
"""Characters of a pattern that a table has room for."""


def text() -> str:
    """The page."""
    made = document()
    return "\n".join([HEAD, *_websocket(made), *_bus(made), *_parts(made["components"]["schemas"])])


def _websocket(made: Schema) -> Iterator[str]:
    yield f"## The WebSocket\n\n`{made['channels']['streaming']['address']}` of the edge, with these parameters:\n"
    wishes = made["channels"]["streaming"]["bindings"]["ws"]["query"]["properties"]
    yield _table(
        ("parameter", "type", "meaning"),
        ((f"`{name}`", _type(one), one["description"]) for name, one in wishes.items()),
    )
    for name in asyncapi_ws.CHANNELS:
        heading = "Answers" if name == "conversation" else "Answers while they are made: `?stream=1`"
        yield f"### {heading}\n\n{made['channels'][name]['description']}\n"
        yield _table(("message", "from", "what it is"), _frames(made, name))
    yield "### The fields of the text frames\n"
    for name, kind in asyncapi_ws.FRAMES.items():
        yield f"`{name}`\n\n{_fields(made['components']['schemas'][kind.__name__])}"


def _frames(made: Schema, channel: str) -> Iterator[tuple[str, ...]]:
    for name in asyncapi_ws.CHANNELS[channel]:
        message = made["components"]["messages"][name]
        binary = "; binary" if name in asyncapi_ws.BINARY else ""
        yield f"`{name}`", ("client" if name in asyncapi_ws.ASKED else "edge") + binary, message["summary"]


def _bus(made: Schema) -> Iterator[str]:
    yield f"## The bus\n\n{BUS}"
    yield _table(("event", "subject", "kept in", "written by", "read by", "payload", "what it is"), _events(made))
    schemas = made["components"]["schemas"]
    common = set(schemas["Cancel"]["properties"])
    yield f"### The fields of every event\n\n{_fields(schemas['Cancel'])}"
    for event in asyncapi_nats.ROLES:
        own = _fields(schemas[event.__name__], without=common)
        if own:
            yield f"### `{event.NAME}`\n\n{schemas[event.__name__]['description']}\n\n{own}"


def _events(made: Schema) -> Iterator[tuple[str, ...]]:
    for name in (event.NAME for event in asyncapi_nats.ROLES):
        channel, message = made["channels"][name], made["components"]["messages"][name]
        kept = channel["x-jetstream"]
        yield (
            f"`{name}`",
            f"`{channel['address']}`",
            f"{kept['stream']}, {kept['max_age_seconds']:g} s" if kept else "nothing: core NATS",
            channel["x-written-by"],
            channel["x-read-by"],
            message["contentType"],
            message["summary"],
        )


def _parts(schemas: Schema) -> Iterator[str]:
    yield "## What they are made of\n"
    for name in PARTS:
        yield f"### {name}\n\n{schemas[name]['description']}\n\n{_fields(schemas[name])}"
    yield f"## Codes\n\n{CODES}"
    yield _table((CODE.lower(), "meaning"), ((f"`{code}`", said) for code, said in known_codes().items()))


def _fields(schema: Schema, without: Iterable[str] = ()) -> str:
    """A table of the fields; empty when there are none. Required ones are bold."""
    names = [name for name in schema["properties"] if name not in without]
    rows = [_row(name, schema["properties"][name], name in schema["required"]) for name in names]
    return _table(("field", "type", "default", "meaning"), rows) if rows else ""


def _row(name: str, field: Schema, required: bool) -> tuple[str, ...]:
    default = "" if "default" not in field else f"`{msgspec.json.encode(field['default']).decode()}`"
    return f"**`{name}`**" if required else f"`{name}`", _type(field), default, field.get("description", "")


def _type(field: Schema) -> str:
    """A type in a few words."""
    for combined in ("allOf", "anyOf"):
        if combined in field:
            return _type(next(each for each in field[combined] if each.get("type") != "null"))
    if "$ref" in field:
        return f"[{field['$ref'].split('/')[-1]}](#{_anchor(field['$ref'].split('/')[-1])})"
    if field["type"] == "array":
        return f"list of {_type(field['items'])}"
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    return str(field["type"]) + _bounds(field)


def _anchor(name: str) -> str:
    return "codes" if name == CODE else name.lower()


def _bounds(field: Schema) -> str:
    if len(field.get("pattern", "")) in range(1, SHOWN):
        return f" `{field['pattern']}`"
    if "maxLength" in field:
        return f", at most {field['maxLength']} characters"
    if field.get("maximum", 2**53) < 2**53 - 1:
        return f", {field['minimum']:g} to {field['maximum']:g}"
    return ""


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines) + "\n"
