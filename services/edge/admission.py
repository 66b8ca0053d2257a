"""Whether an edge takes a turn: would it be answered in its time, by the lines on the bus and what turns took?

Nothing is looked at while nobody asks. Who floods is seen early: many turns that were taken are a reason to look.
"""

import asyncio
import contextlib
import math
from collections import Counter
from collections.abc import Callable, Iterable

import msgspec
import structlog

from bus_schemas import Step, codes
from bus_schemas.frames import Error
from services.runtime import backlog, streams
from services.runtime.bus import Bus
from services.runtime.errors import Unavailable

from . import outlook
from .outlook import Outlook

LOOK_SECONDS = 1.0
"""Between two looks at the lines, while turns are asked."""
SOONEST_SECONDS, MANY = 0.1, 8
"""When so many were taken since the last look, the next one comes sooner: other edges take turns too."""
OF_ITS_TIME = 1 / 2
"""A turn is to be expected in this part of its time: the rest is for what no mean tells. A machine that becomes half as
fast after it was taken is still in time."""
SHORTEST_RETRY, LONGEST_RETRY = 1.0, 60.0

log = structlog.get_logger()


class Admission:
    """What an edge knows of how busy the stages are. *clock* gives seconds."""

    def __init__(self, bus: Bus, burst: int, clock: Callable[[], float]) -> None:
        self._bus = bus
        self._burst = burst
        self._clock = clock
        self._outlook = Outlook()
        self._asked: Counter[str] = Counter()
        self._since = 0.0
        self._demand, self._many = asyncio.Event(), asyncio.Event()

    async def look(self) -> None:
        """Look at the lines while turns are asked, for as long as this runs."""
        while True:
            await self._demand.wait()
            self._demand.clear()
            self._many.clear()
            try:
                await self._see()
            except Unavailable as error:
                log.debug("lines_not_seen", error=str(error))
            await asyncio.sleep(SOONEST_SECONDS)
            if not outlook.known(self._outlook):
                continue  # a guess is no reason to refuse for long
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS - SOONEST_SECONDS):
                    await self._many.wait()

    def demand(self) -> None:
        """Somebody wants to ask: have the lines looked at."""
        self._demand.set()

    def refusal(self, origin: str, timeout_ms: int) -> Error | None:
        """Why a turn of *origin* would not be answered in its time, and when to ask again; None when it would.

        A turn that nobody makes wait is never refused, however little time it has.
        """
        now = self._clock()
        since = self._since if self._asked else now
        waits = outlook.wait(self._outlook, origin, self._asked, self._burst, now, since)
        late = waits + outlook.work(self._outlook) - timeout_ms / 1000 * OF_ITS_TIME
        return _busy("The line is longer than the time of this turn", late) if waits > 0 and late > 0 else None

    def count(self, origin: str) -> None:
        """A turn of *origin* is being put on the bus."""
        self._since = self._since if self._asked else self._clock()
        self._asked[origin] += 1
        if self._asked.total() >= MANY:
            self._many.set()

    def discount(self, origin: str) -> None:
        """The bus did not take it; nothing happens when a look has forgotten it already."""
        if self._asked[origin] > 1:
            self._asked[origin] -= 1
        else:
            del self._asked[origin]

    def learn(self, trail: Iterable[Step]) -> None:
        """A turn was answered."""
        self._outlook = outlook.learn(self._outlook, trail)

    def later(self, why: str) -> Error:
        """A `busy` for another reason: by then a turn has been answered, and a place is free."""
        return _busy(why, outlook.work(self._outlook))

    async def _see(self) -> None:
        # What is asked from now on may be seen or not: it counts twice rather than never.
        began, asked = self._clock(), self._asked.copy()
        stages = {stage: await backlog.queue(self._bus, stream) for stream, stage in streams.CONSUMERS.items()}
        turns, now = await backlog.utterances(self._bus), self._clock()
        seen = msgspec.structs.replace(self._outlook, seen=now, backlog=turns)
        for name, queue in stages.items():
            seen = outlook.look(seen, name, queue, now)
        self._outlook = seen
        self._asked -= asked
        self._since = began


def _busy(why: str, seconds: float) -> Error:
    wait = math.ceil(min(max(seconds, SHORTEST_RETRY), LONGEST_RETRY) * 10) / 10
    return Error(codes.BUSY, f"{why}: ask again in {wait:g} s.", wait)
