"""Turns as the record tells them: when each began, what was asked and answered, how it ended and when."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from bus_schemas import Cancel, Failed, Speech, Step, Transcript, Utterance
from services.edge.answer import Answer, Assembly
from services.runtime.errors import SettingsError, VoicebusError
from services.runtime.wav import HEADER_BYTES

from .record import Recorded

ANSWERED, SILENT, CANCELLED, OPEN = "answered", "silent", "cancelled", "open"
"""How a turn ended that did not fail: with an answer; nobody had spoken; nobody waited any more; not yet, or never."""
LAST = "last"


class NoTurn(VoicebusError):
    """There is no such turn on record."""


class Turn(Struct, frozen=True):
    """One turn: its newest run, where an operator had it run again."""

    origin: str
    session: str
    turn: str
    run: int
    events: tuple[Recorded, ...]
    """All there are of it, oldest first, those of older runs too."""
    began: float
    """When its run began, seconds since 1970."""
    outcome: str
    """ANSWERED, SILENT, CANCELLED, OPEN, or the code of its failure."""
    transcription: str
    language: str
    reply: str
    message: str
    """Of its failure."""
    seconds: float | None
    """From its beginning to its end, as the broker stored them."""
    first_audio: float | None
    """From its beginning to the first sound of its answer, as the broker stored them."""
    attempt: str
    """The attempt that answered it; the newest, where none did."""
    trail: tuple[Step, ...]
    """What each stage spent on the last sentence."""

    @property
    def utterance(self) -> Recorded | None:
        """What was said, where that is on record."""
        return next((one for one in self.events if isinstance(one.event, Utterance)), None)


class _Ended(Struct, frozen=True):
    how: Answer | Failed | None = None
    """None: it was cancelled, or goes on."""
    at: float | None = None


def turns(events: Iterable[Recorded]) -> list[Turn]:
    """Every turn that the events speak of, the oldest first."""
    found: dict[tuple[str, str, str], list[Recorded]] = {}
    for one in events:
        event = one.event
        found.setdefault((event.origin, event.session, event.turn), []).append(one)
    told = [
        _turn([*mine, *found.get((origin, session, ""), [])])
        for (origin, session, turn), mine in found.items()
        if not all(isinstance(one.event, Cancel) for one in mine)  # those with an empty turn are for all of a session
    ]
    return sorted(told, key=lambda turn: turn.began)


def named(found: Sequence[Turn], name: str) -> Turn:
    """The turn of this name; `last` is the newest. Raises: NoTurn; SettingsError when several have the name."""
    those = [turn for turn in found if turn.turn == name] or (list(found[-1:]) if name == LAST else [])
    if not those:
        raise NoTurn(f"there is no turn {name} on record; `voicebus turns` lists those there are")
    if len(those) > 1:
        whose = ", ".join(f"{turn.origin} {turn.session}" for turn in those)
        raise SettingsError(f"several turns are called {name} (of {whose}): say --origin and --session too")
    return those[0]


def spoken(turn: Turn) -> list[Recorded]:
    """The pieces of the turn's answer in order, of each sentence the take that counts."""
    assembly, pieces = Assembly(), dict[tuple[int, str, int], Recorded]()
    for one in turn.events:
        event = one.event
        if isinstance(event, Speech) and (event.run, event.attempt) == (turn.run, turn.attempt):
            assembly.add(event)
            pieces.setdefault((event.n, event.take, event.piece), one)
    attempt = assembly.attempt(turn.attempt)
    takes = {n: take.name for n, _, _ in pieces if (take := attempt.take(n))}
    return [pieces[n, take, piece] for n, take, piece in sorted(pieces) if takes[n] == take]


def _turn(events: Sequence[Recorded]) -> Turn:
    run = max(one.event.run for one in events if not isinstance(one.event, Cancel))
    mine = [one for one in events if one.event.run == run and not isinstance(one.event, Cancel)]
    began, assembly = mine[0].at, Assembly()
    ended = _ended(mine, assembly)
    gone = min((one.at for one in events if isinstance(one.event, Cancel) and one.at >= began), default=None)
    if gone is not None and (ended.at is None or gone < ended.at):
        ended = _Ended(at=gone)
    answer = ended.how if isinstance(ended.how, Answer) else None
    attempt = answer.attempt if answer else assembly.newest
    event = mine[0].event
    return Turn(
        origin=event.origin,
        session=event.session,
        turn=event.turn,
        run=run,
        events=tuple(events),
        began=began,
        outcome=_outcome(ended),
        transcription=assembly.transcription(attempt),
        language=next((one.event.language for one in mine if isinstance(one.event, Transcript)), event.language),
        reply=assembly.attempt(attempt).reply,
        message=ended.how.message if isinstance(ended.how, Failed) else "",
        seconds=None if ended.at is None else round(ended.at - began, 3),
        first_audio=_first_audio(mine, attempt, began),
        attempt=attempt,
        trail=assembly.attempt(attempt).trail,
    )


def _ended(events: Sequence[Recorded], assembly: Assembly) -> _Ended:
    """When the assembly of the answer was ended, and how; what came afterwards is not looked at."""
    for one in events:
        how = assembly.add(one.event)
        if how:
            return _Ended(how, one.at)
    return _Ended()


def _outcome(ended: _Ended) -> str:
    match ended.how:
        case Answer(transcription="", reply=""):
            return SILENT
        case Answer():
            return ANSWERED
        case Failed():
            return ended.how.code
    return OPEN if ended.at is None else CANCELLED


def _first_audio(events: Sequence[Recorded], attempt: str, began: float) -> float | None:
    sounds = (
        one.at - began
        for one in events
        if isinstance(one.event, Speech) and one.event.attempt == attempt and one.size > HEADER_BYTES
    )
    return next((round(seconds, 3) for seconds in sounds), None)
