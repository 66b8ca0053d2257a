"""The tts stage: a sentence in, its speech out."""

import asyncio
from collections.abc import AsyncGenerator

import numpy as np
import pytest

from bus_schemas import Sentence, Speech, codes
from services.edge.answer import Answer, Assembly
from services.runtime import wav
from services.runtime.errors import Refused, SettingsError
from services.runtime.wav import Sound, WavLimits
from services.tts import engines
from services.tts.engines import Piece, Speaker
from services.tts.settings import TtsSettings
from services.tts.stage import handle

TWENTY = " ".join(["word"] * 20) + "."


@pytest.fixture
def speaker() -> Speaker:
    return engines.load(TtsSettings(tts_engine="scripted", scripted_tts_ms=0, scripted_tts_words_per_second=10))


async def spoken(sentence: Sentence, speaker: Speaker, default_voice: str = "man") -> list[Speech]:
    return [speech async for speech in handle(sentence, speaker=speaker, default_voice=default_voice)]


def seconds(speeches: list[Speech]) -> float:
    return sum(wav.read(speech.wav, WavLimits()).seconds for speech in speeches)


async def test_a_sentence_becomes_numbered_pieces_of_one_take(speaker: Speaker) -> None:
    """Pieces count from 0, share a take, and only the last one carries `end`."""
    speeches = await spoken(Sentence(n=3, text=TWENTY), speaker)
    assert [speech.piece for speech in speeches] == [0, 1, 2]
    assert [speech.end for speech in speeches] == [False, False, True]
    assert len({speech.take for speech in speeches}) == 1
    assert {speech.n for speech in speeches} == {3}
    assert seconds(speeches) == pytest.approx(2.0)


async def test_one_piece_is_its_own_end(speaker: Speaker) -> None:
    """A short sentence is one message."""
    (speech,) = await spoken(Sentence(n=0, text="Hello there."), speaker)
    assert speech.end
    assert seconds([speech]) == pytest.approx(0.2)


async def test_a_second_run_has_a_later_take(speaker: Speaker) -> None:
    """Two runs of one sentence can never be mistaken for each other, and the later one sorts later."""
    first, *_ = await spoken(Sentence(n=0, text="Hello."), speaker)
    await asyncio.sleep(0.002)
    second, *_ = await spoken(Sentence(n=0, text="Hello."), speaker)
    assert second.take > first.take


async def test_the_words_travel_with_their_sound(speaker: Speaker) -> None:
    """Speech carries text, transcription, reply and `last` as the sentence had them."""
    sentence = Sentence(n=1, text="Olá, você! 🙂", last=True, transcription="Oi.", reply="Bem. Olá, você! 🙂")
    (speech,) = await spoken(sentence, speaker)
    assert (speech.text, speech.transcription, speech.reply) == (sentence.text, "Oi.", sentence.reply)
    assert speech.last


@pytest.mark.parametrize("text", ["", "...", "🙂", "**"])
async def test_what_has_no_sound_is_one_silent_end(speaker: Speaker, text: str) -> None:
    """A terminator, or a sentence of signs only, ends its take with an empty WAV, whatever its voice."""
    (speech,) = await spoken(Sentence(n=2, text=text, last=True, voice="nobody"), speaker)
    assert (speech.piece, speech.end, speech.last, speech.wav) == (0, True, True, b"")


async def test_an_engine_with_nothing_to_give_still_ends_the_take() -> None:
    """A take without an end would leave its turn open for ever."""
    (speech,) = await spoken(Sentence(n=0, text="hm"), Pieces(0))
    assert (speech.piece, speech.end, speech.wav) == (0, True, b"")


async def test_a_piece_leaves_before_the_next_is_spoken_and_the_whole_is_assembled() -> None:
    """An engine that does not know which piece is its last gives the first at once, and an empty one ends the take."""
    pieces = Pieces(3)
    running = handle(Sentence(n=0, text="Hello.", last=True), speaker=pieces, default_voice="man")
    speeches = [await anext(running)]
    assert (pieces.given, speeches[0].end) == (1, False)
    speeches += [speech async for speech in running]
    assert [(speech.piece, speech.end, bool(speech.wav)) for speech in speeches] == [
        (0, False, True),
        (1, False, True),
        (2, False, True),
        (3, True, False),
    ]
    assembly = Assembly()
    *none, answer = [assembly.add(speech) for speech in reversed(speeches)]
    assert none == [None] * 3
    assert isinstance(answer, Answer)
    assert len(wav.read(wav.join(answer.wavs, 1_000_000), WavLimits()).samples) == 300


async def test_an_unknown_voice_is_refused(speaker: Speaker) -> None:
    """The sender's voice is checked before the engine works."""
    with pytest.raises(Refused, match="there are man, woman") as refused:
        await spoken(Sentence(n=0, text="Hello.", voice="nobody"), speaker)
    assert refused.value.code == codes.VOICE


async def test_the_sentence_chooses_its_voice_and_the_deployment_the_rest() -> None:
    """Without a voice in the event, VOICE_NAME speaks."""
    pieces = Pieces(1)
    await spoken(Sentence(n=0, text="Hello.", voice="woman", language="pt"), pieces)
    await spoken(Sentence(n=0, text="Hello."), pieces)
    assert pieces.asked == [("Hello.", "woman", "pt"), ("Hello.", "man", "")]


async def test_closing_the_stage_closes_the_engine() -> None:
    """Who leaves after the first piece leaves no engine working."""
    pieces = Pieces(100)
    running = handle(Sentence(n=0, text="Hello."), speaker=pieces, default_voice="man")
    assert not (await anext(running)).end
    await running.aclose()
    assert pieces.closed
    assert pieces.given == 1


def test_xtts_is_refused_until_its_licence_is_agreed_to() -> None:
    """The sentence says what the licence means."""
    with pytest.raises(SettingsError, match="only non-commercial use"):
        engines.load(TtsSettings(tts_engine="xtts"))


class Pieces:
    """A speaker that notes what it is asked, what it gave, and that it was closed."""

    voices: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()

    def __init__(self, count: int) -> None:
        self.count = count
        self.given = 0
        self.closed = False
        self.asked: list[tuple[str, str, str]] = []

    async def speak(self, text: str, voice: str, language: str) -> AsyncGenerator[Piece, None]:
        self.asked.append((text, voice, language))
        try:
            for _ in range(self.count):
                self.given += 1
                yield Piece(Sound(np.ones(100, dtype=np.int16), 8_000))
        finally:
            self.closed = True

    async def probe(self) -> None: ...

    async def close(self) -> None: ...
