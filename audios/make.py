"""Make the recordings of this folder with the embedded engines: `python -m audios.make`."""

import asyncio
from pathlib import Path

import numpy as np

from services.runtime import wav
from services.runtime.wav import Sound
from services.tts import engines
from services.tts.engines import Speaker
from services.tts.settings import TtsSettings

FOLDER = Path(__file__).parent

REFERENCE = (
    "This is my voice, and you may use it as you like. "
    "I speak slowly and clearly, with a short pause after each sentence. "
    "What would you like to know today?"
)
RECORDINGS = {
    "man.wav": ("man", "en", REFERENCE),
    "woman.wav": ("woman", "en", REFERENCE),
    "question.wav": ("man", "en", "Good morning! What is the capital of France?"),
    "pergunta.wav": ("man", "pt", "Qual é a capital do Brasil?"),
}


async def main() -> None:
    """Write every recording, 16-bit mono at the engine's own rate."""
    speaker = await asyncio.to_thread(engines.load, TtsSettings())
    for file, (voice, language, text) in RECORDINGS.items():
        sound = await _spoken(speaker, text, voice, language)
        (FOLDER / file).write_bytes(wav.write(sound))
    await speaker.close()


async def _spoken(speaker: Speaker, text: str, voice: str, language: str) -> Sound:
    pieces = [piece.sound async for piece in speaker.speak(text, voice, language)]
    return Sound(np.concatenate([piece.samples for piece in pieces]), pieces[0].rate)


if __name__ == "__main__":
    asyncio.run(main())
