"""The figures of the bus, and their section of docs/performance.md."""

from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from benchmarks import measure, results
from benchmarks.results import About

from . import chain, parts
from .parts import Parts

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
the median of the rounds. CPU is milliseconds a turn of the broker, of the stages, of the client, and beside nats-py
all three together.

The chain by hand has the same guarantees on its four hops: stored on file, confirmed, with a message id, acked when
what follows is stored. It knows no event, deadline, cancel, trail, metric or log, beats for nothing that takes long,
asks for messages in batches, and is otherwise nats-py and Python as they come: voicebus reads 256 KB at once from the
broker, not 32, and collects garbage seldom. All of them run on uvloop; in a run before 2026-11-23 voicebus did not.

| | callers | p50 ms | p95 ms | turns/s | beside nats-py | CPU | CPU beside nats-py | foreign |
|---|---|---|---|---|---|---|---|---|
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


def added(figures: Figures) -> Iterator[str]:
    """What llm's memory and the edge add to a turn, as far as they were measured."""
    for more, less, what in (("memory", "voicebus", "llm's memory"), ("edge", "memory", "the edge")):
        told = [(f"{_cpu(a) - _cpu(b):.1f}", str(n)) for n, a, b in _beside(figures, more, less)]
        if told:
            extra, callers = (", ".join(words) for words in zip(*told, strict=True))
            yield f"\nIn CPU of all processes a turn, {what} adds {extra} ms (callers: {callers})."


def beyond(figures: Figures) -> Iterator[str]:
    """How much more CPU a message costs the shipped worker than the chain by hand."""
    told = []
    for callers, ours, raw in _beside(figures, "voicebus", "raw"):
        more = (median(ours, "workers_ms") - median(raw, "workers_ms")) / len(chain.STREAMS)
        told.append((f"{1000 * more:.0f}", str(callers)))
    if told:
        extra, at = (", ".join(words) for words in zip(*told, strict=True))
        yield f"\nIn the chain a message cost a worker of voicebus {extra} µs more than one by hand (callers: {at})."


def _beside(figures: Figures, one: str, other: str) -> Iterator[tuple[int, list[Cell], list[Cell]]]:
    """For each number of callers, the cells of two contenders that were both measured."""
    for callers in sorted({cell.callers for cell in figures.cells}):
        ours = [c for c in figures.cells if (c.contender, c.callers) == (one, callers)]
        others = [c for c in figures.cells if (c.contender, c.callers) == (other, callers)]
        if ours and others:
            yield callers, ours, others


def _cpu(cells: list[Cell]) -> float:
    return sum(median(cells, name) for name in ("server_ms", "workers_ms", "client_ms"))


def row(mine: list[Cell], raw: list[Cell]) -> str:
    """One line; with one caller the ratio is of latency, with more of turns a second, above 1 is slower."""
    of = "p50_ms" if mine[0].callers == 1 else "turns_per_second"
    ratio = median(mine, of) / median(raw, of) if raw else 0.0
    ratio = ratio if of == "p50_ms" or not ratio else 1 / ratio
    cpu = " / ".join(f"{median(mine, name):.2f}" for name in ("server_ms", "workers_ms", "client_ms"))
    spent = f"{_cpu(mine) / _cpu(raw):.2f}" if raw else ""
    foreign = median(mine, "foreign")
    mark = " (!)" if foreign > measure.MUCH_FOREIGN else ""
    return (
        f"| {TITLES[mine[0].contender]} | {mine[0].callers} | {median(mine, 'p50_ms'):.2f} | "
        f"{median(mine, 'p95_ms'):.2f} | {median(mine, 'turns_per_second'):.0f} | "
        f"{f'{ratio:.2f}' if ratio else ''} | {cpu} | {spent} | {foreign:.2f}{mark} |"
    )


def section(folder: Path, charts: Path) -> str:
    """The section of the page; empty when this was never run."""
    figures = results.read("bus", Figures, folder)
    if figures is None:
        return ""
    found = results.read("bus-parts", Parts, folder)
    pieces = () if found is None else ("", parts.TEXT + "\n".join(parts.rows(found)), *beyond(figures))
    run = f"\nRun of {figures.about.when}: {figures.about.processor}, {figures.about.cores} cores."
    return TEXT + "\n".join((*rows(figures), run, *added(figures), *pieces)) + "\n"
