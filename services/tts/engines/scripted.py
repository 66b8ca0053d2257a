"""Timed tones in place of speech: as long as the text, after a set time. For tests, demos of the bus and benches."""

import asyncio
import zlib
from collections.abc import AsyncGenerator

import numpy as np

from services.runtime.wav import Sound

from .. import voices
from ..settings import TtsSettings
from ..voices import Voices
from . import Piece

RATE = 24_000
WORDS_PER_PIECE = 8
"""A usual sentence is one or two pieces, so that whoever assembles them has something to do."""

LOWEST_HERTZ, HIGHEST_HERTZ = 220, 880
_LEVEL = 6_000


class Scripted:
    """A speaker that needs no model: the same text is always the same sound."""

    def __init__(self, settings: TtsSettings, catalogue: Voices) -> None:
        self._catalogue = catalogue
        self.voices = tuple(catalogue.by_name)
        self.languages: tuple[str, ...] = ()
        self._words_per_second = settings.scripted_tts_words_per_second
        self._service_s = settings.scripted_tts_ms / 1000

    async def speak(self, text: str, voice: str, language: str) -> AsyncGenerator[Piece, None]:
        """Every language is spoken. Raises: Refused for an unknown voice."""
        voices.find(self._catalogue, voice)
        sounds = tones(text, self._words_per_second)
        for number, sound in enumerate(sounds, start=1):
            await asyncio.sleep(self._service_s / len(sounds))
            yield Piece(sound, end=number == len(sounds))

    async def probe(self) -> None:
        """There is nothing that could be away."""

    async def close(self) -> None:
        """There is nothing to give back."""


def tones(text: str, words_per_second: float) -> list[Sound]:
    """The pieces that stand for *text*, each as long as its words take, at a pitch that tells texts apart."""
    words = max(1, len(text.split()))
    hertz = LOWEST_HERTZ + zlib.crc32(text.encode()) % (HIGHEST_HERTZ - LOWEST_HERTZ)
    counts = [min(WORDS_PER_PIECE, words - start) for start in range(0, words, WORDS_PER_PIECE)]
    return [_tone(hertz, count / words_per_second) for count in counts]


def _tone(hertz: float, seconds: float) -> Sound:
    time = np.arange(round(seconds * RATE)) / RATE
    return Sound((np.sin(2 * np.pi * hertz * time) * _LEVEL).astype(np.int16), RATE)
