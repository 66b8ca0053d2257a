"""Several times of the same thing in three figures."""

from collections.abc import Sequence

from msgspec import Struct


class Spread(Struct, frozen=True):
    """Several times of the same thing, in the unit of what was given."""

    n: int
    p50: float
    p95: float


def percentile(values: Sequence[float], share: float) -> float:
    """The value that *share* (0 to 1) of *values* does not exceed, interpolated between neighbours.

    Raises: ValueError for no values.
    """
    if not values:
        raise ValueError("no values: nothing was measured")
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def spread(values: Sequence[float]) -> Spread:
    """Raises: ValueError for no values."""
    return Spread(len(values), percentile(values, 0.5), percentile(values, 0.95))
