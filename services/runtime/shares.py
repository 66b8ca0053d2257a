"""Who has how much of the line of utterances, and who has more than its share of it; counts in, names out."""

from collections.abc import Mapping

from msgspec import Struct

from .settings import Positive

CROWDED = 0.75
"""A stream so full has hardly room for a new sender: who has much in it gives way, also when nobody else is in line."""


class ShareSettings(Struct, frozen=True):
    """What one origin may have of the line while others wait."""

    burst_turns: Positive = 32
    """Turns that each origin may have in line, whoever else waits. One that has more, and more than the others, while
    another waits, is told `busy` for what cannot begin at once. The edges and stt should have the same number."""


class Backlog(Struct, frozen=True):
    """The unfinished turns of the stream of utterances: those in line, and those that are worked on."""

    turns: Mapping[str, int] = {}
    """By origin."""
    full: float = 0.0
    """Of what the stream may hold, 0 to 1."""


def flooding(
    backlog: Backlog, held: Mapping[str, int], burst: int, before: frozenset[str] = frozenset()
) -> frozenset[str]:
    """The origins that are over their share.

    *held* is what is worked on here, by origin: it waits no more. An origin that was over its share *before* stays so
    until it has less than half of what another has: then the first of those others is next.
    """
    turns = backlog.turns
    mean = sum(turns.values()) / max(1, len(turns))
    found = {origin for origin, count in turns.items() if count > burst and count >= mean}
    found |= {origin for origin in before if 2 * turns.get(origin, 0) > _most(turns, origin)}
    others = any(count > held.get(origin, 0) for origin, count in turns.items() if origin not in found)
    return frozenset(found) if others or backlog.full >= CROWDED else frozenset()


def ahead(backlog: Backlog, origin: str, burst: int) -> int:
    """How many turns begin before the next one of *origin*: of another, no more than leaves that one its share."""
    own = backlog.turns.get(origin, 0)
    return own + sum(min(count, max(burst, own + 1)) for other, count in backlog.turns.items() if other != origin)


def _most(turns: Mapping[str, int], origin: str) -> int:
    return max((count for other, count in turns.items() if other != origin), default=0)
