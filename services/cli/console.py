"""The terminal: results go to stdout, all else to stderr, in colour where a person reads it."""

import logging
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache

import msgspec
import structlog
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from services.runtime import log

COLOURS = {"broker": "magenta", "edge": "cyan", "stt": "green", "llm": "yellow", "tts": "blue"}
NO_LIMIT = 10_000
"""Characters of a line that is no terminal's."""


@cache
def stderr() -> Console:
    """Where messages and progress go; NO_COLOR is honoured."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


@cache
def stdout() -> Console:
    """Where results go that are drawn, not printed line by line."""
    return Console(highlight=False, soft_wrap=True)


def print_table(table: Table) -> None:
    """Print a result that is a table; its lines are cut nowhere where a program may read them."""
    out = stdout()
    if not out.is_terminal:
        out.width = NO_LIMIT
    out.print(table, soft_wrap=False)


def between_lines() -> str:
    """What stands between the parts of a table's row: a person reads them below each other, a program on one line."""
    return "\n" if stdout().is_terminal else "  "


def safe(text: str) -> str:
    """What strangers sent, to be shown: nothing of it may move a cursor or colour a terminal."""
    return "".join(character if character.isprintable() else "�" for character in text)


def interactive() -> bool:
    """A person reads stderr."""
    return sys.stderr.isatty()


def say(message: str) -> None:
    """Tell a person something."""
    stderr().print(escape(message))


def draw(lines: Iterable[Text]) -> None:
    """Draw a picture beside the results."""
    for line in lines:
        stderr().print(line)


def quiet_on_terminal() -> None:
    """Keep this process's own log to warnings where a person sees its progress drawn."""
    if interactive():
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))


def error(message: str) -> None:
    """Tell a person what went wrong."""
    stderr().print(f"[bold red]voicebus:[/] {escape(message)}")


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Show a person that something goes on."""
    if not interactive():
        yield
        return
    with stderr().status(escape(what)):
        yield


def relay(name: str, line: str) -> None:
    """Pass on a log line that a child process wrote: for a person with its name, for a program as it is."""
    if interactive():
        head = Text.from_markup(f"[{COLOURS.get(name, 'white')}]{name:<6}[/] [dim]│[/] ")
        stderr().print(head.append_text(Text.from_ansi(_readable(line))))
    else:
        print(line, file=sys.stderr, flush=True)  # noqa: T201 - a program's log line, as the child wrote it


def _readable(line: str) -> str:
    try:
        event = msgspec.json.decode(line, type=dict[str, object])
    except msgspec.DecodeError:
        return safe(line)
    event.pop("service", None)
    return str(_renderer()(None, "", log.escaped(None, "", event)))


@cache
def _renderer() -> structlog.dev.ConsoleRenderer:
    return structlog.dev.ConsoleRenderer(colors=not os.environ.get("NO_COLOR"), pad_event_to=0)
