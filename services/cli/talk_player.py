"""An answer as it is heard: its pieces are played in order while more come, and it can be stopped in the middle."""

import asyncio
from collections import deque
from types import TracebackType
from typing import Protocol, Self

from msgspec import Struct

from bus_schemas.frames import Spoken


class Play(Protocol):
    """A speaker."""

    async def __call__(self, wav: bytes, /) -> None:
        """Play a WAV file to its end. Who is cancelled has stopped the sound. Raises: StartError."""
        ...


class _Piece(Struct, frozen=True):
    n: int
    number: int
    last: bool
    """Nothing more of its sentence follows."""
    wav: bytes


class Player:
    """Plays one answer."""

    def __init__(self, play: Play) -> None:
        self._play = play
        self._pieces: deque[_Piece] = deque()
        self._known: set[tuple[int, int]] = set()
        self._more = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._sounding: asyncio.Task[None] | None = None
        self._now: _Piece | None = None
        self.heard = 0
        """Sentences that were played to their end."""

    async def __aenter__(self) -> Self:
        self._work = asyncio.create_task(self._run(), name="player")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._work.cancel()
        await asyncio.gather(self._work, return_exceptions=True)

    def add(self, frame: Spoken, wav: bytes) -> None:
        """Play this when all before it was played; what comes again as it was is not played again."""
        if (frame.n, frame.piece) not in self._known:
            self._known.add((frame.n, frame.piece))
            self._pieces.append(_Piece(frame.n, frame.piece, not frame.more, wav))
            self._idle.clear()
            self._more.set()

    def restart(self, same: int) -> None:
        """What came is void, but for the first *same* sentences."""
        self._known = {(n, piece) for n, piece in self._known if n < same}
        self._pieces = deque(piece for piece in self._pieces if piece.n < same)
        self.heard = min(self.heard, same)
        if self._now is not None and self._now.n >= same:
            self._hush()

    def stop(self) -> int:
        """Be silent at once; returns how many sentences were heard to their end."""
        self._pieces.clear()
        self._hush()
        return self.heard

    async def finished(self) -> None:
        """Wait until all that was added has been played. Raises: StartError of the speaker."""
        idle = asyncio.create_task(self._idle.wait())
        await asyncio.wait({idle, self._work}, return_when=asyncio.FIRST_COMPLETED)
        idle.cancel()
        if self._work.done():
            self._work.result()

    def _hush(self) -> None:
        if self._sounding is not None:
            self._sounding.cancel()

    async def _run(self) -> None:
        while True:
            if not self._pieces:
                self._idle.set()
            await self._more.wait()
            self._more.clear()
            while self._pieces:
                await self._once(self._pieces.popleft())

    async def _once(self, piece: _Piece) -> None:
        self._now, self._sounding = piece, asyncio.create_task(self._play(piece.wav))
        try:
            await asyncio.wait({self._sounding})
        finally:
            self._sounding.cancel()
        if not self._sounding.cancelled():
            self._sounding.result()
            self.heard = piece.n + 1 if piece.last else self.heard
        self._now = self._sounding = None
