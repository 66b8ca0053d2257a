"""The handlers that run now, and what a cancel makes of them: how long each took to stop is logged and counted."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

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
        self._runs: set[Run] = set()

    @contextmanager
    def entered(self, event: Event) -> Iterator["Run"]:
        """While the task that calls this handles *event*; a cancel ends what is inside, and the task lives on."""
        task = asyncio.current_task()
        assert task is not None
        run = Run(event, task)
        self._runs.add(run)
        try:
            yield run
        except asyncio.CancelledError:
            if run.cancelled_at:
                self._report(run)
            raise
        finally:
            self._runs.remove(run)
            if run.cancelled_at:
                run.task.uncancel()

    def published(self, run: "Run") -> None:
        """The broker has one more output of *run*."""
        if not run.published:
            self._metrics.first_output.observe(time.monotonic() - run.began)
        run.published += 1

    def cancel(self, cancel: Cancel) -> None:
        """Stop every handler that *cancel* concerns."""
        for run in self._runs:
            if concerns(cancel, run.event) and not run.cancelled_at:
                run.cancelled_at = time.monotonic()
                run.task.cancel()

    def _report(self, run: "Run") -> None:
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


class Run:
    """One handler, from its start to its end."""

    def __init__(self, event: Event, task: asyncio.Task[Any]) -> None:
        self.event = event
        self.began = time.monotonic()
        self.task = task
        self.published = 0
        """Its outputs that the broker has."""
        self.cancelled_at = 0.0
        """When the cancel was received, by the monotonic clock; 0: it was not."""
