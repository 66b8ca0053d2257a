"""Kokoro, with its real model: Portuguese, and the woman's English, by the embedded speaker."""

import asyncio
import re
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bus_schemas import codes
from services.runtime import wav
from services.runtime.errors import Refused, StartError
from services.stt import engines as stt
from services.stt.settings import SttSettings
from services.tts import engines
from services.tts.engines import Speaker
from services.tts.settings import TtsSettings
from tests.engines.listening import loudness, spoken


@pytest.fixture(scope="module")
def speaker() -> Iterator[Speaker]:
    speaker = engines.load(TtsSettings())
    yield speaker
    asyncio.run(speaker.close())


@pytest.mark.parametrize(
    ("voice", "language", "text"),
    [("man", "pt", "Bom dia, tudo bem com você?"), ("woman", "en", "Good morning, how are you today?")],
)
async def test_a_sentence_is_a_sound_of_its_length(speaker: Speaker, voice: str, language: str, text: str) -> None:
    """Six words take 1 to 4 seconds, at 24 kHz, and can be heard."""
    pieces = await spoken(speaker, text, voice, language)
    assert {piece.rate for piece in pieces} == {24_000}
    assert 1 < sum(piece.seconds for piece in pieces) < 4
    assert all(0.05 < loudness(piece) < 0.2 for piece in pieces)


async def test_portuguese_is_understood(speaker: Speaker) -> None:
    """What the man says in Portuguese, Whisper hears, and as Portuguese."""
    pieces = await spoken(speaker, "A biblioteca fica perto da praça central.", "man", "pt")
    heard = np.concatenate([wav.resample(piece, wav.RATE).samples for piece in pieces]).astype(np.float32) / np.float32(
        32768
    )
    transcriber = await asyncio.to_thread(stt.load, SttSettings())
    transcription = await transcriber.transcribe(heard, "")
    await transcriber.close()
    assert transcription.language == "pt"
    words = re.findall(r"\w+", transcription.text.lower())
    expected = ["a", "biblioteca", "fica", "perto", "da", "praça", "central"]
    assert len(set(words) & set(expected)) >= 6, transcription.text


async def test_two_at_once_arrive_whole(speaker: Speaker) -> None:
    """Sentences that are spoken side by side have the length they have alone."""
    texts = ["Um, dois.", "Bom dia para você."]
    alone = [sum(piece.seconds for piece in await spoken(speaker, text, "man", "pt")) for text in texts]
    together = await asyncio.gather(*(spoken(speaker, text, "man", "pt") for text in texts))
    assert [sum(piece.seconds for piece in pieces) for pieces in together] == pytest.approx(alone, rel=0.1)


async def test_the_first_piece_of_a_long_text_comes_early(speaker: Speaker) -> None:
    """A text over the model's limit is cut; closing after its first piece frees the engine at once."""
    running = speaker.speak(
        "e depois disso nós fomos mais longe até a outra cidade grande do norte do país, " * 20, "man", "pt"
    )
    began = time.monotonic()
    first = (await anext(running)).sound
    piece = time.monotonic() - began
    assert 3 < first.seconds < 12
    began = time.monotonic()
    await running.aclose()
    assert time.monotonic() - began < piece / 2


async def test_a_cancelled_sentence_stops_in_the_middle_of_a_piece(speaker: Speaker) -> None:
    """Cancelling does not wait for the piece, and the thread is free for the next sentence well before its end."""
    long = "e depois disso nós fomos mais longe até a cidade " * 3
    began = time.monotonic()
    await spoken(speaker, long, "man", "pt")
    whole = time.monotonic() - began
    busy = [asyncio.create_task(spoken(speaker, long, "man", "pt")) for _ in range(2)]
    await asyncio.sleep(whole / 10)
    for task in busy:
        task.cancel()
    started = time.monotonic()
    assert all(isinstance(end, asyncio.CancelledError) for end in await asyncio.gather(*busy, return_exceptions=True))
    assert await spoken(speaker, "Oi", "man", "en")
    assert time.monotonic() - started < whole


async def test_a_language_nobody_speaks_is_refused(speaker: Speaker) -> None:
    """The sender is told before the engine works."""
    with pytest.raises(Refused, match="the voices speak en, pt") as refused:
        await spoken(speaker, "Bonjour.", "man", "fr")
    assert refused.value.code == codes.LANGUAGE


ENTRY = """
[man]
file = "man.wav"
language = "pt"
licence = "CC0-1.0"
source = "Synthetic"
"""


@pytest.mark.parametrize(
    ("presets", "told"),
    [
        ('embedded = { pt = "kokoro/nobody" }', "Kokoro has no voice 'nobody' here; it has jf_alpha"),
        ('embedded = { fr = "kokoro/jm_kumo" }', "kokoro/jm_kumo does not speak 'fr' here, only en, pt"),
        ("", "VOICE_NAME=man is only a recording"),
    ],
)
def test_a_preset_that_cannot_be_is_told_at_the_start(tmp_path: Path, presets: str, told: str) -> None:
    """A wrong preset, or a default voice without one, is an error of the start, with its name."""
    (tmp_path / "voices.toml").write_text(ENTRY + presets, encoding="utf-8")
    (tmp_path / "man.wav").touch()
    with pytest.raises(StartError, match=told):
        engines.load(TtsSettings(voices_dir=str(tmp_path)))
