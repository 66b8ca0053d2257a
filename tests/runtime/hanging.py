"""A worker process that hangs, in its engine's thread or all of it: `python -m tests.runtime.hanging`."""

import asyncio
import sys
import threading
from collections.abc import AsyncGenerator, AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from bus_schemas import Event, Transcript
from services.llm.settings import LlmSettings
from services.runtime import serve, threads, watchdog
from services.runtime.bus import Bus
from services.runtime.stage import Stage
from services.runtime.streams import TRANSCRIPT

SECONDS = 0.5
"""How long it is waited for."""
BLOCK = "block"
"""The turn that stops all of it."""


def hang() -> None:
    """What a driver does that waits for a device which is gone."""
    threading.Event().wait()


@asynccontextmanager
async def open_stage(settings: LlmSettings, _: Bus) -> AsyncIterator[Stage]:
    """A stage that looks like an engine's: a thread, which is told to stop and does not."""
    pool = ThreadPoolExecutor(1, thread_name_prefix="engine")

    async def handle(transcript: Transcript) -> AsyncGenerator[Event, None]:
        if transcript.turn == BLOCK:
            hang()
        job = pool.submit(hang)
        try:
            await asyncio.wrap_future(job)
            yield transcript
        finally:
            if not job.cancel():
                await threads.freed(job, "hanging")

    async def fine() -> None:
        """It does not know yet."""

    yield Stage(name="llm", stream=TRANSCRIPT, handle=handle, credit=settings.llm_concurrency, probe=fine)


if __name__ == "__main__":
    threads.HUNG_SECONDS = SECONDS
    watchdog.BLOCKED_SECONDS, watchdog.BEAT_SECONDS = 10 * SECONDS, SECONDS
    sys.exit(serve.main("llm", LlmSettings, open_stage))
