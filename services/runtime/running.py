"""The handlers that run now, and what a cancel makes of them: how long each took to stop is logged and counted."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from bus_schemas import Cancel, Event

from . import metrics
from .cancelled import concerns

log = structlog.get_logger()


class Running:
    """One worker's handlers."""

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._metrics = metrics.of(stage)
        self._runs: dict[asyncio.Task[None], _Run] = {}

    @contextmanager
    def entered(self, work: asyncio.Task[None], event: Event) -> Iterator[None]:
        """While *work* handles *event*."""
        run = self._runs[work] = _Run(event)
        try:
            yield
        finally:
            del self._runs[work]
            if run.cancelled_at and work.cancelled():
                self._report(run)

    def published(self) -> None:
        """The handler that calls this has published one more output."""
        work = asyncio.current_task()
        if (run := self._runs.get(work)) is not None:  # type: ignore[arg-type]
            if not run.published:
                self._metrics.first_output.observe(time.monotonic() - run.began)
            run.published += 1

    def cancel(self, cancel: Cancel) -> None:
        """Stop every handler that *cancel* concerns."""
        for work, run in self._runs.items():
            if concerns(cancel, run.event):
                run.cancelled_at = run.cancelled_at or time.monotonic()
                work.cancel()

    def _report(self, run: "_Run") -> None:
        """No event of a cancelled turn is published that could carry it."""
        seconds = time.monotonic() - run.cancelled_at
        self._metrics.cancel.observe(seconds)
        log.info(
            "cancelled",
            stage=self._stage,
            origin=run.event.origin,
            session=run.event.session,
            turn=run.event.turn,
            stop_ms=round(seconds * 1000, 1),
            published=run.published,
        )


class _Run:
    """One handler, from its start to its end."""

    def __init__(self, event: Event) -> None:
        self.event = event
        self.began = time.monotonic()
        self.published = 0
        self.cancelled_at = 0.0
        """When the cancel was received, by the monotonic clock; 0: it was not."""
