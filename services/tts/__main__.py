"""The tts service: `python -m services.tts`."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import structlog

from services.runtime import serve, streams
from services.runtime.bus import Bus
from services.runtime.offers import Offer
from services.runtime.stage import Stage

from . import engines, settings, stage
from .settings import TtsSettings

log = structlog.get_logger()


@asynccontextmanager
async def open_stage(wanted: TtsSettings, bus: Bus) -> AsyncIterator[Stage]:
    """Load the engine and give the stage. Raises: SettingsError, StartError."""
    name, reason = settings.engine(wanted)
    speaker = await asyncio.to_thread(engines.load, wanted)
    log.info("engine_loaded", engine=name, reason=reason, voice=wanted.voice_name)
    try:
        yield Stage(
            name="tts",
            stream=streams.SENTENCE,
            handle=partial(stage.handle, speaker=speaker, default_voice=wanted.voice_name),
            credit=settings.concurrency(wanted),
            probe=speaker.probe,
            runs=settings.runs(wanted),
            offer=Offer(speaker.voices, speaker.languages),
        )
    finally:
        await speaker.close()


if __name__ == "__main__":
    sys.exit(serve.main("tts", TtsSettings, open_stage))
