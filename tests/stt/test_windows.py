"""What Whisper is shown, and when it is not believed."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.stt import windows
from services.stt.windows import RATE, Reading

S = RATE
"""One second."""


def reading(text: str = "Hello there.", *, tokens: int = 5, score: float = -0.3, no_speech: float = 0.01) -> Reading:
    return Reading(text=text, language="en", tokens=tokens, score=score, no_speech=no_speech)


@pytest.mark.parametrize(
    ("seconds", "frames"),
    [(0.5, 800), (6.0, 800), (6.1, 1000), (8.0, 1000), (8.1, 2000), (18.0, 2000), (18.1, 3000), (28.0, 3000)],
)
def test_the_window_is_the_shortest_with_two_seconds_of_room(seconds: float, frames: int) -> None:
    assert windows.frames(seconds, full=False) == frames


def test_a_full_window_is_always_30_seconds() -> None:
    assert windows.frames(1.0, full=True) == 3000


def test_pauses_up_to_two_seconds_stay_whole() -> None:
    """A short pause is part of what is said."""
    pieces = windows.widen([(1 * S, 3 * S), (5 * S, 6 * S)], 8 * S)
    assert pieces[0].end == pieces[1].start == 4 * S


def test_a_long_pause_becomes_two_seconds() -> None:
    """Ten seconds of thinking are not shown to a model that makes words of silence."""
    pieces = windows.widen([(1 * S, 3 * S), (13 * S, 14 * S)], 20 * S)
    assert (pieces[0].end, pieces[1].start) == (4 * S, 12 * S)


def test_a_little_is_kept_before_the_first_word_and_after_the_last() -> None:
    """Soft beginnings and endings are no speech to the detector, and nothing is kept that is not there."""
    (inside,) = windows.widen([(2 * S, 3 * S)], 5 * S)
    assert (inside.start, inside.end) == (2 * S - windows.EDGE, 3 * S + windows.EDGE)
    (whole,) = windows.widen([(0, 3 * S)], 3 * S)
    assert (whole.start, whole.end) == (0, 3 * S)


def test_what_fits_is_one_window() -> None:
    assert len(windows.pack(windows.widen([(0, 9 * S), (10 * S, 20 * S)], 20 * S))) == 1


def test_no_speech_is_no_window() -> None:
    assert windows.pack(windows.widen([], 5 * S)) == []


def test_long_speech_is_cut_at_its_longest_pause() -> None:
    """The cut falls between two sentences, not where the window happens to be full."""
    speech = [(0, 8 * S), (int(8.2 * S), 16 * S), (17 * S, 24 * S), (int(24.2 * S), 32 * S)]
    packed = windows.pack(windows.widen(speech, 32 * S))
    assert [len(pieces) for pieces in packed] == [2, 2]


@given(st.lists(st.tuples(st.integers(1, 4 * S), st.integers(1, 26 * S)), max_size=30))
def test_windows_hold_every_word_once_in_order_and_never_too_much(gaps: list[tuple[int, int]]) -> None:
    """Whatever is said, nothing is lost, doubled or longer than Whisper's 30 s."""
    speech, at = [], 0
    for gap, length in gaps:
        speech.append((at + gap, at + gap + length))
        at += gap + length
    samples = np.zeros(at + S, np.float32)
    packed = windows.pack(windows.widen(speech, len(samples)))
    pieces = [piece for window in packed for piece in window]
    assert len(pieces) == len(speech)
    assert all(piece.start <= start and end <= piece.end for piece, (start, end) in zip(pieces, speech, strict=True))
    assert all(a.end <= b.start for a, b in pairwise(pieces))
    assert all(len(windows.sound(samples, window)) <= windows.MAX_SPEECH * RATE for window in packed)


def test_a_loop_is_doubtful() -> None:
    """Whisper saying the same sentence again and again compresses too well."""
    assert windows.is_doubtful(reading("Remind me to call my mother. " * 12, tokens=20), 10.0)


def test_more_tokens_than_a_person_can_say_are_doubtful() -> None:
    assert windows.is_doubtful(reading(tokens=30), 2.0)
    assert not windows.is_doubtful(reading(tokens=29), 2.0)


def test_words_that_are_said_twice_at_the_end_are_doubtful() -> None:
    """A loop that ends by itself: too short to compress well, and believed by Whisper."""
    assert windows.is_doubtful(reading("He was amiable himself. Ten of clubs. Ten of clubs."), 5.0)
    assert not windows.is_doubtful(reading("Five, five."), 2.0)
    assert not windows.is_doubtful(reading("Ten of clubs and two of clubs."), 2.0)


def test_a_full_window_is_believed_unless_only_it_is_a_loop() -> None:
    guess, better, loop = reading("Hello their.", score=-0.9), reading("Hello there."), reading("so " * 99, tokens=99)
    assert windows.believed(guess, better, 2.0) == better
    assert windows.believed(guess, loop, 2.0) == guess
    assert windows.believed(loop, loop, 2.0) == loop


def test_what_still_is_a_loop_is_said_once() -> None:
    """A person who is misheard is asked again; 200 words that nobody said would be answered."""
    loop = reading("I am " + "the one who is " * 50, tokens=210)
    assert windows.unlooped(loop, 5.0).text == "I am the one who is"
    assert windows.unlooped(reading("No, no, no. No, no, no.", tokens=8), 3.0).text == "No, no, no. No, no, no."
    quick = reading("Ten words that were said so quickly that they seem many.", tokens=99)
    assert windows.unlooped(quick, 2.0) == quick


def test_a_guess_is_doubtful() -> None:
    assert windows.is_doubtful(reading(score=-0.75), 2.0)
    assert not windows.is_doubtful(reading(score=-0.6), 2.0)


def test_a_plain_sentence_is_believed() -> None:
    text = "Could you tell me a short story about a dog that lived in a small house by the river?"
    assert not windows.is_doubtful(reading(text, tokens=22), 4.0)


def test_noise_is_both_improbable_speech_and_a_bad_guess() -> None:
    """A quiet person who is understood well is not dropped."""
    assert windows.is_noise(reading(no_speech=0.6, score=-2.0))
    assert not windows.is_noise(reading(no_speech=0.6, score=-0.4))
    assert not windows.is_noise(reading(no_speech=0.1, score=-2.0))
