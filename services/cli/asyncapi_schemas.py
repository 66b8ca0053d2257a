"""The JSON schemas of the AsyncAPI document, made from the msgspec types of `bus_schemas`."""

import inspect
from collections.abc import Iterator
from typing import Any, get_args

import msgspec
from msgspec import Struct

from bus_schemas import codes
from bus_schemas.events import EVENTS, Event, Heard, Step
from bus_schemas.frames import Error, Frame

from . import docstrings

Schema = dict[str, Any]

FRAMES: tuple[type[Struct], ...] = get_args(Frame)
IN_THE_SUBJECT = ("origin", "session")
CODE = "Code"
_PLACE = "#/components/schemas/"
_KINDS: tuple[type[Struct], ...] = (*EVENTS, *FRAMES, Error, Heard, Step)
_OF_PYTHON = {r"\A": "^", r"\Z": "$"}


def schemas() -> dict[str, Schema]:
    """A schema for each event, each frame and what they are made of; of an event, what stands in its JSON."""
    _, found = msgspec.json.schema_components(_KINDS, ref_template=_PLACE + "{name}")
    return {kind.__name__: _schema(kind, found[kind.__name__]) for kind in _KINDS} | {CODE: _codes()}


def ref(kind: type[Struct]) -> Schema:
    """Where the schema of a type stands in the document."""
    return {"$ref": _PLACE + kind.__name__}


def text(kind: type[Struct]) -> str:
    """What a type is for."""
    return inspect.getdoc(kind) or kind.__name__


def known_codes() -> dict[str, str]:
    """Every code with what it means."""
    told = docstrings.of_constants(codes)
    return {getattr(codes, name): said for name, said in told.items() if name != "REFUSED"}


def _schema(kind: type[Struct], made: Schema) -> Schema:
    told = docstrings.of_fields(kind)
    properties = {
        name: _field(name, schema, told.get(name, ""))
        for name, schema in made["properties"].items()
        if name not in _not_in_json(kind)
    }
    return made | {"description": text(kind), "properties": properties}


def _not_in_json(kind: type[Struct]) -> tuple[str, ...]:
    return (*IN_THE_SUBJECT, kind.PAYLOAD) if issubclass(kind, Event) else ()


def _field(name: str, made: Schema, said: str) -> Schema:
    """One field: what it means, and its pattern as JavaScript writes it."""
    described: Schema = {"description": said} if said else {}
    if name == "code":
        return {"allOf": [{"$ref": _PLACE + CODE}], **described}
    if "$ref" in made:
        return {"allOf": [made], **described}  # beside a $ref nothing else is read
    return {key: pattern(value) if key == "pattern" else value for key, value in made.items()} | described


def pattern(of_python: str) -> str:
    """A regular expression as JSON Schema wants it."""
    for theirs, ours in _OF_PYTHON.items():
        of_python = of_python.replace(theirs, ours)
    return of_python


def _codes() -> Schema:
    """No enumeration: a code may be added, and who does not know one goes by the part before the dot."""
    return {
        "title": CODE,
        "description": "\n".join(_code_lines()),
        "type": "string",
        "pattern": r"^[a-z_]+(\.[a-z_]+)?$",
        "examples": list(known_codes()),
    }


def _code_lines() -> Iterator[str]:
    yield "What went wrong, for a program. `refused.*` is the sender's fault; of all others another try may succeed.\n"
    yield from (f"- `{code}`: {said}" for code, said in known_codes().items())
