"""What a worker tells of its work: in numbers, in the log, to who asks how it is, and to who watches."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import structlog
from msgspec import Struct

from bus_schemas import Event

from . import metrics
from .bus import Bus
from .sightings import STARTED
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

    @contextmanager
    def working(self, event: Event, queue: float) -> Iterator[None]:
        """While *event* has a place among what runs, after *queue* seconds in the queue."""
        self._metrics.queue_wait.observe(queue)
        sightings, began, at = self._bus.sightings, time.monotonic(), self._bus.time()
        see = partial(sighting, event, self._stage, STARTED, at, self._worker, round(queue * 1000, 1))
        sightings.began(see, see)
        self._running += 1
        try:
            yield
        finally:
            sightings.ended(see)
            self._running -= 1
            self.seconds += time.monotonic() - began

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
        self._bus.sightings.tell(partial(sighting, event, self._stage, outcome, self._bus.time(), self._worker))

    @property
    def now(self) -> Doing:
        """What there is to tell."""
        failed = sum(count for outcome, count in self._outcomes.items() if outcome not in FINE)
        return Doing(self._running, self._credit, self._outcomes["finished"], failed, dict(self._outcomes))
