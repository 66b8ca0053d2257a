"""What we set out to reach, and whether this run reached it."""

from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct

from benchmarks.measure import MUCH_FOREIGN

from .contenders import REAL, SCRIPTED, STREAMED, VOICEBUS
from .figures import Cell, Run

OURS = (STREAMED, VOICEBUS)


class Bar(Struct, frozen=True):
    """A figure of one cell, and what it should be."""

    what: str
    answer: str
    callers: int
    unit: str
    limit: float
    value: Callable[[Cell], float | None]
    more: bool = False
    """More is better."""


def _first(cell: Cell) -> float | None:
    return cell.first_audio.p50 if cell.first_audio else None


BARS = (
    Bar("time to first audio, 1 caller, one sentence, p50", REAL, 1, "s", 0.6, _first),
    Bar("the same, three sentences at 25 words a second, p50", SCRIPTED, 1, "s", 1.1, _first),
    Bar("8 callers: turns a minute", REAL, 8, "/min", 100, lambda cell: cell.turns_a_minute, more=True),
    Bar("8 callers: time to first audio, p50", REAL, 8, "s", 4.0, _first),
    Bar("CPU seconds a turn, 1 caller, one sentence", REAL, 1, "s", 0.9, lambda cell: cell.cpu_seconds_a_turn),
)


def rows(run: Run) -> Iterator[str]:
    """The table's lines: the bar, the best peer, ours, and whether it is met."""
    for bar in BARS:
        theirs = _best(bar, run, [cell for cell in run.cells if cell.contender not in OURS])
        ours = _best(bar, run, [cell for cell in run.cells if cell.contender in OURS])
        limit = f"{'≥' if bar.more else '≤'} {bar.limit:g} {bar.unit}"
        yield f"| {bar.what} | {_shown(theirs, bar)} | {_shown(ours, bar)} | {limit} | {_verdict(ours, bar)} |"


def _best(bar: Bar, run: Run, cells: Sequence[Cell]) -> tuple[float, Cell] | None:
    wanted = [cell for cell in cells if (cell.answer, cell.callers) == (bar.answer, bar.callers)]
    known = [(value, cell) for cell in wanted if (value := bar.value(cell)) is not None and not cell.problems]
    if not known:
        return None
    return (max if bar.more else min)(known, key=lambda found: found[0])


def _shown(found: tuple[float, Cell] | None, bar: Bar) -> str:
    if found is None:
        return "–"
    return f"{found[0]:.3g} {bar.unit} ({found[1].contender})"


def _verdict(found: tuple[float, Cell] | None, bar: Bar) -> str:
    if found is None:
        return "not measured"
    value, cell = found
    verdict = "met" if (value >= bar.limit if bar.more else value <= bar.limit) else "**not met**"
    return f"{verdict}, on a busy machine (!)" if cell.foreign > MUCH_FOREIGN else verdict
