"""What the tests of the speakers share: collecting a sentence, and measuring it."""

import numpy as np

from services.runtime.wav import Sound
from services.tts.engines import Speaker


async def spoken(speaker: Speaker, text: str, voice: str, language: str) -> list[Sound]:
    """Every piece of *text*."""
    return [piece.sound async for piece in speaker.speak(text, voice, language)]


def loudness(sound: Sound) -> float:
    """Root mean square, of full scale."""
    return float(np.sqrt(np.mean((sound.samples / 32767) ** 2)))
