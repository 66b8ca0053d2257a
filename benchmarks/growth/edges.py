"""Turns a second for 1, 2 and 4 edges on one broker, each with as many clients of its own."""

from pathlib import Path

from benchmarks import results

from . import fleet as fleets
from . import point
from .clients import Plan
from .curve import Curve
from .point import Point

NAME = "edges"
SECONDS = 12.0
"""Of each point."""
SIZES = (1, 2, 4)
SETTINGS = {
    "SCRIPTED_STT_MS": "400",
    "STT_CONCURRENCY": "64",
    "LLM_CONCURRENCY": "16",
    "TTS_CONCURRENCY": "16",
}
"""A turn takes 0.4 s and its bus; stt has room for all of them, so the clients of an edge bring what it can take."""
SOCKETS = 16
"""For each edge: 40 turns a second at most."""


async def measure(data: Path, seconds: float) -> Curve:
    """Start with one edge, and add some between the points."""
    points: list[Point] = []
    async with fleets.running(data, SETTINGS, {"stt": 2, "llm": 1, "tts": 1}) as fleet:
        for size in SIZES:
            await fleet.add("edge", size - (points[-1].size if points else 0))
            plan = Plan(fleet.urls, SOCKETS * size)
            points.append(await point.quietest(fleet, size, plan, data, seconds))
    return Curve(results.about(), SETTINGS, tuple(points))
