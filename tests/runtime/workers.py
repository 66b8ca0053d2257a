"""A worker in this process, for stages that a test writes."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from bus_schemas import Transcript
from services.runtime import serve
from services.runtime.bus import Bus
from services.runtime.health import Readiness
from services.runtime.stage import Handle, Stage
from services.runtime.streams import TRANSCRIPT
from services.runtime.worker import Worker, WorkerSettings


async def fine() -> None:
    """An engine that can work."""


def stage(handle: Handle, *, credit: int = 4, probe: Callable[[], Awaitable[None]] = fine) -> Stage:
    """A stage that reads transcripts, as llm does."""
    return Stage(name="llm", stream=TRANSCRIPT, handle=handle, credit=credit, probe=probe)


@asynccontextmanager
async def working(
    bus: Bus,
    made: Stage,
    settings: WorkerSettings | None = None,
    readiness: Readiness | None = None,
) -> AsyncIterator[asyncio.Task[None]]:
    """A worker that works until the end of the block, then drains."""
    stopping = asyncio.Event()
    worker = Worker(bus, made, settings or WorkerSettings(ack_wait=1.0), readiness or Readiness(), "test-worker")
    async with serve.announced(bus, made, worker, "test-worker"):
        task = asyncio.create_task(worker.run(stopping))
        try:
            yield task
        finally:
            stopping.set()
            await asyncio.wait({task}, timeout=12)
            assert task.done(), "the worker did not drain"


def transcript(turn: str, text: str = "hello", *, deadline: int = 0, session: str = "s") -> Transcript:
    """A transcript of a test's own origin."""
    return Transcript(origin="test", session=session, turn=turn, text=text, seconds=1.0, deadline=deadline)


async def unfinished(bus: Bus) -> int:
    """How many transcripts are still in their stream."""
    return int((await bus.jetstream.stream_info(TRANSCRIPT)).state.messages)


async def settled(bus: Bus, left: int = 0) -> None:
    """Wait until only *left* transcripts are unfinished."""
    end = time.monotonic() + 20
    while (found := await unfinished(bus)) != left:
        assert time.monotonic() < end, f"{found} transcripts are unfinished, not {left}"
        await asyncio.sleep(0.03)


async def asked_for(bus: Bus) -> None:
    """Wait until a worker asks for transcripts."""
    end = time.monotonic() + 30
    while not (await bus.jetstream.consumer_info(TRANSCRIPT, "llm")).num_waiting:
        assert time.monotonic() < end, "no worker asks for transcripts"
        await asyncio.sleep(0.1)
