"""One timer of the event loop for many waits, each with an end that it seldom reaches.

`asyncio.timeout` makes a timer for every wait and takes it out again: the two of a worker were an eighth of its work on
a message that costs no engine time.
"""

import asyncio
import math
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class Limits(Generic[T]):
    """Gives *expired* each thing that is still kept when its time is over."""

    def __init__(self, expired: Callable[[T], None]) -> None:
        self._expired = expired
        self._ends: dict[T, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._next = math.inf
        """The timer's time: what the timer itself says is rounded by some loops."""

    def keep(self, thing: T, seconds: float) -> None:
        """From now on *thing* has so long."""
        end = asyncio.get_running_loop().time() + seconds
        self._ends[thing] = end
        if end < self._next:
            self._wake_at(end)

    def drop(self, thing: T) -> None:
        """It needs no end any more."""
        self._ends.pop(thing, None)

    def _wake_at(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next = when
        self._timer = asyncio.get_running_loop().call_at(when, self._wake)

    def _wake(self) -> None:
        """The timer is set for what was kept then; most of that has been dropped since."""
        self._timer, self._next = None, math.inf
        now = asyncio.get_running_loop().time()
        for thing in [thing for thing, end in self._ends.items() if end <= now]:
            del self._ends[thing]
            self._expired(thing)
        if self._ends:
            self._wake_at(min(self._ends.values()))
