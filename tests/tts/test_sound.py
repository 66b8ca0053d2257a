"""From phonemes to a finished sound: cutting long parts, and one loudness for all."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.runtime.wav import Sound
from services.tts.engines import polish
from services.tts.engines.phonemes import cut, parts
from services.tts.engines.polish import LEAD_S, LOUDNESS, PAUSE_S, PEAK

RATE = 24_000


@given(st.text("abcdefgh .,!?", max_size=400), st.integers(4, 60))
def test_cutting_loses_no_sound_and_keeps_the_limit(phonemes: str, limit: int) -> None:
    """However long a text is, every part fits the model, none is blank, and together they say the same."""
    found = cut(phonemes, limit)
    assert all(0 < len(part) <= limit and part.strip() for part in found)
    assert "".join("".join(found).split()) == "".join(phonemes.split())


def test_a_long_part_is_cut_where_a_speaker_would_breathe() -> None:
    """Punctuation before spaces, spaces before the middle of a word."""
    assert cut("one two three, four five six", 20) == ["one two three,", "four five six"]
    assert cut("one two three four", 14) == ["one two three", "four"]
    assert cut("abcdefgh", 5) == ["abcde", "fgh"]


def test_sentences_are_parts() -> None:
    """espeak finds the sentences, in each language."""
    assert len(parts("How are you? I am fine.", "en-us", 300)) == 2
    assert len(parts("Olá! Tudo bem?", "pt-br", 300)) == 2


def test_every_sound_has_one_loudness_and_one_pause() -> None:
    """A soft voice and a loud one come out alike, with the silence around them replaced by ours."""
    for level in (0.03, 0.3):
        sound = polished(np.concatenate([silence(0.5), tone(1.0, level), silence(0.7)]))
        assert sound.seconds == pytest.approx(1.0 + LEAD_S + PAUSE_S, abs=0.01)
        heard = sound.samples[round(LEAD_S * RATE) : -round(PAUSE_S * RATE)] / 32767
        assert np.sqrt(np.mean(heard**2)) == pytest.approx(LOUDNESS, rel=0.15)


def test_a_pause_is_added_where_a_model_ends_at_once() -> None:
    """Two sentences never run into each other."""
    sound = polished(tone(1.0, 0.3))
    assert not sound.samples[-round(PAUSE_S * RATE) + 100 :].any()


def test_only_the_ends_of_a_part_are_trimmed() -> None:
    """Silence between two pieces is the speaker's own."""
    piece = np.concatenate([silence(0.5), tone(1.0, 0.3), silence(0.7)])
    kept = [polish.trim(piece, RATE, first=number == 0, last=number == 2) for number in range(3)]
    assert [len(each) / RATE for each in kept] == pytest.approx(
        [LEAD_S + 1.0 + 0.7, 0.5 + 1.0 + 0.7, 0.5 + 1.0 + PAUSE_S], abs=0.01
    )


def test_nothing_clips_and_silence_stays_silence() -> None:
    """A peak is held below full scale, and what is soft is not bent; noise is not lifted into sound."""
    spike = np.zeros(RATE, dtype=np.float32)
    spike[5000] = 1.5
    assert np.max(np.abs(polish.sound(spike, RATE, 4.0).samples)) <= PEAK * 32767 + 1
    assert polish.sound(np.full(9, 0.25, np.float32), RATE, 2.0).samples.tolist() == [round(0.5 * 32767)] * 9
    assert not polished(np.zeros(RATE, dtype=np.float32)).samples.any()
    assert not len(polished(np.zeros(0, dtype=np.float32)).samples)


def polished(samples: NDArray[np.float32]) -> Sound:
    kept = polish.trim(samples, RATE)
    return polish.sound(kept, RATE, polish.gain(kept))


def silence(seconds: float) -> NDArray[np.float32]:
    return np.zeros(round(seconds * RATE), dtype=np.float32)


def tone(seconds: float, level: float) -> NDArray[np.float32]:
    return (np.sin(np.arange(round(seconds * RATE)) / 8) * level).astype(np.float32)
