"""The llm service: `python -m services.llm`."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import structlog
from nats.errors import Error as NatsError

from services.runtime import serve, streams
from services.runtime.bus import Bus
from services.runtime.errors import StartError
from services.runtime.stage import Stage

from . import engines, settings, stage
from .memory import Memory
from .settings import LlmSettings

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
            handle=partial(stage.handle, model=model, memory=memory, settings=wanted),
            credit=wanted.llm_concurrency,
            probe=model.probe,
        )
    finally:
        await model.close()


async def _memory(wanted: LlmSettings, bus: Bus) -> Memory:
    try:
        bucket = await bus.jetstream.key_value(streams.MEMORY)
    except NatsError as error:
        raise StartError(f"the broker has no bucket {streams.MEMORY} ({error}); run `voicebus setup`") from error
    return Memory(bucket, turns=wanted.memory_turns, seconds=wanted.memory_seconds)


if __name__ == "__main__":
    sys.exit(serve.main("llm", LlmSettings, open_stage))
