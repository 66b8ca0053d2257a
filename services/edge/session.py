"""One conversation over one socket, without the socket: what comes in goes in, what is to be done comes out.

Frames, events of the bus and the time are given to a `Session`; it gives back actions. It touches nothing itself.
Turns are answered in the order of their frames, and one turn is on the bus at a time.
"""

from collections import deque
from collections.abc import Callable

import msgspec
from msgspec import Struct

from bus_schemas import Cancel, Event, Failed, Step, Utterance, names
from bus_schemas.frames import Error

from .actions import Action, Find, Leave, Publish, Recover, Report, SendAnswer, SendError, Tell
from .answer import Answer, Assembly
from .turn import STOPPING, Limits, Patience, Wishes, asked, cancelled, outcome_of, too_late

MOST_REFUSED = 64
"""Frames beyond the bound that wait for their `busy`; each is some bytes by then."""


class _Waiting(Struct, frozen=True):
    utterance: bytes | Error
    since: float
    counted: bool
    """It came as a question: what stops the service makes an error of it, and it still counts."""


class _Turn(Struct):
    """The turn that is on the bus."""

    name: str
    since: float
    patience: Patience
    assembly: Assembly
    counted: bool


class _Leaving(Struct, frozen=True):
    """A reply that is on its way to the client."""

    report: Report
    since: float


