"""What the scripted stages hear and say, and the sound that a test asks with."""

import numpy as np

from services.runtime import wav
from services.runtime.wav import Sound

HEARD = "Olá, você está aí?"
REPLY = "Olá! Estou aqui, e falo com você agora 👋. A segunda frase vem depois da primeira."
SETTINGS = {
    "SCRIPTED_TRANSCRIPT": HEARD,
    "SCRIPTED_REPLY": REPLY,
    "SCRIPTED_TTS_MS": "1",
    "SCRIPTED_WORDS_PER_SECOND": "0",
    "SCRIPTED_TTS_WORDS_PER_SECOND": "10",
}


def tone(seconds: float, rate: int = 16_000) -> bytes:
    """A WAV that somebody could have spoken."""
    time = np.arange(round(seconds * rate)) / rate
    return wav.write(Sound((np.sin(2 * np.pi * 440 * time) * 8_000).astype(np.int16), rate))
