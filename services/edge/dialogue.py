"""A streaming conversation over one socket, without the socket: answers leave as they come, and can be interrupted.

Like a `Session` it takes frames, events of the bus and the time, and gives back actions. What is to be sent is no
action: whoever sends asks `next` for it whenever the client has taken what was sent before, and says so to `left`.
Whatever the client sends ends the turn before it at once, so nothing waits and one turn is on the bus at a time.
"""

from collections import deque
from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from bus_schemas import Cancel, Event, Failed, Heard, Step, Utterance, names
from bus_schemas.frames import Done, Error, ErrorFrame, Restarted, Taken, Transcription

from .actions import Action, Find, Leave, Publish, Recover, Report, Tell
from .answer import Answer
from .interrupted import Interrupted
from .streaming import Piece, Streaming
from .turn import STOPPING, Limits, Patience, Wishes, asked, cancelled, outcome_of, too_late

MOST_UNSENT = 64
"""Ends of turns that wait for a client to read; each is some bytes."""

Outgoing = Transcription | Piece | Restarted | Done | ErrorFrame | Taken


class _Frame(Struct):
    """What is to be sent, and what is to be reported when it has left."""

    frame: Outgoing
    report: Report | None = None
    since: float = 0.0


class _Turn(Struct):
    """The turn that is being answered."""

    name: str
    since: float
    patience: Patience
    streaming: Streaming
    named: bool
    """The client knows its name, or did not ask for it."""
    counted: bool
    """It was counted into its party's limits here."""
    complete: bool = False
    """All of it has come from the bus."""
    first_sound: float = 0.0
    """Seconds from the frame to the first sound; 0 before."""