class Session:
    """Times are seconds of any clock that only goes forward."""

    def __init__(self, wishes: Wishes, limits: Limits, fresh: Callable[[], str] = names.fresh) -> None:
        self.wishes = wishes
        self._limits = limits
        self._fresh = fresh
        self._waiting: deque[_Waiting] = deque()
        self._turn: _Turn | None = None
        self._leaving: _Leaving | None = None
        self._stopping = False

    @property
    def full(self) -> bool:
        """Whether the next frame is to hear `busy`, in its place."""
        return not self._idle and len(self._waiting) >= self._limits.waiting

    @property
    def crowded(self) -> bool:
        """Whether so many frames wait for their reply that no more should be read."""
        return len(self._waiting) >= self._limits.waiting + MOST_REFUSED

    @property
    def held(self) -> int:
        """Bytes of the questions that wait."""
        return sum(len(each.utterance) for each in self._waiting if isinstance(each.utterance, bytes))

    @property
    def turn(self) -> str:
        """The turn that is on the bus; empty when none is."""
        return self._turn.name if self._turn else ""

    @property
    def lasting(self) -> bool:
        """Whether the running turn outlives a socket that breaks: its client knows the name to come back with."""
        return self.wishes.turns or bool(self.turn and self.turn == self.wishes.resume)

    @property
    def wakes(self) -> float | None:
        """When `tick` has something to do."""
        return self._turn.patience.wakes if self._turn else None

    @property
    def _idle(self) -> bool:
        return self._turn is None and self._leaving is None

    def resume(self, now: float) -> list[Action]:
        """The socket is open: what its client came back for is its first turn."""
        if not self.wishes.resume:
            return []
        self._turn = self._open(self.wishes.resume, now, now, counted=False)
        return [Find(self.wishes.resume)]

    def found(self, turn: str, seconds: float, now: float) -> None:
        """The turn that was to be found has *seconds* left; nothing happens when it is over."""
        if self._turn is not None and self._turn.name == turn:
            self._turn.patience.expect(seconds, now)

    def heard(self, utterance: bytes | Error, now: float) -> list[Action]:
        """A frame came: a normalised WAV, or what is wrong with it; both are answered in their place."""
        counted = not isinstance(utterance, Error)
        self._waiting.append(_Waiting(STOPPING if self._stopping else utterance, now, counted))
        return self._next(now)

    def event(self, event: Event, now: float) -> list[Action]:
        """An event came from the bus; only the running turn's mean anything, and repeats mean nothing."""
        turn = self._turn
        if turn is None or event.turn != turn.name or isinstance(event, Utterance | Cancel):
            return []
        turn.patience.heard(now)
        match turn.assembly.add(event):
            case Answer() as answer:
                self._turn = None
                outcome = "answered" if answer.transcription or answer.reply else "silent"
                report = Report(turn.name, outcome, counted=turn.counted, trail=answer.trail)
                self._leaving = _Leaving(report, turn.since)
                return [SendAnswer(turn.name, answer)]
            case Failed() as failed:
                return self._fail(
                    turn, Error(failed.code, failed.message, failed.retry_after or None), failed.stage, failed.trail
                )
        return []

    def fail(self, turn: str, error: Error, *, cancel: bool = True) -> list[Action]:
        """The edge itself could not do its part of *turn*; nothing happens when that turn is over."""
        if self._turn is None or self._turn.name != turn:
            return []
        told = self._fail(self._turn, error, "edge")
        return told if cancel else told[1:]

    def tick(self, now: float) -> list[Action]:
        """Time has passed."""
        turn = self._turn
        if turn is None:
            return []
        if now >= turn.patience.deadline:
            return self._fail(turn, too_late(self.wishes, turn.name), "edge")
        return [Recover()] if turn.patience.over(now) else []

    def sent(self, now: float, outcome: str = "", code: str = "") -> list[Action]:
        """The reply has left; *outcome* and *code* say so when it was not the one that was to leave."""
        return [*self._left(now, outcome, code), *self._next(now)]

    def stop(self, now: float) -> list[Action]:
        """Take no more turns; what runs may finish, what waits is told."""
        self._stopping = True
        self._waiting = deque(_Waiting(STOPPING, waiting.since, waiting.counted) for waiting in self._waiting)
        return self._next(now)

    def give_up(self, now: float) -> list[Action]:
        """The time to finish is over: whoever can come back finds its turn elsewhere, the others are told."""
        if self._turn is not None and self.lasting:
            return [*self.closed(now, cancel=False), Leave()]
        return self.fail(self.turn, STOPPING)

    def closed(self, now: float, *, cancel: bool = True) -> list[Action]:
        """The socket is gone; *cancel*: nobody waits for its turn any more."""
        turn, self._turn = self._turn, None
        self._waiting.clear()
        if turn is None:
            return self._left(now, "closed")
        report = Report(turn.name, "closed", counted=turn.counted, seconds=now - turn.since)
        return [Tell(cancelled(self.wishes, turn.name)), report] if cancel else [report]

    def _left(self, now: float, outcome: str = "", code: str = "") -> list[Action]:
        leaving, self._leaving = self._leaving, None
        if leaving is None:
            return []
        report = leaving.report
        return [
            msgspec.structs.replace(
                report, outcome=outcome or report.outcome, code=code or report.code, seconds=now - leaving.since
            )
        ]

    def _next(self, now: float) -> list[Action]:
        if not self._idle:
            return []
        if not self._waiting:
            return [Leave()] if self._stopping else []
        waiting = self._waiting.popleft()
        if isinstance(waiting.utterance, Error):
            code = waiting.utterance.code
            report = Report("", outcome_of(code), code, stage="edge", counted=waiting.counted)
            self._leaving = _Leaving(report, waiting.since)
            return [SendError(waiting.utterance)]
        name = self._fresh()
        self._turn = self._open(name, waiting.since, now, counted=True)
        return [Publish(asked(self.wishes, name, waiting.utterance))]

    def _open(self, name: str, since: float, now: float, *, counted: bool) -> _Turn:
        return _Turn(name, since, Patience(now, self.wishes.timeout_ms / 1000, self._limits), Assembly(), counted)

    def _fail(self, turn: _Turn, error: Error, stage: str, trail: tuple[Step, ...] = ()) -> list[Action]:
        self._turn = None
        report = Report(turn.name, outcome_of(error.code), error.code, stage, turn.counted, trail)
        self._leaving = _Leaving(report, turn.since)
        return [Tell(cancelled(self.wishes, turn.name)), SendError(error)]
