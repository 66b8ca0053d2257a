"""What hangs, in an engine's thread or in the event loop, takes its process with it, and nobody's turn."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from msgspec import Struct

from bus_schemas import Failed, codes
from services.cli import processes
from services.runtime import threads
from services.runtime.bus import Bus, BusSettings
from tests.harness import listening, wait_until
from tests.runtime.hanging import BLOCK
from tests.runtime.test_worker import echo
from tests.runtime.workers import asked_for, settled, stage, transcript, unfinished, working

ROOT = Path(__file__).parents[2]
HUNG = (
    "hanging has not stopped 0.5 s after it was told to: it hangs, and this process ends for a new one; "
    "`engine_hung` in the log says where"
)


class Line(Struct, frozen=True):
    """What a service logs when it ends so."""

    event: str
    error: str = ""
    threads: dict[str, list[str]] = {}


async def test_who_waits_for_a_thread_that_stops_waits_no_longer() -> None:
    """Whatever error it stops with."""
    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(int, "no number")
        await threads.freed(job, "engine")
        await asyncio.to_thread(pool.shutdown)


@pytest.mark.timeout(90)
async def test_a_worker_whose_engine_hangs_ends_and_what_it_held_goes_to_another(
    bus: Bus, bus_settings: BusSettings
) -> None:
    """The turn that hung gets its ending; Python, which would wait for the thread, does not keep the process."""
    async with listening(bus, "voice.failed.>") as failed, hanging(bus_settings.nats_url) as process:
        await asked_for(bus)
        await bus.publish(transcript("hung", deadline=round(time.time() * 1000) + 4000))
        _, output = await process.communicate()
        await wait_until(lambda: bool(failed), "its client is told")
        await bus.publish(transcript("next"))
        assert await unfinished(bus) == 1
        async with working(bus, stage(echo)):
            await settled(bus)

    lines = [msgspec.json.decode(line, type=Line) for line in output.splitlines()]
    (where,) = [line for line in lines if line.event == "engine_hung"]
    assert "in hang" in "".join(where.threads["engine_0"])
    assert [line.error for line in lines if line.event == "service_failed"] == [HUNG]
    assert [(event.turn, event.code) for event in failed if isinstance(event, Failed)] == [("hung", codes.DEADLINE)]
    assert process.returncode == 1


@pytest.mark.timeout(90)
async def test_a_worker_whose_event_loop_stands_still_says_where_and_ends(bus: Bus, bus_settings: BusSettings) -> None:
    """Its message goes to another worker, and is answered in time."""
    async with listening(bus, "voice.sentence.>") as said, hanging(bus_settings.nats_url) as process:
        await asked_for(bus)
        await bus.publish(transcript(BLOCK))
        _, output = await process.communicate()
        async with working(bus, stage(echo)):
            await settled(bus)

    assert b"tests/runtime/hanging.py" in output
    assert b"in hang" in output
    assert [event.turn for event in said] == [BLOCK]
    assert process.returncode == 1


@asynccontextmanager
async def hanging(url: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The process of `hanging.py`."""
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "NATS_URL": url, "ACK_WAIT": "1"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.runtime.hanging", cwd=ROOT, env=environ, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        await processes.stop(process, 0)
