"""Callers who ask again as soon as they are answered, and what they lived through."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from msgspec import Struct

from .bench_figures import Spread, spread
from .bench_turn import Timed

Ask = Callable[[], Awaitable[Timed]]
"""One question and its answer."""


class Cell(Struct, frozen=True):
    """One number of callers: what they lived through."""

    callers: int
    answered: int
    seconds: float
    """From the first question to the last answer."""
    turns_a_minute: float
    first_audio: Spread | None
    """Seconds to the first sound; None where no answer had any."""
    full: Spread | None
    """Seconds to the end of the answer."""
    problems: dict[str, int]
    """Why turns had no answer, and how many."""
    answers: dict[str, int]
    """What was heard and answered, and how often."""


async def asked(ask: Ask, callers: int, turns: int, tell: Callable[[], None]) -> tuple[list[Timed], float]:
    """Let *callers* ask *turns* questions each; every turn, and the seconds it took. *tell* hears of each answer."""

    async def caller() -> list[Timed]:
        lived = []
        for _ in range(turns):
            lived.append(await ask())
            tell()
        return lived

    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(caller(), name=f"caller-{number}") for number in range(callers)]
    return [turn for task in tasks for turn in task.result()], time.monotonic() - began


def cell(callers: int, turns: Sequence[Timed], seconds: float) -> Cell:
    """The turns in figures."""
    answered = [turn for turn in turns if not turn.problem]
    sounds = [turn.first_audio for turn in answered if turn.first_audio]
    return Cell(
        callers=callers,
        answered=len(answered),
        seconds=seconds,
        turns_a_minute=60 * len(answered) / seconds,
        first_audio=spread(sounds) if sounds else None,
        full=spread([turn.full for turn in answered]) if answered else None,
        problems=dict(Counter(turn.problem for turn in turns if turn.problem)),
        answers=dict(Counter(f"{turn.transcription} -> {turn.llama}" for turn in answered)),
    )
