"""Memory of every process under a load that does all that clients do, sampled each second."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec import Struct

from benchmarks import results
from benchmarks.results import About

from . import fleet as fleets
from . import slope, usage
from .clients import Asked, Plan
from .fleet import Fleet
from .load import asking
from .slope import Slope

NAME = "soak"
SECONDS = 1800.0
WARM_SECONDS = 300.0
SAMPLE_SECONDS = 1.0
SETTINGS = {
    "SCRIPTED_STT_MS": "50",
    "STREAM_ANSWER_SECONDS": "60",
    "MEMORY_SECONDS": "60",
}
"""What the broker keeps for a while is full before the warm-up is over, its duplicate window of 2 minutes too."""
PLAN = Plan(urls=(), sockets=8, think_s=1.0, turns_a_socket=10)
"""Each socket's eleventh turn ends in another way: closed, broken in the middle of a turn, no WAV, resumed."""


class Watched(Struct, frozen=True):
    """One process."""

    name: str
    cpu_cores: float
    """Used on average."""
    slope: Slope
    steps_kib: tuple[int, ...]
    """Its memory each 10 s, from the start."""


class Soak(Struct, frozen=True):
    """A run."""

    about: About
    settings: dict[str, str]
    seconds: float
    warm_seconds: float
    turns_a_second: float
    outcomes: dict[str, int]
    processes: tuple[Watched, ...]


async def measure(data: Path, seconds: float) -> Soak:
    """Run for *seconds*."""
    warm = min(WARM_SECONDS, seconds / 3)
    async with fleets.running(data, SETTINGS, fleets.ONE_EACH) as fleet:
        plan = Plan(fleet.urls, PLAN.sockets, PLAN.think_s, PLAN.turns_a_socket)
        async with asking(fleet, plan, data) as load, sampled(fleet) as samples:
            before = fleet.used()
            await asyncio.sleep(seconds)
            after = fleet.used()
    cores = {name: (after[name].cpu_s - before[name].cpu_s) / seconds for name in after}
    return summary(load.asked, samples, cores, seconds, warm)


def summary(
    asked: list[Asked],
    samples: Mapping[str, list[tuple[float, float]]],
    cores: Mapping[str, float],
    seconds: float,
    warm: float,
) -> Soak:
    """What the samples say."""
    processes = (
        Watched(
            name.rpartition("-")[0].replace("-0", "") or name,
            round(cores[name], 3),
            slope.of(taken, warm),
            tuple(round(kib) for _, kib in slope.stepped(taken)),
        )
        for name, taken in samples.items()
    )
    return Soak(
        about=results.about(),
        settings=SETTINGS,
        seconds=seconds,
        warm_seconds=warm,
        turns_a_second=round(len(asked) / seconds, 2),
        outcomes=dict(Counter(one.outcome for one in asked)),
        processes=tuple(processes),
    )


@asynccontextmanager
async def sampled(fleet: Fleet) -> AsyncIterator[dict[str, list[tuple[float, float]]]]:
    """The memory of each process, by seconds since the beginning."""
    samples: dict[str, list[tuple[float, float]]] = {member.name: [] for member in fleet.members}
    clock = asyncio.get_running_loop().time
    began = clock()

    async def sample() -> None:
        while True:
            for member in fleet.members:
                samples[member.name].append((clock() - began, usage.of(member.pid).rss_kib))
            await asyncio.sleep(SAMPLE_SECONDS)

    task = asyncio.create_task(sample(), name="sample")
    try:
        yield samples
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
