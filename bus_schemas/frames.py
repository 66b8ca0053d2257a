"""The text frames of the WebSocket, as the program before voicebus sent them."""

import msgspec
from msgspec import Struct

from .events import Step


class Answer(Struct, frozen=True):
    """A turn's answer in text; one binary frame with the WAV follows it."""

    transcription: str
    llama: str


class Error(Struct, frozen=True, omit_defaults=True):
    """What went wrong, for a program (`code`, one of `bus_schemas.codes`) and for a person (`message`)."""

    code: str
    message: str
    retry_after: float | None = None
    """With `busy`, where it is known: after so many seconds another try may succeed."""


class ErrorFrame(Struct, frozen=True):
    error: Error


class Taken(Struct, frozen=True):
    """A turn is stored and will be answered; it comes before the answer where the client asked with `?turns=1`.

    With this name a client whose socket breaks comes back: `?session=...&resume=<turn>`.
    """

    turn: str


class Trail(Struct, frozen=True):
    """Where the turn's time went; it follows the WAV where the client asked for it with `?trace=1`."""

    trail: tuple[Step, ...]


def encode(frame: Answer | ErrorFrame | Taken | Trail) -> str:
    """The frame as the text of a WebSocket message."""
    return msgspec.json.encode(frame).decode()
