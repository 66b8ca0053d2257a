"""How well voicebus hears, beside Whisper as its peers run it: speed by hearing worse is worth nothing.

`python -m benchmarks.pipeline.hearing` speaks the sentences of the acceptance tests and has both listen to each.
"""

import asyncio
import time
from collections.abc import Sequence

import numpy as np
from faster_whisper import WhisperModel  # type: ignore[import-untyped]
from msgspec import Struct
from numpy.typing import NDArray

from benchmarks import results
from benchmarks.results import About
from services.runtime import wav
from services.runtime.wav import WavLimits
from services.stt.engines import faster_whisper
from services.stt.settings import SttSettings
from tests.acceptance import speech

from . import models

NAME = "hearing"
THREADS = 2
Samples = NDArray[np.float32]


class Heard(Struct, frozen=True):
    """One listener."""

    english: float
    """Word error rate of the English sentences."""
    portuguese: float
    seconds: float
    """For a sentence, on average; one at a time."""


class Figures(Struct, frozen=True):
    """Both, with the same recordings."""

    about: About
    sentences: int
    voicebus: Heard
    peers: Heard
    """faster-whisper as it comes, with one beam, told the language."""


def main() -> None:
    """Listen, and keep the figures."""
    english, portuguese = (
        [_samples(recording) for recording in speech.record(texts, language)]
        for texts, language in ((speech.ENGLISH, "en"), (speech.PORTUGUESE, "pt"))
    )
    count = len(english) + len(portuguese)
    figures = Figures(results.about(), count, asyncio.run(_ours(english, portuguese)), _peers(english, portuguese))
    print(results.write(NAME, figures))  # noqa: T201 - the result


def _samples(recording: bytes) -> Samples:
    sound = wav.read(wav.normalise(recording, WavLimits()), WavLimits())
    return np.asarray(sound.samples / 32_768, np.float32)


async def _ours(english: Sequence[Samples], portuguese: Sequence[Samples]) -> Heard:
    """As the service does it: the language is found out."""
    engine = await asyncio.to_thread(faster_whisper.load, SttSettings())
    began = time.monotonic()
    heard = [(await engine.transcribe(samples, "")).text for samples in [*english, *portuguese]]
    seconds = time.monotonic() - began
    await engine.close()
    return _figures(heard, len(english), seconds)


def _peers(english: Sequence[Samples], portuguese: Sequence[Samples]) -> Heard:
    model = WhisperModel(str(models.whisper()), device="cpu", compute_type="int8", cpu_threads=THREADS)
    told = [(samples, "en") for samples in english] + [(samples, "pt") for samples in portuguese]
    began = time.monotonic()
    heard = []
    for samples, language in told:
        segments, _ = model.transcribe(samples, language=language, beam_size=1)
        heard.append("".join(segment.text for segment in segments))
    return _figures(heard, len(english), time.monotonic() - began)


def _figures(heard: Sequence[str], english: int, seconds: float) -> Heard:
    return Heard(
        english=speech.error_rate(speech.ENGLISH, heard[:english]),
        portuguese=speech.error_rate(speech.PORTUGUESE, heard[english:]),
        seconds=seconds / len(heard),
    )


if __name__ == "__main__":
    main()
