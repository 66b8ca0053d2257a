"""What every transcriber of stt keeps, whatever is inside it: the engine's own tests run each of these promises."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bus_schemas import codes
from services.runtime import wav
from services.runtime.errors import Refused
from services.runtime.wav import WavLimits
from services.stt import languages
from services.stt.engines import Transcriber, Transcription

RATE = wav.RATE
QUESTION = wav.resample(wav.read(Path("audios", "question.wav").read_bytes(), WavLimits()), RATE)
NOISE = np.random.default_rng(5)
STRANGE = (
    np.zeros(0, np.float32),
    np.ones(1, np.float32),
    np.ones(RATE, np.float32),
    np.full(RATE, -1.0, np.float32),
    NOISE.standard_normal(RATE).astype(np.float32).clip(-1, 1),
)


async def speech_becomes_text_and_a_language(transcriber: Transcriber) -> None:
    """A question of four seconds, in English."""
    found = await _heard(transcriber)
    assert found.text.strip()
    assert found.language == "en"


async def what_nobody_would_say_breaks_nothing(transcriber: Transcriber) -> None:
    """No sample, one sample, a constant, noise at full scale."""
    for samples in STRANGE:
        assert isinstance((await transcriber.transcribe(samples, "en")).text, str)


async def a_language_is_taken_or_refused(transcriber: Transcriber) -> None:
    """Never a crash."""
    result, *_ = await asyncio.gather(transcriber.transcribe(_samples(), "tlh"), return_exceptions=True)
    assert result.code == codes.LANGUAGE if isinstance(result, Refused) else isinstance(result, Transcription)


async def what_it_offers_is_what_it_takes(transcriber: Transcriber) -> None:
    """The edge lets in what it offers, and nothing else."""
    assert {"en"} <= set(transcriber.languages) <= languages.KNOWN
    for language in (min(transcriber.languages), max(transcriber.languages)):
        assert isinstance(await transcriber.transcribe(_samples(), language), Transcription)


async def two_at_once_hear_what_each_hears_alone(transcriber: Transcriber) -> None:
    """Nothing of one is in the other."""
    alone = await _heard(transcriber)
    assert list(await asyncio.gather(_heard(transcriber), _heard(transcriber))) == [alone, alone]


async def who_stops_waiting_leaves_it_free(transcriber: Transcriber) -> None:
    """A cancelled transcription gives its thread back."""
    tasks = [asyncio.create_task(_heard(transcriber)) for _ in range(4)]
    await asyncio.sleep(0.01)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    async with asyncio.timeout(30):
        assert (await _heard(transcriber)).text


async def the_event_loop_is_free_meanwhile(transcriber: Transcriber) -> None:
    """A worker must say that it is alive while its engine works."""
    hearing = asyncio.create_task(_heard(transcriber))
    longest, loop = 0.0, asyncio.get_running_loop()
    while not hearing.done():
        before = loop.time()
        await asyncio.sleep(0.005)
        longest = max(longest, loop.time() - before)
    await hearing
    assert longest < 1.0


async def a_probe_of_what_works_returns(transcriber: Transcriber) -> None:
    """A worker whose engine was away waits for it."""
    async with asyncio.timeout(10):
        await transcriber.probe()


Promise = Callable[[Transcriber], Awaitable[None]]
PROMISES: tuple[Promise, ...] = (
    speech_becomes_text_and_a_language,
    what_nobody_would_say_breaks_nothing,
    a_language_is_taken_or_refused,
    what_it_offers_is_what_it_takes,
    two_at_once_hear_what_each_hears_alone,
    who_stops_waiting_leaves_it_free,
    the_event_loop_is_free_meanwhile,
    a_probe_of_what_works_returns,
)
every_promise = pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)


def _samples() -> NDArray[np.float32]:
    return QUESTION.samples.astype(np.float32) / np.float32(32_768)


async def _heard(transcriber: Transcriber) -> Transcription:
    return await transcriber.transcribe(_samples(), "en")
