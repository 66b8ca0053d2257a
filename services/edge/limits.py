"""How much one party may ask: turns a minute, and turns at once."""

import math

from bus_schemas import codes
from bus_schemas.frames import Error

MINUTE = 60.0
SOON = 1.0
"""Nobody knows when a running turn ends; a client that waits this long does no harm."""
ALMOST = 1e-9
"""What rounding may take from a turn that has been waited for."""


class Turns:
    """The turns of one party. A minute's worth can be asked at once; then they come back evenly.

    Times are seconds of any clock that only goes forward. A limit of 0 is none.
    """

    def __init__(self, per_minute: int = 0, at_once: int = 0) -> None:
        self._per_minute = per_minute
        self._at_once = at_once
        self._left = float(per_minute)
        self._seen = 0.0
        self._open = 0

    def take(self, now: float) -> Error | None:
        """Begin a turn; or say why not, and when to try again."""
        if self._at_once and self._open >= self._at_once:
            return _busy(f"{self._at_once} turns at once are allowed", SOON)
        if self._per_minute:
            self._left, self._seen = self._now(now), now
            if self._left < 1 - ALMOST:
                return _busy(
                    f"{self._per_minute} turns a minute are allowed", (1 - self._left) / self._per_minute * MINUTE
                )
            self._left -= 1
        self._open += 1
        return None

    def end(self) -> None:
        """A turn is over."""
        self._open -= 1

    def fresh(self, now: float) -> bool:
        """Whether nothing would be different had it never been used."""
        return self._open == 0 and self._now(now) >= self._per_minute - ALMOST

    def _now(self, now: float) -> float:
        return min(float(self._per_minute), self._left + (now - self._seen) * self._per_minute / MINUTE)


class Share:
    """What one socket has taken of its party's turns, to be given back when it closes."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._open = 0

    def take(self, now: float) -> Error | None:
        """Begin a turn; or say why not, and when to try again."""
        refusal = self._turns.take(now)
        self._open += refusal is None
        return refusal

    def end(self) -> None:
        """A turn is over; one that was not taken here counts for nothing."""
        if self._open:
            self._open -= 1
            self._turns.end()

    def close(self) -> None:
        """The socket is gone, and with it all its turns."""
        while self._open:
            self.end()


def _busy(why: str, seconds: float) -> Error:
    wait = math.ceil(seconds * 10) / 10
    return Error(codes.BUSY, f"Only {why}: ask again in {wait:g} s.", wait)
