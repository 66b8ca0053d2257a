"""The speakers: one Protocol, one file each, one `match`."""

from collections.abc import AsyncGenerator
from typing import Protocol

from msgspec import Struct

from services.runtime.wav import Sound

from .. import voices
from ..settings import TtsSettings, engine


class Piece(Struct, frozen=True):
    """Some of a sentence's sound."""

    sound: Sound
    end: bool = False
    """Nothing follows. An engine that finds out only afterwards just ends, without."""


class Speaker(Protocol):
    """Text to speech. It never blocks the event loop."""

    voices: tuple[str, ...]
    """Who can be asked for: names of `audios/voices.toml`."""
    languages: tuple[str, ...]
    """Those that somebody here speaks, ISO 639-1; none: every one."""

    def speak(self, text: str, voice: str, language: str) -> AsyncGenerator[Piece, None]:
        """Speak one sentence in pieces, in order. Who closes the generator, or is cancelled, has stopped the engine.

        *voice* is a name of `audios/voices.toml`; *language* is ISO 639-1, empty for the voice's own.

        Raises: Refused for a voice or a language that nobody here has; Unavailable.
        """
        ...

    async def probe(self) -> None:
        """Return when the engine can work. Raises: Unavailable."""
        ...

    async def close(self) -> None:
        """Give back what the engine holds."""
        ...


def load(settings: TtsSettings) -> Speaker:
    """Load the engine of *settings*: seconds of blocking work, so call it off the event loop.

    Raises: SettingsError, StartError.
    """
    catalogue = voices.read(settings.voices_dir)
    voices.check_default(catalogue, settings.voice_name)
    name, _ = engine(settings)
    match name:
        case "embedded":
            from . import embedded

            return embedded.load(settings, catalogue)
        case "scripted":
            from .scripted import Scripted

            return Scripted(settings, catalogue)
        case "xtts":
            from . import xtts_licence

            xtts_licence.check(settings.xtts)
            from . import xtts

            return xtts.load(settings, catalogue)
