"""Working together, or alone: a suspicious message must take no neighbour with it."""

import asyncio
from types import TracebackType

GATHER_SECONDS = 0.05
"""Those who must work alone and come together get here within it, so that their order is known."""


class NoPlace(Exception):
    """None came free in time."""


class Room:
    """At most *places* work at once; who works alone waits for the others, and the others wait for it."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._inside = 0
        self._suspects: list[int] = []
        self._waiting: list[asyncio.Future[None]] = []

    def enter(self, *, alone: bool, seconds: float, order: int = 0) -> "Place":
        """Work inside it; *alone* is served before those who would come in together, the lowest *order* first.

        Raises, where it is entered: NoPlace after *seconds* of waiting.
        """
        return Place(self, self._places if alone else 1, [order] if alone else [], seconds)

    async def take(self, taken: int, suspect: list[int], seconds: float) -> None:
        """Be inside. Raises: NoPlace."""
        if suspect or not self._fits(taken, []):
            await self._wait(taken, suspect, seconds)
        self._inside += taken

    def leave(self, taken: int) -> None:
        """Be inside no more."""
        self._inside -= taken
        self._tell()

    async def _wait(self, taken: int, suspect: list[int], seconds: float) -> None:
        self._suspects += suspect
        try:
            async with asyncio.timeout(seconds):
                if suspect:
                    await asyncio.sleep(GATHER_SECONDS)
                while not self._fits(taken, suspect):
                    await self._change()
        except TimeoutError as error:
            raise NoPlace from error
        finally:
            for each in suspect:
                self._suspects.remove(each)
                self._tell()  # who waited for this one to be alone may not have to wait any more

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


class Place:
    """What somebody takes of a room, while they work. A generator would cost a message more than the place does."""

    def __init__(self, room: Room, taken: int, suspect: list[int], seconds: float) -> None:
        self._room = room
        self._taken = taken
        self._suspect = suspect
        self._seconds = seconds

    async def __aenter__(self) -> None:
        await self._room.take(self._taken, self._suspect, self._seconds)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._room.leave(self._taken)
