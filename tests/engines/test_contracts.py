"""The engines that come with voicebus keep their contracts; those behind a server do so in their own tests."""

import asyncio
from collections.abc import Iterator

import pytest

from services.llm import engines as llm
from services.llm.settings import LlmSettings
from services.stt import engines as stt
from services.stt.settings import SttSettings
from services.tts import engines as tts
from services.tts.settings import TtsSettings
from tests.contracts import language_model, speaker, transcriber


@pytest.fixture(scope="module")
def whisper() -> Iterator[stt.Transcriber]:
    loaded = stt.load(SttSettings())
    yield loaded
    asyncio.run(loaded.close())


@pytest.fixture(scope="module")
def embedded() -> Iterator[tts.Speaker]:
    loaded = tts.load(TtsSettings())
    yield loaded
    asyncio.run(loaded.close())


@transcriber.every_promise
async def test_faster_whisper_keeps_its_contract(promise: transcriber.Promise, whisper: stt.Transcriber) -> None:
    await promise(whisper)


@transcriber.every_promise
async def test_the_scripted_transcriber_keeps_its_contract(promise: transcriber.Promise) -> None:
    await promise(stt.load(SttSettings(stt_engine="scripted")))


@speaker.every_promise
async def test_the_embedded_speaker_keeps_its_contract(promise: speaker.Promise, embedded: tts.Speaker) -> None:
    """In English, by Piper: Kokoro, ten times slower, goes through the same class."""
    await promise(speaker.Case(embedded, "man", "en"))


@speaker.every_promise
async def test_the_scripted_speaker_keeps_its_contract(promise: speaker.Promise) -> None:
    loaded = await asyncio.to_thread(tts.load, TtsSettings(tts_engine="scripted", scripted_tts_ms=0))
    await promise(speaker.Case(loaded, "man", "en"))


@language_model.every_promise
async def test_the_scripted_model_keeps_its_contract(promise: language_model.Promise) -> None:
    model = llm.load(LlmSettings(llm_engine="scripted"))
    await promise(model)
    await model.close()
