"""A transcriber without a model: it hears the same sentence in every sound that is not silent."""

import asyncio

import numpy as np
from numpy.typing import NDArray

from .. import languages
from ..settings import SttSettings
from . import Transcription


class Scripted:
    """Deterministic: text, language and service time come from the settings and the request."""

    def __init__(self, settings: SttSettings) -> None:
        self._text = settings.scripted_transcript
        self._seconds = settings.scripted_stt_ms / 1000
        self.at_once = settings.stt_concurrency
        self.languages = tuple(sorted(languages.KNOWN))

    async def transcribe(self, samples: NDArray[np.float32], language: str) -> Transcription:
        await asyncio.sleep(self._seconds)
        text = self._text.replace("{samples}", str(len(samples)))
        return Transcription(text if samples.any() else "", language or "en")

    async def probe(self) -> None:
        return

    async def close(self) -> None:
        return
