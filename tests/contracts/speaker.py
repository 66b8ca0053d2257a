"""What every speaker of tts keeps, whatever is inside it: the engine's own tests run each of these promises."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import numpy as np
import pytest
from msgspec import Struct

from bus_schemas import codes
from services.runtime.errors import Refused
from services.runtime.wav import Sound
from services.tts.engines import Speaker

TEXT = "The train leaves at nine, and the next one leaves an hour later."
HOSTILE = (
    "9" * 260,
    "On 31/12/2026, at 23:59:59, 1,234,567.89 € were 50 % of $3e8.",
    "word " * 60,
    "x" * 260,
    "\u202eevil\u202c \x07 bell \ufeff",
    "ΑΒΓ Ж ß ﷽ 漢字 नमस्ते",
    "'; -- <b>&amp;</b> \\ {0} %s",
    "1",
)


class Case(Struct, frozen=True):
    """A speaker, and a voice and a language that it has."""

    speaker: Speaker
    voice: str
    language: str


async def it_speaks_in_pieces_with_sound(case: Case) -> None:
    """16-bit samples at a rate that a person can listen to, and not one long silence."""
    pieces = await _spoken(case, TEXT)
    assert pieces
    assert all(piece.samples.dtype == np.int16 and piece.samples.ndim == 1 for piece in pieces)
    assert {16_000 <= piece.rate <= 48_000 for piece in pieces} == {True}
    assert len({piece.rate for piece in pieces}) == 1
    assert max(int(np.abs(piece.samples).max(initial=0)) for piece in pieces) > 0


async def a_voice_that_is_not_there_is_refused(case: Case) -> None:
    """With its code, and with a sentence that names it."""
    with pytest.raises(Refused, match="nobody-of-this-name") as refused:
        await _spoken(Case(case.speaker, "nobody-of-this-name", case.language), TEXT)
    assert refused.value.code == codes.VOICE


async def a_language_is_spoken_or_refused(case: Case) -> None:
    """Never a crash, and never a guess."""
    result, *_ = await asyncio.gather(_spoken(Case(case.speaker, case.voice, "tlh"), TEXT), return_exceptions=True)
    assert result.code == codes.LANGUAGE if isinstance(result, Refused) else isinstance(result, list) and result


async def every_voice_and_language_that_it_offers_is_spoken(case: Case) -> None:
    """The edge lets in what it offers, and nothing else."""
    assert case.voice in case.speaker.voices
    assert not case.speaker.languages or case.language in case.speaker.languages
    for voice in case.speaker.voices:
        for language in case.speaker.languages[:3]:
            assert await _spoken(Case(case.speaker, voice, language), "OK.")


async def a_region_is_not_looked_at(case: Case) -> None:
    """A client may say `pt-BR`, and no language means the voice's own."""
    for language in (f"{case.language}-XX", ""):
        assert await _spoken(Case(case.speaker, case.voice, language), "Good morning.")


async def what_nobody_would_say_breaks_nothing(case: Case) -> None:
    """Whatever a language model writes, and stage.py lets through."""
    for text in HOSTILE:
        await _spoken(case, text)
    assert await _spoken(case, TEXT)


async def sentences_at_once_come_whole(case: Case) -> None:
    """None of them mixes with another, breaks it, or waits for ever."""
    both = await asyncio.gather(*(_spoken(case, text) for text in (TEXT, "Good morning.", TEXT)))
    assert all(both)


async def who_stops_listening_leaves_it_free(case: Case) -> None:
    """A generator that is closed, and a task that is cancelled, give the engine back."""
    for _ in range(3):
        async with aclosing(case.speaker.speak(TEXT, case.voice, case.language)) as pieces:
            await anext(pieces)
    task = asyncio.create_task(_spoken(case, TEXT))
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait({task})
    async with asyncio.timeout(30):
        assert await _spoken(case, "Good morning.")


async def the_event_loop_is_free_meanwhile(case: Case) -> None:
    """A worker must say that it is alive while its engine works."""
    speaking = asyncio.create_task(_spoken(case, TEXT))
    longest, loop = 0.0, asyncio.get_running_loop()
    while not speaking.done():
        before = loop.time()
        await asyncio.sleep(0.005)
        longest = max(longest, loop.time() - before)
    await speaking
    assert longest < 1.0


async def a_probe_of_what_works_returns(case: Case) -> None:
    """`/readyz` waits for it."""
    async with asyncio.timeout(10):
        await case.speaker.probe()


Promise = Callable[[Case], Awaitable[None]]
PROMISES: tuple[Promise, ...] = (
    it_speaks_in_pieces_with_sound,
    a_voice_that_is_not_there_is_refused,
    a_language_is_spoken_or_refused,
    every_voice_and_language_that_it_offers_is_spoken,
    a_region_is_not_looked_at,
    what_nobody_would_say_breaks_nothing,
    sentences_at_once_come_whole,
    who_stops_listening_leaves_it_free,
    the_event_loop_is_free_meanwhile,
    a_probe_of_what_works_returns,
)
every_promise = pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)


async def _spoken(case: Case, text: str) -> list[Sound]:
    return [piece.sound async for piece in case.speaker.speak(text, case.voice, case.language)]
