"""The transcribers: one Protocol, one file each, one `match`."""

from typing import Protocol

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from services.runtime.errors import StartError

from ..settings import SttSettings, engine


class Transcription(Struct, frozen=True):
    """What was said; an empty text is silence."""

    text: str
    language: str
    """ISO 639-1; empty when the sound is silent and nobody named one."""


class Transcriber(Protocol):
    """Speech to text. It never blocks the event loop."""

    at_once: int
    """How many utterances it really works on together."""

    languages: tuple[str, ...]
    """Those that may be named, ISO 639."""

    async def transcribe(self, samples: NDArray[np.float32], language: str) -> Transcription:
        """Transcribe mono *samples* of 16 kHz in -1..1; an empty *language* is found out.

        Raises: Refused for a language that nobody here knows; Unavailable.
        """
        ...

    async def probe(self) -> None:
        """Return when the engine can work. Raises: Unavailable."""
        ...

    async def close(self) -> None:
        """Give back what the engine holds."""
        ...


def load(settings: SttSettings) -> Transcriber:
    """Load the engine in force; it takes seconds, so it is called in a thread.

    Raises: SettingsError; StartError.
    """
    name, why = engine(settings)
    try:
        match name:
            case "faster-whisper":
                from . import faster_whisper

                return faster_whisper.load(settings)
            case "scripted":
                from .scripted import Scripted

                return Scripted(settings)
    except ImportError as error:
        raise StartError(f"the engine {name} ({why}) cannot be imported: {error}; install {name}") from error
