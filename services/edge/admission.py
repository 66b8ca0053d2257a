"""Whether an edge takes a turn: would it be answered in its time, by the lines on the bus and what turns took?

Nothing is looked at while nobody asks, and nothing is refused before a turn has been answered here.
"""

import asyncio
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
OF_ITS_TIME = 2 / 3
"""A turn is to be expected in this part of its time: the rest is for what no mean tells."""
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
        self._demand = asyncio.Event()

    async def look(self) -> None:
        """Look at the lines while turns are asked, for as long as this runs."""
        while True:
            await self._demand.wait()
            self._demand.clear()
            try:
                await self._see()
            except Unavailable as error:
                log.debug("lines_not_seen", error=str(error))
            await asyncio.sleep(LOOK_SECONDS)

    def refusal(self, origin: str, timeout_ms: int) -> Error | None:
        """Count a turn of *origin* that is to be asked; or say that it would not be answered in time, and when to ask.

        A turn that nobody makes wait is never refused, however little time it has.
        """
        self._demand.set()
        waits = outlook.wait(self._outlook, origin, self._asked, self._burst, self._clock())
        late = waits + outlook.work(self._outlook) - timeout_ms / 1000 * OF_ITS_TIME
        if waits > 0 and late > 0:
            return _busy("The line is longer than the time of this turn", late)
        self._asked[origin] += 1
        return None

    def learn(self, trail: Iterable[Step]) -> None:
        """A turn was answered."""
        self._outlook = outlook.learn(self._outlook, trail)

    def later(self, why: str) -> Error:
        """A `busy` for another reason: by then a turn has been answered, and a place is free."""
        return _busy(why, outlook.work(self._outlook))

    async def _see(self) -> None:
        stages = {stage: await backlog.queue(self._bus, stream) for stream, stage in streams.CONSUMERS.items()}
        turns = await backlog.utterances(self._bus)
        passed = self._clock() - self._outlook.seen
        seen = msgspec.structs.replace(self._outlook, seen=self._clock(), backlog=turns)
        for name, queue in stages.items():
            seen = outlook.look(seen, name, queue, passed)
        self._outlook = seen
        self._asked.clear()


def _busy(why: str, seconds: float) -> Error:
    wait = math.ceil(min(max(seconds, SHORTEST_RETRY), LONGEST_RETRY) * 10) / 10
    return Error(codes.BUSY, f"{why}: ask again in {wait:g} s.", wait)
