"""The events of a turn, in the order that a turn makes them.

An event is what now exists (an utterance, a transcript), never a command to the next stage. A field without a
default is always on the wire; a field that has its default is left out. Unknown fields are ignored, new fields have
defaults, types never change: old and new services can share a bus.

`origin`, `session` come from the subject and are never in the body.
"""

from typing import Annotated, ClassVar

from msgspec import Meta, Struct

TOKEN_PATTERN = r"\A[A-Za-z0-9_-]{1,64}\Z"
DEFAULT_TIMEOUT_MS = 60_000
MAX_TIMEOUT_MS = 600_000

Token = Annotated[str, Meta(pattern=TOKEN_PATTERN)]
"""A name that may stand in a subject: a to z, A to Z, 0 to 9, `_` and `-`, 1 to 64 of them."""
OptionalToken = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_-]{0,64}\Z")]
Count = Annotated[int, Meta(ge=0, le=2**53 - 1)]
"""As far as a JavaScript client counts without a mistake."""
MAX_STEPS = 32
"""A turn takes three; an outsider's trail must not push an answer over what a message may carry."""
MAX_HEARD = 8
"""As many turns as llm keeps."""


class Step(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one stage spent on a turn: a row of its waterfall."""

    stage: Annotated[str, Meta(max_length=128)]
    """`stt`, `llm` or `tts`."""
    worker: Annotated[str, Meta(max_length=128)]
    """The process that did it."""
    queue_ms: float
    """From the broker's timestamp to the worker's hands, milliseconds."""
    service_ms: float
    """From the worker's hands to this output, milliseconds."""


class Heard(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How much of an interrupted answer reached a person: its first `sentences` sentences.

    The texts are for a turn that was stopped before llm remembered it; without them it is forgotten.
    """

    turn: Token
    """The turn that was interrupted."""
    sentences: Count
    """How many of its sentences were heard to their end."""
    transcription: str = ""
    """What had been asked."""
    text: str = ""
    """What was heard of the answer."""
    before: Annotated[tuple["Heard", ...], Meta(max_length=MAX_HEARD)] = ()
    """The turns that were interrupted just before this one, oldest first: llm may not know of them yet."""


class Event(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What every event of a turn carries. A turn is (origin, session, turn): nothing is keyed by less."""

    NAME: ClassVar[str]
    """The event's token in its subject."""
    PAYLOAD: ClassVar[str] = ""
    """The field that is the message's payload; empty when the payload is the event's JSON."""
    SPARE: ClassVar[tuple[str, ...]] = ()
    """The fields that are left out, first to last, when the header has no room: a reader can do without."""

    origin: OptionalToken = ""
    """The party that asks and is answered."""
    session: OptionalToken = ""
    """One conversation of the origin."""
    turn: OptionalToken = ""
    """One question and its answer; of a bare utterance `<stream sequence>-<broker's timestamp, ms, hexadecimal>`."""
    run: Count = 0
    """0, and one more each time an operator requeues the turn."""
    attempt: OptionalToken = ""
    """The name of llm's run that wrote this; empty before llm."""
    language: Annotated[str, Meta(max_length=16)] = ""
    """ISO 639-1 code such as `pt`; empty: stt finds it."""
    voice: Annotated[str, Meta(max_length=64)] = ""
    """A name of `audios/voices.toml`; empty: the deployment's own."""
    deadline: Count = 0
    """When the turn is too late, milliseconds since 1970 by the broker's clock; 0: not known yet. stt makes it from
    `timeout_ms` and the broker's timestamp, whatever an utterance brings."""
    trail: Annotated[tuple[Step, ...], Meta(max_length=MAX_STEPS)] = ()
    """Where the time went so far, a step a stage."""


class Utterance(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A person has spoken. The payload is a WAV file, and a WAV file alone is a valid utterance."""

    NAME = "utterance"
    PAYLOAD = "wav"

    wav: bytes = b""
    """The recording."""
    timeout_ms: Annotated[int, Meta(ge=1, le=MAX_TIMEOUT_MS)] = DEFAULT_TIMEOUT_MS
    """How long the requester waits, counted from the broker's timestamp."""
    heard: Heard | None = None
    """Of an answer that this question interrupted: how much of it was heard."""


class Transcript(Event, frozen=True, kw_only=True, omit_defaults=True):
    """What was said."""

    NAME = "transcript"

    text: str
    """The words; empty when nobody spoke."""
    seconds: float
    """Length of the audio."""
    heard: Heard | None = None
    """As the utterance had it."""


class Sentence(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A speakable part of the reply: number `n` of `attempt`, counted from 0."""

    NAME = "sentence"

    n: Count
    """Its number, from 0."""
    text: str
    """May be empty when `last`: a terminator, never spoken."""
    last: bool = False
    """The attempt's last sentence."""
    transcription: str = ""
    """What had been asked."""
    reply: str = ""
    """The whole reply; on the last sentence only."""


class Speech(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A spoken piece of a sentence. The payload is a WAV file.

    A sentence is never assembled across takes, an answer never across attempts.
    """

    NAME = "speech"
    PAYLOAD = "wav"
    SPARE = ("reply", "transcription")

    n: Count
    """The sentence's number, from 0."""
    take: Token
    """The name of tts's run that spoke this."""
    piece: Count = 0
    """The piece's number in its take, from 0."""
    end: bool = False
    """The take's last piece; its WAV may be empty."""
    last: bool = False
    """The attempt's last sentence."""
    text: str = ""
    """The sentence."""
    transcription: str = ""
    """What had been asked."""
    reply: str = ""
    """The whole reply; on the last sentence only, and only where it fits: the sentences' texts are it as well."""
    wav: bytes = b""
    """The sound."""


class Failed(Event, frozen=True, kw_only=True, omit_defaults=True):
    """The turn, or one attempt of it, came to nothing. `attempt` is empty when it is the whole turn."""

    NAME = "failed"

    stage: str
    """Who says so."""
    code: str
    """One of `bus_schemas.codes`."""
    message: str
    """A sentence that a person can act on."""
    retry_after: Annotated[float, Meta(ge=0)] = 0.0
    """With `busy`: after so many seconds another try may succeed; 0: nobody knows."""


class Cancel(Event, frozen=True, kw_only=True, omit_defaults=True):
    """Nobody waits for this turn any more; with an empty `turn`, for nothing of this session."""

    NAME = "cancel"


class Dead(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A message that was given up, kept for an operator. The payload is the original one."""

    NAME = "dead"
    PAYLOAD = "body"
    SPARE = ("headers", "trail")

    stage: Token
    """Who gave it up."""
    code: str
    """Why, for a program."""
    reason: str
    """Why, for a person."""
    subject: str
    """Where the original was published."""
    sequence: Count
    """The original's number in its stream."""
    deliveries: Count
    """How often it had been tried."""
    headers: dict[str, str] = {}
    """The original's headers."""
    body: bytes = b""
    """The original's payload."""


EVENTS: tuple[type[Event], ...] = (Utterance, Transcript, Sentence, Speech, Failed, Cancel, Dead)
