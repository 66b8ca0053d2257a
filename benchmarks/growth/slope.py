"""Does memory grow? The slope of a process's memory after its warm-up, and a verdict in words."""

from collections.abc import Sequence
from itertools import combinations
from statistics import median

from msgspec import Struct

STEP_SECONDS = 10.0
"""Samples are brought to one median a step: what is there for a moment only is no growth."""
STEADY_KIB_A_MINUTE = 32.0
"""Memory that grows by less would take a month to take 1.3 GiB; the noise of a run of 10 minutes is not far below."""

Samples = Sequence[tuple[float, float]]
"""Seconds and KiB, in order."""


class Slope(Struct, frozen=True):
    """How the memory of one process went after its warm-up."""

    kib_a_minute: float
    """Over the whole of it."""
    later_kib_a_minute: float
    """Over its second half: what still fills up at first is flat by then."""
    first_kib: float
    """Memory at the beginning, and at the end."""
    last_kib: float

    @property
    def verdict(self) -> str:
        """`grows` when both slopes say so; `shrinks`; otherwise `steady`."""
        if min(self.kib_a_minute, self.later_kib_a_minute) > STEADY_KIB_A_MINUTE:
            return "grows"
        return "shrinks" if max(self.kib_a_minute, self.later_kib_a_minute) < -STEADY_KIB_A_MINUTE else "steady"


def of(samples: Samples, warm_s: float) -> Slope:
    """The slope of what was sampled from *warm_s* on. Raises: ValueError when that is less than four steps."""
    steps = stepped([(at, kib) for at, kib in samples if at >= warm_s])
    if len(steps) < 4:
        raise ValueError(f"{len(steps)} steps of {STEP_SECONDS:g} s after the warm-up tell no slope: run longer")
    later = steps[len(steps) // 2 :]
    return Slope(60 * theil_sen(steps), 60 * theil_sen(later), steps[0][1], steps[-1][1])


def stepped(samples: Samples) -> list[tuple[float, float]]:
    """The median of each step, at the step's beginning."""
    steps: dict[int, list[float]] = {}
    for at, kib in samples:
        steps.setdefault(int(at / STEP_SECONDS), []).append(kib)
    return [(step * STEP_SECONDS, median(kibs)) for step, kibs in sorted(steps.items())]


def theil_sen(points: Samples) -> float:
    """The median of the slopes between every two points: one jump tilts it less than a least-squares line."""
    return median((b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(points, 2) if b[0] > a[0])
