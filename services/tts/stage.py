"""tts: one sentence in, its speech out, piece by piece."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from bus_schemas import Sentence, Speech, names
from services.runtime import metrics, wav
from services.runtime.wav import Sound

from . import spoken
from .engines import Speaker


async def handle(sentence: Sentence, *, speaker: Speaker, default_voice: str) -> AsyncGenerator[Speech, None]:
    """Speak a sentence under a fresh take.

    What has nothing to say (a terminator, an emoji) is one empty piece. Every piece leaves as it comes; where the
    engine did not know which is its last, an empty one carries `end`.

    Raises: Refused for a voice or a language that nobody here has; Unavailable.
    """
    take = names.fresh()
    text = spoken.clean(sentence.text)
    if not text:
        yield _speech(sentence, take, 0, None, end=True)
        return
    number, began = 0, time.monotonic()
    async with aclosing(speaker.speak(text, sentence.voice or default_voice, sentence.language)) as pieces:
        async for piece in pieces:
            metrics.worked("tts", time.monotonic() - began, piece.sound.seconds)
            yield _speech(sentence, take, number, piece.sound, end=piece.end)
            if piece.end:
                return
            number, began = number + 1, time.monotonic()
    yield _speech(sentence, take, number, None, end=True)


def _speech(sentence: Sentence, take: str, piece: int, sound: Sound | None, *, end: bool) -> Speech:
    return Speech(
        n=sentence.n,
        take=take,
        piece=piece,
        end=end,
        last=sentence.last,
        text=sentence.text,
        transcription=sentence.transcription,
        reply=sentence.reply,
        wav=wav.write(sound) if sound is not None else b"",
    )
