"""What the turns of every socket have in common: who asks, how long they may take, and how they end."""

from msgspec import Struct

from bus_schemas import Cancel, Heard, Utterance, codes
from bus_schemas.events import MAX_TIMEOUT_MS
from bus_schemas.frames import Error
from services.runtime.trace import TraceContext

STOPPING = Error(codes.UNAVAILABLE, "The service is stopping: connect again and repeat the request.")


class Wishes(Struct, frozen=True):
    """Who asks, and what the address of the socket asked for."""

    origin: str
    session: str
    voice: str = ""
    language: str = ""
    timeout_ms: int = 60_000
    trace: bool = False
    """Tell the client where the time went."""
    turns: bool = False
    """Tell the client the name of each turn, so that it can come back for the answer."""
    stream: bool = False
    """Tell the answer as it comes."""
    resume: str = ""
    """The turn that the client came back for."""
    parent: TraceContext | None = None
    """The trace that the client's handshake named."""


class Limits(Struct, frozen=True):
    """What a session may hold."""

    waiting: int = 4
    """Turns that wait while one runs."""
    silence: float = 3.0
    """Seconds without an event after which a running turn's events are read from the stream."""
    longest_silence: float = 12.0
    """Each reading that a turn's silence asks for comes twice as late as the one before, but not later than this."""


class Patience:
    """How long a turn is waited for. Times are seconds of any clock that only goes forward."""

    def __init__(self, now: float, seconds: float, limits: Limits) -> None:
        self._limits = limits
        self.deadline = now + seconds
        self._silence = limits.silence
        """Seconds without an event that are not suspicious."""
        self._quiet = now + limits.silence
        """When they are."""

    @property
    def wakes(self) -> float:
        """When `deadline` or `over` has something to say."""
        return min(self.deadline, self._quiet)

    def expect(self, seconds: float, now: float) -> None:
        """The turn has *seconds* left."""
        self.deadline = now + min(seconds, MAX_TIMEOUT_MS / 1000)

    def heard(self, now: float) -> None:
        """An event of the turn came."""
        self._silence = self._limits.silence
        self._quiet = now + self._silence

    def over(self, now: float) -> bool:
        """Whether it has been silent for too long; the next time it may be silent for twice as long."""
        if now < self._quiet:
            return False
        self._silence = min(self._silence * 2, self._limits.longest_silence)
        self._quiet = now + self._silence
        return True


def asked(wishes: Wishes, turn: str, wav: bytes, heard: Heard | None = None) -> Utterance:
    """What goes on the bus for a question."""
    return Utterance(
        origin=wishes.origin,
        session=wishes.session,
        turn=turn,
        language=wishes.language,
        voice=wishes.voice,
        wav=wav,
        timeout_ms=wishes.timeout_ms,
        heard=heard,
    )


def cancelled(wishes: Wishes, turn: str) -> Cancel:
    """Nobody waits for *turn* any more."""
    return Cancel(origin=wishes.origin, session=wishes.session, turn=turn)


def too_late(wishes: Wishes, turn: str) -> Error:
    """The end of a turn without an answer in time; one that the client came back for has a time of its own."""
    span = "its time" if turn == wishes.resume else f"{wishes.timeout_ms / 1000:g} s"
    return Error(codes.DEADLINE, f"No answer came within {span}: ask again, or allow more with ?timeout=.")


def outcome_of(code: str) -> str:
    """How a turn with this error ended, in a word of `Report.outcome`."""
    if code == codes.BUSY:
        return "busy"
    return "refused" if code.startswith(codes.REFUSED) else "failed"
