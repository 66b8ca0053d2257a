"""Settings: environment and `.env` into one frozen struct a service.

A variable is its field's name in capitals. `NAME_FILE` names a file that holds the value (a container's secret).
A field that is itself a struct is read from the same environment, so services share groups of settings.
"""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import FieldInfo, fields

from . import env_file
from .errors import SettingsError

S = TypeVar("S", bound=Struct)

Port = Annotated[int, Meta(ge=0, le=65535)]
Seconds = Annotated[float, Meta(gt=0)]
Positive = Annotated[int, Meta(ge=1)]
_PASSWORD = re.compile(r"://\S*@")
_ADDRESS = re.compile(r"(.*_)?(URL|ENDPOINT|PROXY)")
"""The names of settings whose values are addresses: what stands before an @ in one is who asks."""
Secret = Annotated[str, Meta(extra={"secret": True})]
"""A value that is never printed."""


def environment(directory: Path | None = None) -> dict[str, str]:
    """The process environment over the `.env` file of *directory* (default: the current one).

    Raises: SettingsError for a `.env` that cannot be read.
    """
    return {**env_file.read((directory or Path.cwd()) / ".env"), **os.environ}


def load(kind: type[S], environ: Mapping[str, str] | None = None) -> S:
    """Read the settings of *kind*.

    An empty variable counts as unset, so `docker compose` may pass every name on.

    Raises: SettingsError, naming every bad variable at once.
    """
    problems: list[str] = []
    settings = _read(kind, environment() if environ is None else environ, problems)
    if problems:
        raise SettingsError("\n".join(problems))
    return settings


def describe(settings: Struct) -> Iterator[tuple[str, str]]:
    """Every variable and its value in force, secrets masked, groups flattened."""
    for field in fields(settings):
        value = getattr(settings, field.name)
        if isinstance(value, Struct):
            yield from describe(value)
        else:
            yield field.name.upper(), "***" if value and _is_secret(field) else _shown(field, value)


def variables(kind: type[Struct]) -> Iterator[str]:
    """The name of every variable that *kind* reads."""
    for field in fields(kind):
        if _is_group(field.type):
            yield from variables(field.type)
        else:
            yield field.name.upper()


def without_password(text: str) -> str:
    """A text without the users and the passwords of addresses in it, whatever characters they are of."""
    return _PASSWORD.sub("://***@", text)


def masked(address: str) -> str:
    """An address, with a scheme or without, and without what stands before its last @."""
    if "@" not in address:
        return address
    scheme, mark, _ = address.rpartition("://") if address.count("://") == 1 else ("", "", "")
    return f"{scheme}{mark}***@{address.rpartition('@')[2]}"


def _read(kind: type[S], environ: Mapping[str, str], problems: list[str]) -> S:
    values: dict[str, Any] = {}
    for field in fields(kind):
        if _is_group(field.type):
            values[field.name] = _read(field.type, environ, problems)
            continue
        name = field.name.upper()
        try:
            text = _lookup(name, environ)
            if text:
                values[field.name] = msgspec.convert(text, field.type, strict=False)
        except (OSError, ValueError) as error:
            what = f"{name}: {str(error).split(' - at ')[0]}; it is {_quoted(name, environ, field)}"
            problems.append(what + _choices(field))
    return kind(**values)


def _lookup(name: str, environ: Mapping[str, str]) -> str:
    file = environ.get(f"{name}_FILE", "")
    if file:
        text = Path(file).read_text(encoding="utf-8").strip()
        if not text:
            raise ValueError("the file that it names is empty")
        return text
    return environ.get(name, "").strip()


def _quoted(name: str, environ: Mapping[str, str], field: FieldInfo) -> str:
    if _is_secret(field):
        return "a secret"
    text = environ.get(name, environ.get(f"{name}_FILE", ""))
    return repr(masked(text) if _ADDRESS.fullmatch(name) else without_password(text))


def _choices(field: FieldInfo) -> str:
    """What may stand there, where that is a choice."""
    chosen = [str(choice) for choice in get_args(field.type) if choice] if get_origin(field.type) is Literal else []
    return f"; choose {', '.join(chosen[:-1])} or {chosen[-1]}" if len(chosen) > 1 else ""


def _is_group(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)


def _is_secret(field: FieldInfo) -> bool:
    return any(
        isinstance(m, Meta) and bool((m.extra or {}).get("secret")) for m in getattr(field.type, "__metadata__", ())
    )


def _shown(field: FieldInfo, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return masked(value) if _ADDRESS.fullmatch(field.name.upper()) else without_password(value)
    return str(value).lower() if isinstance(value, bool) else str(value)
