"""What a `Session` wants done; the conversation of its socket does it."""

from msgspec import Struct

from bus_schemas import Cancel, Step, Utterance
from bus_schemas.frames import Error

from .answer import Answer


class Publish(Struct, frozen=True):
    """Store the utterance on the bus; when that fails, call `Session.fail`."""

    utterance: Utterance


class Tell(Struct, frozen=True):
    """Tell the stages that nobody waits any more."""

    cancel: Cancel


class Recover(Struct, frozen=True):
    """Read from the stream what the socket's turn may have missed."""


class Find(Struct, frozen=True):
    """Look for the turn that the client came back for; then call `Session.found` or `Session.fail`."""

    turn: str


class SendAnswer(Struct, frozen=True):
    """Send the text and the sound, then call `Session.sent`."""

    turn: str
    answer: Answer


class SendError(Struct, frozen=True):
    """Send an error frame, then call `Session.sent`."""

    error: Error


class Report(Struct, frozen=True):
    """A turn is over: log and count it."""

    turn: str
    """Empty when the frame never became a turn."""
    outcome: str
    """`answered`, `silent`, `busy`, `refused`, `failed`, `cancelled` or `closed`."""
    code: str = ""
    stage: str = ""
    """Which stage failed."""
    counted: bool = False
    """Whether it was counted into its party's limits when it was heard."""
    trail: tuple[Step, ...] = ()
    seconds: float = 0.0
    """From the frame to the end of its reply."""
    first_sound: float = 0.0
    """From the frame to the first sound of a streamed reply; 0 where there was none."""


class Leave(Struct, frozen=True):
    """Nothing is left to do and the service stops: close the socket."""


Action = Publish | Tell | Recover | Find | SendAnswer | SendError | Report | Leave
