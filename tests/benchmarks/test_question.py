"""The question ends where its speech ends, so nobody is measured by silence."""

import numpy as np
import pytest

from benchmarks.pipeline import question, scripts
from services.runtime import wav
from services.runtime.wav import Sound, WavLimits

RATE = 16_000


def test_silence_is_cut_behind_the_last_loud_sample_and_before_the_first() -> None:
    quiet = np.full(RATE, 100, np.int16)
    loud = np.full(RATE, 9000, np.int16)
    cut = question.cut(Sound(np.concatenate([quiet, loud, quiet]), RATE))
    assert cut.seconds == 1 + question.LEAD_SECONDS
    assert abs(int(cut.samples[-1])) == 9000


def test_a_silent_recording_has_no_end_of_speech() -> None:
    with pytest.raises(ValueError, match="silent"):
        question.cut(Sound(np.zeros(RATE, np.int16), RATE))


def test_the_shipped_question_is_cut_and_as_long_as_the_page_says() -> None:
    sound = wav.read(question.FILE.read_bytes(), WavLimits())
    assert sound.rate == RATE
    assert round(sound.seconds, 1) == 3.6
    assert len(question.cut(sound).samples) == len(sound.samples)


def test_the_scripted_answer_is_three_sentences_of_33_words() -> None:
    assert (scripts.ANSWER.count("."), len(scripts.ANSWER.split())) == (3, 33)
