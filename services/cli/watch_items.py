"""What `voicebus watch` hears, beside the sightings of turns."""

from collections.abc import Mapping

from msgspec import Struct

from services.runtime.sightings import Sighting


class Depth(Struct, frozen=True):
    """A work queue."""

    waiting: int
    working: int


class Depths(Struct, frozen=True, tag_field="kind", tag="queues"):
    """Every work queue, by the stage that reads it, and the dead letters."""

    queues: dict[str, Depth]
    letters: int


class Worker(Struct, frozen=True, tag_field="kind", tag="worker", omit_defaults=True):
    """A process that answers `$SRV.STATS`."""

    id: str
    stage: str
    worker: str
    version: str = ""
    engine: str = ""
    model: str = ""
    device: str = ""
    running: int = 0
    """Events in its hands; of an edge, turns under way."""
    credit: int = 0
    """How many at once; 0 for an edge."""
    done: int = 0
    failed: int = 0
    sockets: int = 0
    gone: bool = False
    """It has stopped answering."""


class Broker(Struct, frozen=True, tag_field="kind", tag="broker"):
    """The connection to the broker was lost, or is there again."""

    there: bool
    why: str = ""


class Said(Struct, frozen=True, tag_field="kind", tag="text"):
    """What was said or answered; only with `--text`."""

    origin: str
    session: str
    turn: str
    run: int
    who: str
    """`you` or `voicebus`."""
    text: str


class Missed(Struct, frozen=True, tag_field="kind", tag="missed"):
    """Lines that nobody read in time, or messages that the client had to drop."""

    count: int


Item = Sighting | Depths | Worker | Broker | Said | Missed


class Data(Struct, frozen=True):
    """The `data` of an endpoint, of a worker or of an edge."""

    running: int = 0
    credit: int = 0
    done: int = 0
    failed: int = 0
    sockets: int = 0
    turns: int = 0


class Endpoint(Struct, frozen=True):
    """The one endpoint of a service."""

    data: Data = Data()


class Stats(Struct, frozen=True):
    """An answer to `$SRV.STATS`."""

    name: str
    id: str
    version: str = ""
    metadata: Mapping[str, str] = {}
    endpoints: tuple[Endpoint, ...] = ()


def worker(stats: Stats) -> Worker:
    """A service of ours, by its answer."""
    data = stats.endpoints[0].data if stats.endpoints else Data()
    about = stats.metadata
    return Worker(
        id=stats.id,
        stage=about.get("stage", ""),
        worker=about.get("worker", ""),
        version=stats.version,
        engine=about.get("engine", ""),
        model=about.get("model", ""),
        device=about.get("device", ""),
        running=data.running or data.turns,
        credit=data.credit,
        done=data.done,
        failed=data.failed,
        sockets=data.sockets,
    )
