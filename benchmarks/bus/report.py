"""The figures of the bus, and their section of docs/performance.md."""

from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from benchmarks import measure, results
from benchmarks.results import About

TITLES = {
    "raw": "nats-py by hand, the same guarantees",
    "voicebus": "voicebus",
    "faststream": "FastStream",
    "memory": "voicebus, with llm's memory",
    "edge": "voicebus, with memory, through the edge",
}
TEXT = """\
## The bus alone

Three stages that do nothing, one process each, and a client outside: 160 KB of audio in, 160 KB out, four hops that are
stored on file and confirmed. `python -m benchmarks.bus` measures it: every contender in each round on the same broker,
the median of the rounds. CPU is milliseconds a turn of the broker, of the stages, of the client.

| | callers | p50 ms | p95 ms | turns/s | beside nats-py | CPU | foreign |
|---|---|---|---|---|---|---|---|
"""


class Cell(Struct, frozen=True):
    """One contender at one number of callers, in one round."""

    contender: str
    callers: int
    turns: int
    turns_per_second: float
    p50_ms: float
    p95_ms: float
    server_ms: float
    """CPU of the broker, milliseconds a turn."""
    workers_ms: float
    """CPU of the three stages (and of the edge), milliseconds a turn."""
    client_ms: float
    foreign: float
    """The share of the machine that other programs used, 0 to 1."""


class Figures(Struct, frozen=True):
    """A run: every cell of every round."""

    about: About
    cells: tuple[Cell, ...]


def median(cells: list[Cell], name: str) -> float:
    """The middle of the rounds."""
    return measure.percentile([getattr(cell, name) for cell in cells], 0.5)


def rows(figures: Figures) -> Iterator[str]:
    """The table, contender by contender."""
    for contender in dict.fromkeys(cell.contender for cell in figures.cells):
        for callers in sorted({cell.callers for cell in figures.cells}):
            mine = [c for c in figures.cells if (c.contender, c.callers) == (contender, callers)]
            raw = [c for c in figures.cells if (c.contender, c.callers) == ("raw", callers)]
            if mine:
                yield row(mine, raw)


def row(mine: list[Cell], raw: list[Cell]) -> str:
    """One line; with one caller the ratio is of latency, with more of turns a second, above 1 is slower."""
    of = "p50_ms" if mine[0].callers == 1 else "turns_per_second"
    ratio = median(mine, of) / median(raw, of) if raw else 0.0
    ratio = ratio if of == "p50_ms" or not ratio else 1 / ratio
    cpu = " / ".join(f"{median(mine, name):.2f}" for name in ("server_ms", "workers_ms", "client_ms"))
    foreign = median(mine, "foreign")
    mark = " (!)" if foreign > measure.MUCH_FOREIGN else ""
    return (
        f"| {TITLES[mine[0].contender]} | {mine[0].callers} | {median(mine, 'p50_ms'):.2f} | "
        f"{median(mine, 'p95_ms'):.2f} | {median(mine, 'turns_per_second'):.0f} | "
        f"{f'{ratio:.2f}' if ratio else ''} | {cpu} | {foreign:.2f}{mark} |"
    )


def section(folder: Path, charts: Path) -> str:
    """The section of the page; empty when this was never run."""
    figures = results.read("bus", Figures, folder)
    return "" if figures is None else TEXT + "\n".join(rows(figures)) + "\n"