class Dialogue:
    """Times are seconds of any clock that only goes forward."""

    def __init__(self, wishes: Wishes, limits: Limits, fresh: Callable[[], str] = names.fresh) -> None:
        self.wishes = wishes
        self._limits = limits
        self._fresh = fresh
        self._turn: _Turn | None = None
        self._unsent: deque[_Frame] = deque()
        self._sending: _Frame | None = None
        self._interrupted = Interrupted()
        self._stopping = False

    @property
    def crowded(self) -> bool:
        """Whether so many replies wait to be read that no more frames should be."""
        return len(self._unsent) >= MOST_UNSENT

    @property
    def held(self) -> int:
        """No question waits here: each ends the one before."""
        return 0

    @property
    def turn(self) -> str:
        """The turn that is on the bus; empty when none is."""
        return self._turn.name if self._turn and not self._turn.complete else ""

    @property
    def lasting(self) -> bool:
        """Whether the running turn outlives a socket that breaks: its client knows the name to come back with."""
        return self.wishes.turns or bool(self.turn and self.turn == self.wishes.resume)

    @property
    def wakes(self) -> float | None:
        """When `tick` has something to do."""
        return self._turn.patience.wakes if self._turn and not self._turn.complete else None

    def resume(self, now: float) -> list[Action]:
        """The socket is open: what its client came back for is its first turn."""
        if not self.wishes.resume:
            return []
        self._turn = self._open(self.wishes.resume, now, named=True, counted=False)
        return [Find(self.wishes.resume)]

    def found(self, turn: str, seconds: float, now: float) -> None:
        """The turn that was to be found has *seconds* left; nothing happens when it is over."""
        if self._turn is not None and self._turn.name == turn:
            self._turn.patience.expect(seconds, now)

    def interrupt(self, now: float, sentences: int | None = None) -> list[Action]:
        """Something comes from the client: the running turn ends. It has heard *sentences*, where it says so."""
        turn, self._turn = self._turn, None
        if turn is None:
            return self._report(now)
        heard = self._cut(turn, sentences)
        told = Heard(turn=turn.name, sentences=heard.sentences)
        said = " ".join(filter(None, turn.streaming.texts[: heard.sentences]))
        done = Done(True, turn.name, turn.streaming.transcription, said, cancelled=True, heard=told)
        self._unsent.append(_Frame(done))
        report = _over(turn, "cancelled", now)
        return [*self._tell(turn), report]

    def cancel(self, now: float, sentences: int | None = None) -> list[Action]:
        """The client wants no more; where none runs, it may still say how much was heard of the turn before."""
        if self._turn is None and sentences is not None:
            self._interrupted.again(sentences)
        return [*self.interrupt(now, sentences), *self._leave()]

    def heard(self, utterance: bytes | Error, now: float) -> list[Action]:
        """A frame came: a normalised WAV, or what is wrong with it."""
        ended, counted = self.interrupt(now), not isinstance(utterance, Error)
        utterance = STOPPING if self._stopping else utterance
        if isinstance(utterance, Error):
            self._unsent.append(_Frame(ErrorFrame(utterance)))
            return [*ended, Report("", outcome_of(utterance.code), utterance.code, stage="edge", counted=counted)]
        self._turn = self._open(self._fresh(), now, named=not self.wishes.turns, counted=True)
        return [*ended, Publish(asked(self.wishes, self._turn.name, utterance, self._interrupted.told))]

    def taken(self, turn: str) -> None:
        """The bus has *turn*: its client may be told its name."""
        if self._turn is not None and self._turn.name == turn and not self._turn.named:
            self._turn.named = True
            self._unsent.append(_Frame(Taken(turn)))

    def event(self, event: Event, now: float) -> list[Action]:
        """An event came from the bus; only the running turn's mean anything, and repeats mean nothing."""
        turn = self._turn
        if turn is None or turn.complete or event.turn != turn.name or isinstance(event, Utterance | Cancel):
            return []
        turn.patience.heard(now)
        self.taken(turn.name)
        match turn.streaming.add(event):
            case Answer() as answer:
                turn.complete = True
                if answer.transcription:
                    self._interrupted.known()
            case Failed() as failed:
                error = Error(failed.code, failed.message, failed.retry_after or None)
                return self._fail(turn, error, failed.stage, failed.trail)
        return []

    def next(self, now: float) -> Outgoing | None:
        """What to send now; None until more comes."""
        self._sending = self._unsent.popleft() if self._unsent else self._told(now)
        return self._sending.frame if self._sending else None

    def left(self, now: float) -> list[Action]:
        """What `next` gave has left for the client."""
        report = self._report(now)
        self._sending = None
        if self._turn is not None:
            self._turn.streaming.left()
        return [*report, *self._leave()]

    def fail(self, turn: str, error: Error, *, cancel: bool = True) -> list[Action]:
        """The edge itself could not do its part of *turn*; nothing happens when that turn is over."""
        if self._turn is None or self._turn.complete or self._turn.name != turn:
            return []
        told = self._fail(self._turn, error, "edge")
        return told if cancel else told[1:]

    def tick(self, now: float) -> list[Action]:
        """Time has passed."""
        turn = self._turn
        if turn is None or turn.complete:
            return []
        if now >= turn.patience.deadline:
            return self._fail(turn, too_late(self.wishes, turn.name), "edge")
        return [Recover()] if turn.patience.over(now) else []

    def stop(self, _: float) -> list[Action]:
        """Take no more turns; what runs may finish."""
        self._stopping = True
        return self._leave()

    def give_up(self, now: float) -> list[Action]:
        """The time to finish is over: whoever can come back finds its turn elsewhere, the others are told."""
        if self.turn and self.lasting:
            return [*self.closed(now, cancel=False), Leave()]
        return self.fail(self.turn, STOPPING)

    def closed(self, now: float, *, cancel: bool = True) -> list[Action]:
        """The socket is gone; *cancel*: nobody waits for its turn any more."""
        turn, self._turn = self._turn, None
        over = self._report(now, "closed")
        while self._unsent:
            self._sending = self._unsent.popleft()
            over += self._report(now, "closed")
        if turn is None:
            return over
        report = _over(turn, "closed", now)
        return [*over, *self._tell(turn), report] if cancel else [*over, report]

    def _told(self, now: float) -> _Frame | None:
        """What comes next of the running turn."""
        turn = self._turn
        told = turn.streaming.next() if turn else None
        if turn is None or told is None:
            return None
        if isinstance(told, Answer):
            return self._done(turn, told)
        if isinstance(told, Piece) and not turn.first_sound:
            turn.first_sound = now - turn.since
        return _Frame(told)

    def _done(self, turn: _Turn, answer: Answer) -> _Frame:
        """The end of a turn that was told whole."""
        self._turn = None
        self._interrupted.whole(turn.name, answer.transcription, turn.streaming.texts)
        outcome = "answered" if answer.transcription or answer.reply else "silent"
        report = Report(turn.name, outcome, counted=turn.counted, trail=answer.trail, first_sound=turn.first_sound)
        trail = answer.trail if self.wishes.trace else ()
        return _Frame(Done(True, turn.name, answer.transcription, answer.reply, trail=trail), report, turn.since)

    def _cut(self, turn: _Turn, sentences: int | None) -> Heard:
        """Remember how much of a turn was heard."""
        return self._interrupted.cut(turn.name, turn.streaming.transcription, turn.streaming.texts[:sentences])

    def _fail(self, turn: _Turn, error: Error, stage: str, trail: tuple[Step, ...] = ()) -> list[Action]:
        self._turn = None
        self._cut(turn, None)
        outcome, sound = outcome_of(error.code), turn.first_sound
        report = Report(turn.name, outcome, error.code, stage, turn.counted, trail, first_sound=sound)
        self._unsent.append(_Frame(ErrorFrame(error), report, turn.since))
        return [Tell(cancelled(self.wishes, turn.name))]

    def _tell(self, turn: _Turn) -> list[Action]:
        return [] if turn.complete else [Tell(cancelled(self.wishes, turn.name))]

    def _report(self, now: float, outcome: str = "") -> list[Action]:
        """The turn whose end is being sent is over; it is told once."""
        sending = self._sending
        if sending is None or sending.report is None:
            return []
        report, sending.report = sending.report, None
        return [replace(report, outcome=outcome or report.outcome, seconds=now - sending.since)]

    def _leave(self) -> list[Action]:
        idle = self._turn is None and not self._unsent and self._sending is None
        return [Leave()] if self._stopping and idle else []

    def _open(self, name: str, now: float, *, named: bool, counted: bool) -> _Turn:
        patience = Patience(now, self.wishes.timeout_ms / 1000, self._limits)
        return _Turn(name, now, patience, Streaming(), named, counted)


def _over(turn: _Turn, outcome: str, now: float) -> Report:
    """A turn that ends without anything to send behind it."""
    return Report(turn.name, outcome, counted=turn.counted, seconds=now - turn.since, first_sound=turn.first_sound)
