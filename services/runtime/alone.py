"""Working together, or alone: a suspicious message must take no neighbour with it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

GATHER_SECONDS = 0.05
"""Those who must work alone and come together get here within it, so that their order is known."""


class Room:
    """At most *places* work at once; who works alone waits for the others, and the others wait for it."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._inside = 0
        self._suspects: list[int] = []
        self._waiting: list[asyncio.Future[None]] = []

    @asynccontextmanager
    async def enter(self, *, alone: bool, order: int = 0) -> AsyncIterator[None]:
        """Work inside; *alone* is served before those who would come in together, the lowest *order* first."""
        taken = self._places if alone else 1
        suspect = [order] if alone else []
        self._suspects += suspect
        try:
            if alone:
                await asyncio.sleep(GATHER_SECONDS)
            while not self._fits(taken, suspect):
                await self._change()
        except asyncio.CancelledError:
            self._tell()  # who waited for this one to be alone need not wait any more
            raise
        finally:
            for each in suspect:
                self._suspects.remove(each)
        self._inside += taken
        try:
            yield
        finally:
            self._inside -= taken
            self._tell()

    def _fits(self, taken: int, suspect: list[int]) -> bool:
        return self._inside + taken <= self._places and sorted(self._suspects)[:1] == suspect

    async def _change(self) -> None:
        change = asyncio.get_running_loop().create_future()
        self._waiting.append(change)
        await change

    def _tell(self) -> None:
        waiting, self._waiting = self._waiting, []
        for change in waiting:
            if not change.done():
                change.set_result(None)
