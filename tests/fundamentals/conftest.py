"""The three stages at work in this process, with scripted engines."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from services.llm.__main__ import open_stage as open_llm
from services.llm.settings import LlmSettings, ScriptedSettings
from services.runtime.bus import Bus
from services.stt.__main__ import open_stage as open_stt
from services.stt.settings import SttSettings
from services.tts.__main__ import open_stage as open_tts
from services.tts.settings import TtsSettings
from tests.runtime.workers import working

REPLY = ScriptedSettings(scripted_reply="I heard you. You said: {transcript}", scripted_words_per_second=0)


@pytest.fixture
async def stages(bus: Bus) -> AsyncIterator[None]:
    """stt, llm and tts."""
    async with AsyncExitStack() as running:
        for opening in (
            open_stt(SttSettings(stt_engine="scripted", scripted_transcript="Hello there."), bus),
            open_llm(LlmSettings(llm_engine="scripted", scripted=REPLY), bus),
            open_tts(TtsSettings(tts_engine="scripted"), bus),
        ):
            stage = await running.enter_async_context(opening)
            await running.enter_async_context(working(bus, stage))
        yield
