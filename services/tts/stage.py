"""tts: one sentence in, its speech out, piece by piece."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from bus_schemas import Sentence, Speech, names
from services.runtime import wav
from services.runtime.wav import Sound

from . import spoken
from .engines import Speaker


async def handle(sentence: Sentence, *, speaker: Speaker, default_voice: str) -> AsyncGenerator[Speech, None]:
    """Speak a sentence under a fresh take.

    What has nothing to say (a terminator, an emoji) is one empty piece. The newest piece is held back until the next
    one is there, so that the last carries `end`.

    Raises: Refused for a voice or a language that nobody here has; Unavailable.
    """
    take = names.fresh()
    text = spoken.clean(sentence.text)
    if not text:
        yield _speech(sentence, take, 0, None, end=True)
        return
    piece = 0
    held: Sound | None = None
    async with aclosing(speaker.speak(text, sentence.voice or default_voice, sentence.language)) as sounds:
        async for sound in sounds:
            if held is not None:
                yield _speech(sentence, take, piece, held, end=False)
                piece += 1
            held = sound
    yield _speech(sentence, take, piece, held, end=True)


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
