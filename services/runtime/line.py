"""The line of utterances, as one worker sees it: who floods gets the places that are free, and nobody waits for it.

A message says how many wait behind it. Only when those are many, the worker asks the broker whose they are, and then
ten times a second: once a second was measured, and the others waited up to five times as long as in an empty system.
"""

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import msgspec
import structlog

from bus_schemas import Event

from . import shares
from .errors import Busy, Unavailable
from .shares import Backlog

LOOK_SECONDS = 0.1
SHORTEST_RETRY, LONGEST_RETRY = 1.0, 60.0
WEIGHT = 0.2
"""Of the last turn in the mean of what a turn takes."""

log = structlog.get_logger()


class Line:
    """Who is let in. *look* tells who is in line (raises Unavailable); *places* is how many are worked on at once."""

    def __init__(self, look: Callable[[], Awaitable[Backlog]], places: int, burst: int) -> None:
        self._look = look
        self._places = places
        self._burst = burst
        self._backlog = Backlog()
        self._flooding: frozenset[str] = frozenset()
        self._held: Counter[str] = Counter()
        self._looked = -math.inf
        self._looking = asyncio.Lock()
        self._seconds = 0.0

    @asynccontextmanager
    async def admit(self, event: Event, behind: int) -> AsyncIterator[bool]:
        """Let an event in, with *behind* messages behind it; gives whether some of those will be turned away.

        Raises: Busy for one whose origin is over its share, unless a place is free for it.
        """
        if behind >= self._burst or self._flooding:
            await self._judge()
        free = self._held.total() < self._places
        if event.origin in self._flooding and not free:
            self._left(event.origin)
            raise self._busy(event.origin)
        began = asyncio.get_running_loop().time()
        self._held[event.origin] += 1
        try:
            yield bool(self._flooding)
        finally:
            self._held -= Counter((event.origin,))
            self._left(event.origin)
            if free:
                self._seconds += (asyncio.get_running_loop().time() - began - self._seconds) * WEIGHT

    async def _judge(self) -> None:
        async with self._looking:
            now = asyncio.get_running_loop().time()
            if now - self._looked >= LOOK_SECONDS:
                self._looked = now
                try:
                    self._backlog = await self._look()
                except Unavailable as error:
                    log.debug("line_not_seen", error=str(error))
        found = shares.flooding(self._backlog, self._held, self._burst, self._flooding)
        for origin in found - self._flooding:
            log.warning("origin_floods", origin=origin, turns=self._backlog.turns[origin])
        self._flooding = found

    def _left(self, origin: str) -> None:
        """One turn less, until the next look tells how many there are."""
        turns = dict(self._backlog.turns)
        if origin in turns:
            turns[origin] -= 1
            self._backlog = msgspec.structs.replace(self._backlog, turns=turns)

    def _busy(self, origin: str) -> Busy:
        others = sum(self._backlog.turns.values()) - self._backlog.turns.get(origin, 0)
        seconds = (others + self._places) * self._seconds / self._places
        wait = math.ceil(min(max(seconds, SHORTEST_RETRY), LONGEST_RETRY) * 10) / 10
        return Busy(f"{origin} has more than its share of the line: ask again in {wait:g} s.", wait)
