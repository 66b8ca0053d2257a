"""A curve: the same measurement at growing sizes."""

from msgspec import Struct

from benchmarks.results import About

from . import markdown
from .clients import ANSWERED
from .point import Point, bend


class Curve(Struct, frozen=True):
    """Points by their size."""

    about: About
    settings: dict[str, str]
    """Those that differ from the defaults."""
    points: tuple[Point, ...]


def told(curve: Curve, service: str) -> str:
    """In words: whether it grows evenly, where it bends, and what was used there."""
    first, bent = curve.points[0], bend(curve.points)
    if bent is None:
        last = curve.points[-1]
        share = last.turns_a_second * first.size / (first.turns_a_second * last.size)
        return (
            f"It grows evenly up to {last.size} {service}, to {share:.0%} of {last.size // first.size} times the first."
        )
    even = bent.turns_a_second * first.size / (first.turns_a_second * bent.size)
    return (
        f"It bends at {bent.size} {service}, to {even:.0%} of even growth: there {bent.busy:.2f} of the "
        f"{curve.about.cores} cores are busy ({shares(bent)})."
    )


def shares(point: Point) -> str:
    """Who uses how many cores, the most first."""
    used = {**point.cores, "other programs": point.foreign_cores}
    return ", ".join(f"{role} {cores:.2f}" for role, cores in sorted(used.items(), key=lambda one: -one[1]))


def table(curve: Curve, service: str) -> str:
    """The points, as Markdown."""
    roles = [f"{role}, cores" for role in (*curve.points[0].cores, "others")]
    head = [service, "sockets", "turns/s", "p50 ms", "p95 ms", "not answered", *roles]
    return markdown.table(head, map(_row, curve.points))


def _row(point: Point) -> list[str]:
    lost = sum(point.outcomes.values()) - point.outcomes.get(ANSWERED, 0)
    times = [f"{point.turns_a_second:.1f}", f"{point.p50_ms:.0f}", f"{point.p95_ms:.0f}"]
    cores = [f"{cores:.2f}" for cores in (*point.cores.values(), point.foreign_cores)]
    return [str(point.size), str(point.sockets), *times, str(lost), *cores]
