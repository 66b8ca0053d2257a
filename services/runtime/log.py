"""Structured logs: coloured lines on a terminal, JSON off it; always on stderr, never a transcript at INFO."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal

import msgspec
import structlog
from msgspec import Struct
from structlog.dev import plain_traceback
from structlog.typing import EventDict, Processor

from . import trace
from .lines import Lines

TRACEBACKS = ("exception", "stack")
"""Fields of a log line that are many lines."""


class LogSettings(Struct, frozen=True):
    """What is logged."""

    debug_mode: bool = False
    """true: log everything, transcripts and replies too."""
    log_format: Literal["", "console", "json"] = ""
    """console or json; empty: console on a terminal, JSON off it."""


def configure(settings: LogSettings, service: str) -> None:
    """Set logging up for this process; the standard library's `logging` goes the same way."""
    level = logging.DEBUG if settings.debug_mode else logging.INFO
    console = sys.stderr.isatty() if not settings.log_format else settings.log_format == "console"
    timed: Processor = structlog.processors.TimeStamper(fmt="iso", utc=True) if console else _timed
    shared: list[Processor] = [_named(service), trace.into_log, structlog.processors.add_log_level, timed]
    last, lines = _renderers(console), Lines(sys.stderr)
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last], foreign_pre_chain=shared
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


def _named(service: str) -> Processor:
    """Says which service speaks, in every thread: a context variable is not known in all of them, and costs more."""

    def name(_: object, __: str, line: EventDict) -> EventDict:
        line["service"] = service
        return line

    return name


def _timed(_: object, __: str, line: EventDict) -> EventDict:
    """Says when, as `TimeStamper` does; `_json` writes it three times as fast."""
    line["timestamp"] = datetime.now(UTC)
    return line


def _renderers(console: bool) -> list[Processor]:
    """What makes a line of an event. A traceback shows no variables: they hold what was said, and secrets."""
    if console:
        return [escaped, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain_traceback)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(_json)]


def escaped(_: object, __: str, line: EventDict) -> EventDict:
    """What strangers sent moves no cursor and colours no terminal; only a traceback keeps its lines."""
    return {name: _visible(value, keep="\n\t" if name in TRACEBACKS else "") for name, value in line.items()}


def _visible(value: object, keep: str) -> object:
    if not isinstance(value, str) or value.isprintable():
        return value
    return "".join(
        each if each.isprintable() or each in keep else each.encode("unicode_escape", "surrogatepass").decode()
        for each in value
    )


def _json(line: object, **_: object) -> str:
    """What JSON has no form for is shown as Python shows it."""
    try:
        return msgspec.json.encode(line, enc_hook=repr).decode()
    except UnicodeError:  # half a character: the slower writer escapes it
        return json.dumps(msgspec.to_builtins(line, enc_hook=repr))
