"""The question that everybody is asked: `python -m benchmarks.pipeline.question` speaks it anew.

The file ends with its last sample of speech, so the end of the file is the end of the sentence: no contender wins by
what it does with silence.
"""

import asyncio
from pathlib import Path

import numpy as np

from services.runtime import wav
from services.runtime.wav import Sound
from services.tts import engines
from services.tts.settings import TtsSettings

FILE = Path(__file__).with_name("question.wav")
TEXT = "Please, tell me now, what is the name of the capital of France?"
QUIET = 0.01
"""Share of full scale below which a sample is silence: -40 dB."""
LEAD_SECONDS = 0.05


def cut(sound: Sound) -> Sound:
    """The sound from a twentieth of a second before its first loud sample to its last.

    Raises: ValueError for one that is nowhere loud.
    """
    loud = np.flatnonzero(np.abs(sound.samples.astype(np.int32)) > QUIET * 32_768)
    if not len(loud):
        raise ValueError("the recording is silent: there is no end of speech in it")
    first = max(0, int(loud[0]) - round(LEAD_SECONDS * sound.rate))
    return Sound(sound.samples[first : int(loud[-1]) + 1], sound.rate)


async def _spoken() -> Sound:
    speaker = await asyncio.to_thread(engines.load, TtsSettings())
    pieces = [piece.sound async for piece in speaker.speak(TEXT, "man", "en")]
    await speaker.close()
    return wav.resample(Sound(np.concatenate([piece.samples for piece in pieces]), pieces[0].rate), wav.RATE)


if __name__ == "__main__":
    FILE.write_bytes(wav.write(cut(asyncio.run(_spoken()))))
