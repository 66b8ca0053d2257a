"""The handlers that run now, and what a cancel makes of them: how long each took to stop is logged and counted."""

import asyncio
import time
from types import TracebackType
from typing import Self

import structlog

from bus_schemas import Cancel, Event

from . import metrics
from .cancelled import concerns
from .limits import Limits

log = structlog.get_logger()


class Running:
    """One worker's handlers."""

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._metrics = metrics.of(stage)
        self._runs: set[Run] = set()
        self._limits = Limits[Run](Run.expire)

    def entered(self, event: Event, seconds: float) -> "Run":
        """`with` what this gives, the task that calls this handles *event*, *seconds* at most.

        A cancel ends what is inside, and the task lives on. Raises: TimeoutError when the time is over.
        """
        return Run(self, event, seconds)

    def began(self, run: "Run", seconds: float) -> None:
        """From now on a cancel finds *run*, and its time goes by."""
        self._runs.add(run)
        self._limits.keep(run, seconds)

    def ended(self, run: "Run") -> None:
        """It is over."""
        self._runs.remove(run)
        self._limits.drop(run)

    def published(self, run: "Run") -> None:
        """The broker has one more output of *run*."""
        if not run.published:
            self._metrics.first_output.observe(time.monotonic() - run.began)
        run.published += 1

    def cancel(self, cancel: Cancel) -> None:
        """Stop every handler that *cancel* concerns."""
        for run in self._runs:
            if concerns(cancel, run.event):
                run.cancel()

    def report(self, run: "Run") -> None:
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

    def __init__(self, running: Running, event: Event, seconds: float) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._running = running
        self._seconds = seconds
        self._task = task
        self._cancelling = task.cancelling()
        self.event = event
        self.began = time.monotonic()
        self.published = 0
        """Its outputs that the broker has."""
        self.cancelled_at = 0.0
        """When the cancel was received, by the monotonic clock; 0: it was not."""
        self.expired = False
        """Its time was over before it was."""

    def cancel(self) -> None:
        """Nobody waits for it any more."""
        if not self.cancelled_at:
            self.cancelled_at = time.monotonic()
            self._task.cancel()

    def expire(self) -> None:
        """Its time is over."""
        self.expired = True
        self._task.cancel()

    def __enter__(self) -> Self:
        self._running.began(self, self._seconds)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._running.ended(self)
        stopped = isinstance(error, asyncio.CancelledError)
        if self.cancelled_at:
            self._task.uncancel()
            if stopped:
                self._running.report(self)
        if self.expired and self._task.uncancel() <= self._cancelling and stopped and not self.cancelled_at:
            raise TimeoutError from error
