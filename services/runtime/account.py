"""What a worker tells of its work: in numbers, in the log, to who asks how it is, and to who watches."""

import time
from collections import Counter
from types import TracebackType

import structlog
from msgspec import Struct

from bus_schemas import Event

from . import metrics
from .bus import Bus
from .sightings import STARTED, Sighting
from .sightings import of as sighting

FINE = frozenset({"finished", "cancelled"})
"""Every other end of an event is a failure, of its sender or of ours."""

log = structlog.get_logger()


class Doing(Struct, frozen=True):
    """What `$SRV.STATS` tells of a worker."""

    running: int
    credit: int
    done: int
    failed: int
    outcomes: dict[str, int]
    """How many events ended how; the words of `voicebus_events_total`."""


class Account:
    """One worker's, since it started."""

    def __init__(self, bus: Bus, stage: str, worker: str, credit: int) -> None:
        self._bus = bus
        self._stage = stage
        self._worker = worker
        self._credit = credit
        self._metrics = metrics.of(stage)
        self._metrics.places.set(credit)
        self._metrics.running.set_function(lambda: self._running)
        self._log = log.bind(stage=stage)
        self._running = 0
        self._outcomes: Counter[str] = Counter()
        self.seconds = 0.0
        """Spent on events, all of them together."""

    def working(self, event: Event, queue: float) -> "Work":
        """`with` what this gives, *event* has a place among what runs, after *queue* seconds in the queue."""
        return Work(self, event, queue)

    def began(self, work: "Work") -> None:
        """It has its place."""
        self._metrics.queue_wait.observe(work.queue)
        self._bus.sightings.began(work, work.seen)
        self._running += 1

    def ended(self, work: "Work") -> None:
        """It has left it."""
        self._bus.sightings.ended(work)
        self._running -= 1
        self.seconds += time.monotonic() - work.began

    def started(self, work: "Work") -> Sighting:
        """*work* as it is told to who watches."""
        at, queue_ms = self._bus.time() - (time.monotonic() - work.began), round(work.queue * 1000, 1)
        return sighting(work.event, self._stage, STARTED, at, self._worker, queue_ms)

    def report(self, event: Event, outcome: str, seconds: float) -> None:
        """It has left its place, after *seconds*."""
        self._metrics.service.observe(seconds)
        self._log.info(
            "event_handled",
            outcome=outcome,
            origin=event.origin,
            session=event.session,
            turn=event.turn,
            service_ms=round(seconds * 1000, 1),
        )

    def settled(self, outcome: str) -> None:
        """A message ended so, an event or not."""
        metrics.settled(self._stage, outcome).inc()
        self._outcomes[outcome] += 1

    def tell(self, event: Event, outcome: str) -> None:
        """An event ended so: who watches hears it."""
        if self._bus.sightings.watched:
            self._bus.sightings.tell(sighting(event, self._stage, outcome, self._bus.time(), self._worker))

    @property
    def now(self) -> Doing:
        """What there is to tell."""
        failed = sum(count for outcome, count in self._outcomes.items() if outcome not in FINE)
        return Doing(self._running, self._credit, self._outcomes["finished"], failed, dict(self._outcomes))


class Work:
    """One event that has its place. A generator would cost a message more than all that is counted here."""

    def __init__(self, account: Account, event: Event, queue: float) -> None:
        self._account = account
        self.event = event
        self.queue = queue
        """Seconds it had waited for its place."""
        self.began = time.monotonic()

    def seen(self) -> Sighting:
        """As it is told to who watches."""
        return self._account.started(self)

    def __enter__(self) -> None:
        self._account.began(self)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._account.ended(self)
