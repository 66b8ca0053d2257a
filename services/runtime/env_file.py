"""The `.env` file: read as its writers mean it, or told with its line."""

import codecs
from io import StringIO
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from .errors import SettingsError

HOW = "write one NAME=value a line, and close every quotation mark"
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read(path: Path) -> dict[str, str]:
    """What the file says, nothing when there is none. Raises: SettingsError with file and line."""
    try:
        raw = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror}); it has to be a file of settings") from error
    text = _text(path, raw)
    for binding in parse_stream(StringIO(text)):
        if binding.error or (binding.key is not None and binding.value is None):
            line = binding.original.line + _blank(binding.original.string)
            raise SettingsError(f"{path}, line {line}: this is no setting; {HOW}")
    return {name: value for name, value in dotenv_values(stream=StringIO(text)).items() if value is not None}


def _text(path: Path, raw: bytes) -> str:
    if raw.startswith(_UTF_16) or b"\0" in raw:
        raise SettingsError(f"{path}, line 1: this is UTF-16 or no text at all; save it as UTF-8")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise SettingsError(f"{path}, line {line}: this is not UTF-8 (Latin-1?); save it as UTF-8") from error


def _blank(statement: str) -> int:
    """Lines before what a statement says: the parser counts those above it as its own."""
    return len(statement) - len(statement.lstrip("\n")) if statement.strip() else 0
