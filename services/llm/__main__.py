"""The llm service: `python -m services.llm`."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import structlog
from nats.errors import Error as NatsError
from nats.js.kv import KeyValue

from services.runtime import serve, streams
from services.runtime.bus import Bus
from services.runtime.errors import StartError
from services.runtime.heed import heed_cancel
from services.runtime.stage import Stage

from . import engines, settings, stage
from .memory import Memory
from .sentences.thoughts import Habits
from .settings import LlmSettings

BUCKET_SECONDS = 30.0
"""How long llm waits for its bucket when it starts, at least: as long as for the broker, where that is longer."""
LOOK_SECONDS = 2.0

log = structlog.get_logger()


@asynccontextmanager
async def open_stage(wanted: LlmSettings, bus: Bus) -> AsyncIterator[Stage]:
    """Load the engine and give the stage. Raises: StartError."""
    memory = await _memory(wanted, bus)
    name, reason = settings.engine(wanted)
    model = await asyncio.to_thread(engines.load, wanted)
    log.info("engine_loaded", engine=name, reason=reason)
    try:
        yield Stage(
            name="llm",
            stream=streams.TRANSCRIPT,
            handle=partial(stage.handle, model=model, memory=memory, settings=wanted, habits=Habits()),
            credit=wanted.llm_concurrency,
            probe=model.probe,
            runs=settings.runs(wanted),
        )
    finally:
        await model.close()


async def _memory(wanted: LlmSettings, bus: Bus) -> Memory:
    """The bucket of conversations; `voicebus setup` may still be making it. Raises: StartError."""
    try:
        async with asyncio.timeout(max(BUCKET_SECONDS, wanted.runtime.bus.nats_connect_seconds)):
            while True:
                bucket = await _bucket(bus)
                if bucket is not None:
                    return Memory(bucket, turns=wanted.memory_turns, seconds=wanted.memory_seconds)
                await asyncio.sleep(LOOK_SECONDS)
    except TimeoutError:
        raise StartError(f"the broker has no bucket {streams.MEMORY}; run `voicebus setup`") from None


async def _bucket(bus: Bus) -> KeyValue | None:
    try:
        return await bus.jetstream.key_value(streams.MEMORY)
    except NatsError as error:
        log.warning("bucket_missing", bucket=streams.MEMORY, error=repr(error), advice="run `voicebus setup`")
        return None
    finally:
        heed_cancel()


if __name__ == "__main__":
    sys.exit(serve.main("llm", LlmSettings, open_stage))
