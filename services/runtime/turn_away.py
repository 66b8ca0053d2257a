"""Telling senders that they are over their share, many at once, while who is not goes past them."""

import asyncio

from bus_schemas import Event

from . import settle
from .bus import Bus
from .delivery import Delivery
from .errors import Busy
from .pull import Pull

AT_ONCE = 8
"""Endings that wait for the broker together; the others wait, so that the loop has time for what is pulled."""


class TurnAway:
    """What one worker turns away: it needs no place among what is worked on."""

    def __init__(self, bus: Bus, pull: Pull, stage: str) -> None:
        self._bus = bus
        self._pull = pull
        self._stage = stage
        self._places = asyncio.Semaphore(AT_ONCE)

    async def tell(self, held: Delivery, event: Event, error: Busy) -> str:
        """Settle *event* with `failed busy`; returns how it ended."""
        self._pull.hurry(True)
        with self._pull.lent():
            async with self._places:
                return await settle.busy(self._bus, held, event, self._stage, error)
