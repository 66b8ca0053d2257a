"""Turns a second for 1 to 16 stt workers, each of which works on one utterance at a time for a set time."""

from pathlib import Path

from benchmarks import results

from . import fleet as fleets
from . import point
from .clients import Plan
from .curve import Curve
from .point import Point

NAME = "workers"
SECONDS = 12.0
"""Of each point."""
SIZES = (1, 2, 4, 8, 16)
SERVICE_MS = 100
SETTINGS = {
    "SCRIPTED_STT_MS": str(SERVICE_MS),
    "STT_CONCURRENCY": "1",
    "LLM_CONCURRENCY": "16",
    "TTS_CONCURRENCY": "16",
}
"""A worker takes ten utterances a second at most; llm and tts are one worker each, and never the bottleneck."""
SOCKETS = 3
"""For each worker: one is worked on, one waits, one is on its way."""


async def measure(data: Path, seconds: float) -> Curve:
    """Start with one worker, and add some between the points."""
    points: list[Point] = []
    async with fleets.running(data, SETTINGS, {"edge": 1, "llm": 1, "tts": 1}) as fleet:
        for size in SIZES:
            await fleet.add("stt", size - (points[-1].size if points else 0))
            plan = Plan(fleet.urls, SOCKETS * size)
            points.append(await point.quietest(fleet, size, plan, data, seconds))
    return Curve(results.about(), SETTINGS, tuple(points))
