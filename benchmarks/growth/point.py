"""One point of a curve: a fleet of some size under load for a while."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from benchmarks.measure import percentile

from . import usage
from .clients import ANSWERED, Asked, Plan
from .fleet import Fleet
from .load import asking
from .usage import Used

WARM_SECONDS = 3.0
TRIES = 2
QUIET = 0.1
"""With others on more than this share of the machine a point is measured again, and the quietest one counts."""
LINEAR = 0.9
"""Less than this share of what it would be if it grew evenly is a bend."""


class Point(Struct, frozen=True):
    """What a fleet of this size did."""

    size: int
    """How many of the service that is multiplied."""
    sockets: int
    seconds: float
    turns_a_second: float
    p50_ms: float
    """From the question to the end of the answer, at the client."""
    p95_ms: float
    outcomes: dict[str, int]
    cores: dict[str, float]
    """Cores that each role used on average: broker, edge, stt, llm, tts and clients."""
    foreign_cores: float
    """Cores that other programs used meanwhile."""
    rss_mib: dict[str, float]
    """Memory of each role at the end, all its processes together."""

    @property
    def busy(self) -> float:
        """Cores that were used, by whomever."""
        return sum(self.cores.values()) + self.foreign_cores

    def cpu_ms(self, role: str) -> float:
        """What a turn cost in *role*, milliseconds of a core."""
        return 1000 * self.cores[role] / self.turns_a_second


async def quietest(fleet: Fleet, size: int, plan: Plan, data: Path, seconds: float) -> Point:
    """Measure, and again while others keep the machine busy, up to TRIES times; the quietest counts."""
    points: list[Point] = []
    for _ in range(TRIES):
        points.append(await measure(fleet, size, plan, data, seconds))
        if points[-1].foreign_cores <= QUIET * (os.cpu_count() or 1):
            break
    return min(points, key=lambda point: point.foreign_cores)


async def measure(fleet: Fleet, size: int, plan: Plan, data: Path, seconds: float) -> Point:
    """Let the clients of *plan* ask, and look at *seconds* of it after the warm-up."""
    async with asking(fleet, plan, data) as load:
        await asyncio.sleep(WARM_SECONDS)
        began, before = asyncio.get_running_loop().time(), _looked(fleet, load.pid)
        since = time.time()
        await asyncio.sleep(seconds)
        lasted, after = asyncio.get_running_loop().time() - began, _looked(fleet, load.pid)
        until = time.time()
    asked = [one for one in load.asked if since <= one.ended < until]
    return summary(size, plan.sockets, asked, lasted, before, after)


def summary(
    size: int,
    sockets: int,
    asked: Sequence[Asked],
    seconds: float,
    before: Mapping[str, Used],
    after: Mapping[str, Used],
) -> Point:
    """What was asked and used between two looks; `machine` in them is everybody. Raises: ValueError for no answer."""
    took = [1000 * (one.ended - one.began) for one in asked if one.outcome == ANSWERED]
    cores = {role: (after[role].cpu_s - used.cpu_s) / seconds for role, used in before.items()}
    everybody = cores.pop("machine")
    return Point(
        size=size,
        sockets=sockets,
        seconds=round(seconds, 2),
        turns_a_second=round(len(took) / seconds, 2),
        p50_ms=round(percentile(took, 0.5), 1),
        p95_ms=round(percentile(took, 0.95), 1),
        outcomes=dict(Counter(one.outcome for one in asked)),
        cores={role: round(used, 3) for role, used in cores.items()},
        foreign_cores=round(max(0.0, everybody - sum(cores.values())), 3),
        rss_mib={role: round(used.rss_kib / 1024, 1) for role, used in after.items() if role != "machine"},
    )


def bend(points: Sequence[Point]) -> Point | None:
    """The first point that is below LINEAR of even growth from the first one on; None when none is."""
    each = points[0].turns_a_second / points[0].size
    return next((point for point in points if point.turns_a_second < LINEAR * each * point.size), None)


def _looked(fleet: Fleet, clients: int) -> dict[str, Used]:
    own = usage.of(os.getpid())
    return {
        **fleet.by_role(),
        "clients": usage.total((usage.of(clients), own)),
        "machine": Used(usage.machine_s(), 0),
    }
