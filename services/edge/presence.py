"""An edge says that it is there: its sockets and open turns to who asks, each turn to who watches."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from msgspec import Struct

from bus_schemas import Utterance, subjects
from services.runtime import announce
from services.runtime.announce import Card, Figures
from services.runtime.bus import Bus

from . import report
from .server import Edge

DONE = frozenset({"answered", "silent"})
FINE = DONE | {"cancelled", "closed"}


class Holding(Struct, frozen=True):
    """What `$SRV.STATS` tells of an edge."""

    sockets: int
    turns: int
    """Those that were put on the bus and are not over."""
    done: int
    failed: int
    """Refused and busy ones too: what `outcomes` has beyond answered, silent, cancelled and closed."""
    outcomes: dict[str, int]
    """How many turns ended how; the words of `voicebus_turns_total`."""


@asynccontextmanager
async def announced(bus: Bus, edge: Edge, name: str) -> AsyncIterator[None]:
    """For as long as this lasts."""
    card = Card(
        name="voicebus-edge",
        endpoint="edge",
        subject=subjects.every(Utterance),
        group="edge",
        metadata={"stage": "edge", "worker": name, "port": str(edge.port)},
    )

    def figures() -> Figures:
        ends = report.ENDS
        done = sum(ends[outcome] for outcome in DONE)
        failed = sum(count for outcome, count in ends.items() if outcome not in FINE)
        holding = Holding(edge.sockets, bus.sightings.open, done, failed, dict(ends))
        return Figures(sum(ends.values()), failed, 0.0, holding)

    async with bus.sightings.told(bus.client), announce.announced(bus.client, card, figures):
        yield
