"""The terminal: results go to stdout, all else to stderr, in colour where a person reads it."""

import sys
from functools import cache

from rich.console import Console
from rich.markup import escape

COLOURS = {"broker": "magenta", "edge": "cyan", "stt": "green", "llm": "yellow", "tts": "blue"}


@cache
def stderr() -> Console:
    """Where messages and progress go; NO_COLOR is honoured."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def interactive() -> bool:
    """A person reads stderr."""
    return sys.stderr.isatty()


def say(message: str) -> None:
    """Tell a person something."""
    stderr().print(escape(message))


def error(message: str) -> None:
    """Tell a person what went wrong."""
    stderr().print(f"[bold red]voicebus:[/] {escape(message)}")


def relay(name: str, line: str) -> None:
    """Pass on a line that a child process wrote: with its name for a person, as it is for a program."""
    if interactive():
        stderr().print(f"[{COLOURS.get(name, 'white')}]{name:<6}[/] [dim]│[/] {escape(line)}")
    else:
        print(line, file=sys.stderr, flush=True)  # noqa: T201 - a program's log line, as the child wrote it
