"""The speakers: one Protocol, one file each, one `match`."""

from collections.abc import AsyncGenerator
from typing import Protocol

from services.runtime.wav import Sound


class Speaker(Protocol):
    """Text to speech. It never blocks the event loop."""

    def speak(self, text: str, voice: str, language: str) -> AsyncGenerator[Sound, None]:
        """Speak one sentence in pieces, in order. Closing the generator stops the engine within a piece.

        *voice* is a name of `audios/voices.toml`; *language* is ISO 639-1.

        Raises: Refused for a voice or a language that nobody here has; Unavailable.
        """
        ...

    async def probe(self) -> None:
        """Return when the engine can work. Raises: Unavailable."""
        ...

    async def close(self) -> None:
        """Give back what the engine holds."""
        ...
