"""`voicebus bench`: how fast a running deployment answers, ours or another one with the same `/ws`."""

import argparse
import asyncio
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from websockets.exceptions import InvalidURI
from websockets.uri import parse_uri

from services.runtime import settings
from services.runtime.errors import StartError

from . import bench_load, bench_turn, console, demo, ports
from .bench_figures import Spread
from .bench_load import Cell
from .bench_turn import Timed
from .settings import CliSettings

FAILED = 1


def run(words: argparse.Namespace) -> int:
    """Ask with each number of callers, print the figures; 1 when a question was not answered.

    Raises: StartError for a recording that cannot be read, or an address that is none.
    """
    wanted = settings.load(CliSettings)
    wav = _read(words.wav or str(demo.QUESTION))
    url = _url(words.url or ports.edge(wanted.host, wanted.port, tls=bool(wanted.tls_cert)), words.stream)
    headers = {"Authorization": f"Bearer {key}"} if (key := words.key or wanted.voicebus_key) else {}
    cells = asyncio.run(_bench(url, headers, wav, words))
    if words.json or not sys.stdout.isatty():
        print(msgspec.json.encode(cells).decode(), flush=True)  # noqa: T201 - the command's result
    else:
        console.stdout().print(_table(cells))
        for line in _answers(cells):
            console.stdout().print(line, markup=False)
    return FAILED if any(cell.problems for cell in cells) else 0


async def _bench(url: str, headers: dict[str, str], wav: bytes, words: argparse.Namespace) -> list[Cell]:
    async def ask() -> Timed:
        return await bench_turn.ask(url, wav, stream=words.stream, seconds=words.timeout, headers=headers)

    cells = []
    with _progress() as progress:
        for callers in words.callers:
            bar = progress.add_task(f"{callers} callers", total=callers * words.turns)
            turns, seconds = await bench_load.asked(ask, callers, words.turns, partial(progress.advance, bar))
            cells.append(bench_load.cell(callers, turns, seconds))
    return cells


@contextmanager
def _progress() -> Iterator[Progress]:
    """A bar for each number of callers; nothing where nobody looks."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console.stderr(), disable=not console.interactive()) as progress:
        yield progress


def _table(cells: Sequence[Cell]) -> Table:
    table = Table(title="seconds from the end of the question", title_justify="left")
    for head in ("callers", "turns", "first audio p50", "p95", "full turn p50", "p95", "turns a minute", "errors"):
        table.add_column(head, justify="right")
    for cell in cells:
        errors = "; ".join(f"{count} x {problem}" for problem, count in cell.problems.items())
        table.add_row(
            str(cell.callers),
            str(cell.answered),
            *_spread(cell.first_audio),
            *_spread(cell.full),
            f"{cell.turns_a_minute:.0f}",
            errors or "0",
        )
    return table


def _spread(spread: Spread | None) -> tuple[str, str]:
    return (f"{spread.p50:.2f}", f"{spread.p95:.2f}") if spread else ("-", "-")


def _answers(cells: Sequence[Cell]) -> Iterator[str]:
    """What was heard and answered: figures of wrong answers are worth nothing."""
    seen = {answer: 0 for cell in cells for answer in cell.answers}
    for answer in seen:
        yield f"{sum(cell.answers.get(answer, 0) for cell in cells)} x {answer}"


def _url(url: str, stream: bool) -> str:
    """Raises: StartError for what is no address of a WebSocket."""
    try:
        parse_uri(url)
    except InvalidURI as error:
        raise StartError(f"{error}: name one such as ws://127.0.0.1:8000/ws with --url") from error
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query)) | ({"stream": "1"} if stream else {})
    return urlunsplit(parts._replace(query=urlencode(query)))


def _read(name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise StartError(f"{name} cannot be read ({error.strerror}): name a WAV file with --wav") from error
