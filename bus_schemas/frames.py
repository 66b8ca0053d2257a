"""The text frames of the WebSocket: as the program before voicebus sent them, and those of a streaming socket."""

import msgspec
from msgspec import UNSET, Struct, UnsetType

from .events import Count, Heard, Step


class Answer(Struct, frozen=True):
    """A turn's answer in text; one binary frame with the WAV follows it."""

    transcription: str
    """What was heard; empty when nobody spoke."""
    llama: str
    """The whole reply."""


class Error(Struct, frozen=True, omit_defaults=True):
    """What went wrong, for a program (`code`, one of `bus_schemas.codes`) and for a person (`message`)."""

    code: str
    """The kind of trouble."""
    message: str
    """A sentence that a person can act on."""
    retry_after: float | None = None
    """With `busy`, where it is known: after so many seconds another try may succeed."""


class ErrorFrame(Struct, frozen=True):
    """The end of a turn that cannot be answered; the socket stays open. A refused handshake has it as its body."""

    error: Error
    """What went wrong."""


class Taken(Struct, frozen=True):
    """A turn is stored and will be answered; it comes before the answer where the client asked with `?turns=1`.

    With this name a client whose socket breaks comes back: `?session=...&resume=<turn>`.
    """

    turn: str
    """The turn's name on the bus."""


class Trail(Struct, frozen=True):
    """Where the turn's time went; it follows the WAV where the client asked for it with `?trace=1`."""

    trail: tuple[Step, ...]
    """A step a stage."""


class Transcription(Struct, frozen=True):
    """Streaming: what was heard, before there is an answer to it. If it comes again, the last one counts."""

    transcription: str
    """The words; empty when nobody spoke."""


class Spoken(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Streaming: the very next binary frame is piece `piece` of sentence `n`, a WAV file of its own.

    Sentences come in order, and so do the pieces of each; the first piece brings the sentence's text.
    """

    llama: str | UnsetType = UNSET
    """The sentence's text, with its first piece."""
    n: Count
    """The sentence's number, from 0."""
    piece: Count = 0
    """The piece's number, from 0."""
    more: bool = False
    """Another piece of this sentence follows."""


class Restarted(Struct, frozen=True, omit_defaults=True):
    """Streaming: what was told of this answer is void; it comes again, from sentence 0."""

    restarted: bool
    """Always true."""
    same: Count = 0
    """So many sentences come again exactly as they were: who has played them skips them."""


class Done(Struct, frozen=True, omit_defaults=True):
    """Streaming: the end of a turn; each has this one or an error, and only one of them."""

    done: bool
    """Always true."""
    turn: str
    """The turn's name on the bus."""
    transcription: str
    """What was heard."""
    llama: str
    """The whole reply; of a cancelled turn, the sentences that were sent whole."""
    cancelled: bool | UnsetType = UNSET
    """True when the turn was interrupted."""
    heard: Heard | UnsetType = UNSET
    """Of a cancelled turn: how many sentences were sent whole."""
    trail: tuple[Step, ...] = ()
    """Where the turn's time went, where the client asked for it with `?trace=1`."""


class Stop(Struct, frozen=True, forbid_unknown_fields=True):
    """The client of a streaming socket wants no more of the running turn."""

    cancel: bool
    """True; anything else is refused."""
    sentences: Count | None = None
    """How many sentences a person has heard of it, where the client knows: sound is sent faster than it is played."""


Frame = Answer | ErrorFrame | Taken | Trail | Transcription | Spoken | Restarted | Done | Stop

_BY_FIELD: dict[str, type[Frame]] = {
    "error": ErrorFrame,
    "done": Done,
    "restarted": Restarted,
    "n": Spoken,
    "llama": Answer,
    "transcription": Transcription,
    "turn": Taken,
    "trail": Trail,
}
"""The first of these fields that a frame has says which it is."""


def encode(frame: Frame) -> str:
    """The frame as the text of a WebSocket message."""
    return msgspec.json.encode(frame).decode()


def decode(text: str) -> Frame:
    """What the edge has sent. Raises: msgspec.DecodeError for what is no frame of voicebus."""
    fields = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    for name, kind in _BY_FIELD.items():
        if name in fields:
            return msgspec.json.decode(text, type=kind)
    raise msgspec.DecodeError(f"a frame with the fields {', '.join(fields)[:200]} is none of voicebus")


def stop(text: str) -> Stop | None:
    """The wish of a client's text frame to stop; None when it is something else."""
    try:
        found = msgspec.json.decode(text, type=Stop)
    except (msgspec.DecodeError, RecursionError):
        return None
    return found if found.cancel else None
