"""A worker process that a poisonous WAV kills: `python -m tests.edge.poisoned`, kept running by `kept_running`."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bus_schemas import Event, Utterance
from services.runtime import serve
from services.runtime.bus import Bus
from services.runtime.errors import Sick
from services.runtime.stage import Stage
from services.runtime.streams import UTTERANCE
from services.stt.settings import SttSettings
from tests.edge.asking import length, two_sentences

POISON_SECONDS = 1.5
"""A WAV of this length kills its worker."""
SICK = "SICK_ENGINE"
ROOT = Path(__file__).parents[2]


async def handle(utterance: Utterance) -> AsyncGenerator[Event, None]:
    """Work for a while, so that a worker that dies holds others' work too."""
    await asyncio.sleep(0.2)
    if length(utterance.wav)[1] == POISON_SECONDS:
        os._exit(9)
    async for event in two_sentences(utterance):
        yield event


async def broken(utterance: Utterance) -> AsyncGenerator[Event, None]:
    """An engine that nothing can be done with."""
    raise Sick("CUDA error: an illegal memory access was encountered")
    yield


@asynccontextmanager
async def open_stage(settings: SttSettings, _: Bus) -> AsyncIterator[Stage]:
    """A stage without a model."""

    async def fine() -> None:
        """It can always work."""

    work = broken if os.environ.get(SICK) else handle
    yield Stage(name="stt", stream=UTTERANCE, handle=work, credit=settings.stt_concurrency, probe=fine)


@asynccontextmanager
async def kept_running(url: str, **settings: object) -> AsyncIterator[list[int]]:
    """One such worker, started again as often as it ends; the exit codes so far."""
    codes: list[int] = []
    own = {name: str(value) for name, value in {"NATS_URL": url, "ACK_WAIT": 1, **settings}.items()}
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **own}

    async def run() -> None:
        while True:
            worker = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.edge.poisoned", cwd=ROOT, env=environ, stderr=asyncio.subprocess.DEVNULL
            )
            try:
                codes.append(await worker.wait())
            finally:
                if worker.returncode is None:
                    worker.terminate()
                    await worker.wait()

    running = asyncio.create_task(run())
    try:
        yield codes
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


if __name__ == "__main__":
    sys.exit(serve.main("stt", SttSettings, open_stage))
