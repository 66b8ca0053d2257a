"""A conversation: the turns of one session of one origin; what was said is remembered."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from bus_schemas import Speech, Transcript
from services.llm.__main__ import open_stage
from services.llm.settings import LlmSettings, ScriptedSettings
from services.runtime.bus import Bus
from services.tts.__main__ import open_stage as open_tts
from services.tts.settings import TtsSettings
from tests.harness import listening, wait_until
from tests.runtime.workers import working

REPLY = ScriptedSettings(scripted_reply="Before, you asked: {previous}", scripted_words_per_second=0)


@pytest.fixture(autouse=True)
async def stages(bus: Bus) -> AsyncIterator[None]:
    async with (
        open_stage(LlmSettings(llm_engine="scripted", scripted=REPLY), bus) as llm,
        open_tts(TtsSettings(tts_engine="scripted"), bus) as tts,
        working(bus, llm),
        working(bus, tts),
    ):
        yield


async def ask(bus: Bus, session: str, turn: str, text: str) -> str:
    """The reply to one question."""
    async with listening(bus, f"voice.speech.kiosk.{session}") as events:
        await bus.publish(Transcript(origin="kiosk", session=session, turn=turn, text=text, seconds=1.0))
        await wait_until(lambda: any(isinstance(e, Speech) and e.last for e in events), "it is answered")
    return next(event.reply for event in events if isinstance(event, Speech) and event.last)


async def test_a_second_question_may_say_and_there(bus: Bus) -> None:
    await ask(bus, "42", "t1", "What is the weather in Lisbon?")

    assert await ask(bus, "42", "t2", "And there?") == "Before, you asked: What is the weather in Lisbon?"


async def test_sessions_know_nothing_of_each_other(bus: Bus) -> None:
    await asyncio.gather(ask(bus, "1", "t1", "One?"), ask(bus, "2", "t1", "Two?"))

    assert await ask(bus, "1", "t2", "And?") == "Before, you asked: One?"
