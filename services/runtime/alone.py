"""Working together, or alone: a suspicious message must take no neighbour with it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Room:
    """At most *places* work at once; who works alone waits for the others, and the others wait for it."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._inside = 0
        self._alone_waiting = 0
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def enter(self, *, alone: bool) -> AsyncIterator[None]:
        """Work inside; *alone* is served before those who would come in together."""
        taken = self._places if alone else 1
        async with self._changed:
            self._alone_waiting += alone
            try:
                await self._changed.wait_for(lambda: self._fits(taken, alone))
            finally:
                self._alone_waiting -= alone
            self._inside += taken
        try:
            yield
        finally:
            # Not behind the lock: an exit that could be cancelled would keep its place for ever.
            self._inside -= taken
            await asyncio.shield(self._tell())

    def _fits(self, taken: int, alone: bool) -> bool:
        return self._inside + taken <= self._places and (alone or not self._alone_waiting)

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()
