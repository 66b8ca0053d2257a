"""The transcribers: one Protocol, one file each, one `match`."""

from typing import Protocol

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from services.runtime.errors import StartError

from ..settings import SttSettings


class Transcription(Struct, frozen=True):
    """What was said; an empty text is silence."""

    text: str
    language: str
    """ISO 639-1; empty when the sound is silent and nobody named one."""


class Transcriber(Protocol):
    """Speech to text. It never blocks the event loop."""

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


def choose(settings: SttSettings) -> tuple[str, str]:
    """The engine, and why it is that one."""
    if settings.stt_engine:
        return settings.stt_engine, f"STT_ENGINE={settings.stt_engine}"
    return "faster-whisper", "STT_ENGINE is not set"


def load(settings: SttSettings) -> Transcriber:
    """Load the chosen engine; it takes seconds, so run it in a thread.

    Raises: SettingsError; StartError.
    """
    engine, why = choose(settings)
    try:
        match engine:
            case "scripted":
                from .scripted import Scripted

                return Scripted(settings)
            case _:
                from .faster_whisper import FasterWhisper

                return FasterWhisper.load(settings)
    except ImportError as error:
        raise StartError(f"the {engine} engine ({why}) is not installed: {error}; install `{engine}`") from error
