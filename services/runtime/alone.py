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
        self._waiting: list[asyncio.Future[None]] = []

    @asynccontextmanager
    async def enter(self, *, alone: bool) -> AsyncIterator[None]:
        """Work inside; *alone* is served before those who would come in together."""
        taken = self._places if alone else 1
        self._alone_waiting += alone
        try:
            while not self._fits(taken, alone):
                await self._change()
        except asyncio.CancelledError:
            self._tell()  # who waited for this one to be alone need not wait any more
            raise
        finally:
            self._alone_waiting -= alone
        self._inside += taken
        try:
            yield
        finally:
            self._inside -= taken
            self._tell()

    def _fits(self, taken: int, alone: bool) -> bool:
        return self._inside + taken <= self._places and (alone or not self._alone_waiting)

    async def _change(self) -> None:
        change = asyncio.get_running_loop().create_future()
        self._waiting.append(change)
        await change

    def _tell(self) -> None:
        waiting, self._waiting = self._waiting, []
        for change in waiting:
            if not change.done():
                change.set_result(None)
