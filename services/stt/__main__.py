"""The stt service: `python -m services.stt`."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import structlog

from services.runtime import backlog, serve, streams
from services.runtime.bus import Bus
from services.runtime.line import Line
from services.runtime.offers import Offer
from services.runtime.stage import Stage
from services.runtime.wav import WavLimits

from . import engines, settings, stage
from .settings import SttSettings

log = structlog.get_logger()


@asynccontextmanager
async def open_stage(wanted: SttSettings, bus: Bus) -> AsyncIterator[Stage]:
    """Load the engine and give the stage. Raises: SettingsError; StartError."""
    name, reason = settings.engine(wanted)
    transcriber = await asyncio.to_thread(engines.load, wanted)
    log.info("engine_loaded", engine=name, reason=reason)
    limits = WavLimits(max_seconds=wanted.max_utterance_seconds)
    line = Line(partial(backlog.utterances, bus), wanted.stt_concurrency, wanted.share.burst_turns)
    try:
        yield Stage(
            name="stt",
            stream=streams.UTTERANCE,
            handle=partial(stage.handle, transcriber=transcriber, limits=limits),
            credit=transcriber.at_once,
            probe=transcriber.probe,
            admit=line.admit,
            runs=settings.runs(wanted),
            offer=Offer(languages=transcriber.languages),
        )
    finally:
        await transcriber.close()


if __name__ == "__main__":
    sys.exit(serve.main("stt", SttSettings, open_stage))
