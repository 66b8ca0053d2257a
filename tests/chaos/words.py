"""What the scripted stages say under chaos, so that an answer shows whose question it is of, and of how many runs."""

import re
import wave
from io import BytesIO

import numpy as np

from services.runtime import wav
from services.runtime.wav import Sound
from services.tts.engines import scripted

TRANSCRIPT = "question {samples}"
"""stt hears a question's number: it is the length of its sound."""
FIRST_QUESTION = 8_000
TTS_WORDS_PER_SECOND = 20.0
FEWEST, MOST = 3, 6
"""Sentences of a reply."""

_SENTENCE = re.compile(r"Sentence (\d+) of (\d+) was written by (\S+) for question (\d+) today\.")


def script(writer: str, sentences: int) -> str:
    """A reply for SCRIPTED_REPLY; each sentence names its place, its question and the run of llm that wrote it.

    *writer* is the process's own name: {attempt} counts from 1 in each.
    """
    return " ".join(
        f"Sentence {n} of {sentences} was written by {writer}r{{attempt}} for {{transcript}} today."
        for n in range(1, sentences + 1)
    )


def question(number: int) -> bytes:
    """A WAV that no other question has: it is *number* samples long."""
    time = np.arange(number) / wav.RATE
    return wav.write(Sound((np.sin(2 * np.pi * 440 * time) * 8_000).astype(np.int16), wav.RATE))


def problem(number: int, transcription: str, reply: str, sound: bytes) -> str:
    """What is wrong with an answer to question *number*: another's, incomplete, of two runs; empty: nothing.

    *sound* is the samples of its WAV, without the head.
    """
    if transcription != f"question {number}":
        return f"question {number} was heard as {transcription!r}"
    found = list(_SENTENCE.finditer(reply))
    if not found or " ".join(sentence[0] for sentence in found) != reply:
        return f"the reply holds something else than whole sentences: {reply!r}"
    if [int(sentence[1]) for sentence in found] != list(range(1, int(found[0][2]) + 1)):
        return f"the sentences are not each one once, in order: {reply!r}"
    if len({sentence.group(2, 3, 4) for sentence in found}) > 1:
        return f"the sentences are of several runs: {reply!r}"
    if found[0][4] != str(number):
        return f"question {number} was answered with {reply!r}"
    if sound != b"".join(spoken(sentence[0]) for sentence in found):
        return f"the sound is not that of its text: {reply!r}"
    return ""


def samples(speech: bytes) -> bytes:
    """The samples of a WAV; of an empty one, none."""
    if not speech:
        return b""
    with wave.open(BytesIO(speech)) as sound:
        return bytes(sound.readframes(sound.getnframes()))


def spoken(sentence: str) -> bytes:
    """The samples that the scripted tts makes of a sentence."""
    return b"".join(sound.samples.tobytes() for sound in scripted.tones(sentence, TTS_WORDS_PER_SECOND))
