"""Where a turn's time went, drawn stage by stage."""

from collections.abc import Sequence

from rich.text import Text

from bus_schemas import Step

from .console import COLOURS

WIDTH = 48
"""Characters for the whole turn."""
QUEUE, WORK, ELSEWHERE = "░", "█", "·"


def lines(trail: Sequence[Step], seconds: float) -> list[Text]:
    """A line a stage: its queue, then its work, where they lie in the turn of *seconds*.

    The trail is that of the answer's last sentence; what no stage spent went to the edge and the way there and back.
    """
    spent = sum(step.queue_ms + step.service_ms for step in trail)
    whole = max(1000 * seconds, spent, 1.0)
    drawn: list[Text] = []
    start = 0.0
    for step in trail:
        worked, end = start + step.queue_ms, start + step.queue_ms + step.service_ms
        bar = _span(start, worked, whole, QUEUE) + _seen(worked, end, whole, WORK)
        note = f"after {step.queue_ms:.0f} ms in the queue, by {step.worker}"
        drawn.append(_line(step.stage, _at(start, whole), bar, step.service_ms, note))
        start = end
    rest = ELSEWHERE * (WIDTH - _at(start, whole))
    return [*drawn, _line("edge", _at(start, whole), rest, whole - spent, "and the way there and back")]


def _span(start: float, end: float, whole: float, character: str) -> str:
    return character * (_at(end, whole) - _at(start, whole))


def _seen(start: float, end: float, whole: float, character: str) -> str:
    """Never empty: a stage that was quick is still to be seen."""
    return _span(start, end, whole, character) or character


def _at(milliseconds: float, whole: float) -> int:
    return min(WIDTH - 1, round(WIDTH * milliseconds / whole))


def _line(name: str, indent: int, bar: str, milliseconds: float, note: str) -> Text:
    colour = COLOURS.get(name, "white")
    return Text.assemble(
        (f"{name:<5} ", colour),
        " " * indent,
        (bar, colour),
        " " * (WIDTH - indent - len(bar)),
        f" {milliseconds:>7.0f} ms  ",
        (note, "dim"),
    )
