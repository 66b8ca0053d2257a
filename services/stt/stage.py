"""Speech to text: an utterance in, a transcript out."""

import asyncio
import time
from collections.abc import AsyncGenerator

import numpy as np
import structlog
from numpy.typing import NDArray

from bus_schemas import Event, Speech, Transcript, Utterance, names
from services.runtime import metrics, wav
from services.runtime.wav import WavLimits

from . import languages
from .engines import Transcriber

FULL_SCALE = 32_768.0

log = structlog.get_logger()


async def handle(utterance: Utterance, *, transcriber: Transcriber, limits: WavLimits) -> AsyncGenerator[Event, None]:
    """Yield the transcript, or, when nobody spoke, the empty speech that ends the turn.

    The WAV may be of any real form: an edge has checked and normalised it, an outsider has not.

    Raises: Refused for a WAV that cannot be taken or a language that nobody here knows; Unavailable; Sick.
    """
    language = languages.code(utterance.language)
    samples = await asyncio.to_thread(_listen, utterance.wav, limits)
    began = time.monotonic()
    said = await transcriber.transcribe(samples, language)
    seconds = round(len(samples) / wav.RATE, 3)
    metrics.worked("stt", time.monotonic() - began, seconds)
    log.debug("transcribed", turn=utterance.turn, language=said.language, text=said.text)
    if said.text:
        yield Transcript(text=said.text, seconds=seconds, language=said.language, heard=utterance.heard)
    else:
        yield Speech(attempt=names.fresh(), n=0, take=names.fresh(), end=True, last=True)


def _listen(data: bytes, limits: WavLimits) -> NDArray[np.float32]:
    """Any WAV file as mono of 16 kHz in -1..1."""
    sound = wav.read(wav.normalise(data, limits), limits)
    return sound.samples.astype(np.float32) / FULL_SCALE
