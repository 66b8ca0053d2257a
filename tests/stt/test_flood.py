"""An origin that floods the line straight on the bus: others are answered at once, it is told when to come back."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bus_schemas import Event, Failed, Transcript, codes
from services.runtime.bus import Bus
from services.runtime.health import Readiness
from services.runtime.streams import StreamSettings
from services.runtime.worker import Worker, WorkerSettings
from services.stt.__main__ import open_stage
from services.stt.settings import SttSettings
from tests.harness import listening, wait_until
from tests.stt.wavs import FORMS

ENGINE_SECONDS = 0.1
FLOOD = 120
WAV = FORMS["16-bit"]


@asynccontextmanager
async def stt(bus: Bus, workers: int = 1) -> AsyncIterator[None]:
    """The service's own stage, two turns at once, on a transcriber that takes its time."""
    stopping = asyncio.Event()
    settings = SttSettings(stt_engine="scripted", scripted_stt_ms=round(ENGINE_SECONDS * 1000), stt_concurrency=2)
    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(_work(bus, settings, stopping))
        yield
        stopping.set()


async def _work(bus: Bus, settings: SttSettings, stopping: asyncio.Event) -> None:
    async with open_stage(settings, bus) as stage:
        await Worker(bus, stage, WorkerSettings(), Readiness(), "test").run(stopping)


async def publish(bus: Bus, origin: str, turns: int) -> None:
    """So many turns, each in a session of its own."""
    await asyncio.gather(*(bus.jetstream.publish(f"voice.utterance.{origin}.{n}", WAV) for n in range(turns)))


def ends(events: list[Event], origin: str) -> Counter[str]:
    """How the turns of *origin* ended."""
    told = [event for event in events if event.origin == origin]
    codes = [event.code for event in told if isinstance(event, Failed)]
    return Counter(["heard" for event in told if isinstance(event, Transcript)] + codes)


@pytest.mark.parametrize("workers", [1, 2])
async def test_another_origin_is_heard_at_once_and_the_flood_is_told_when_to_come_back(bus: Bus, workers: int) -> None:
    """In the order of the line the five would wait for all of the flood: 6 s, or 3 s with two workers."""
    async with listening(bus, "voice.*.*.*") as events:
        await publish(bus, "flood", FLOOD)
        await publish(bus, "calm", 5)
        began = time.monotonic()
        async with stt(bus, workers):
            await wait_until(lambda: ends(events, "calm").total() == 5, "the five ended")
            waited = time.monotonic() - began
            await wait_until(lambda: ends(events, "flood").total() == FLOOD, "the flood ended")

    assert ends(events, "calm") == {"heard": 5}
    assert waited < FLOOD * ENGINE_SECONDS / 2 / workers / 2
    flood = ends(events, "flood")
    assert flood[codes.BUSY] > FLOOD / 2
    assert flood["heard"] + flood[codes.BUSY] == FLOOD
    busy = [event for event in events if isinstance(event, Failed)]
    assert {event.origin for event in busy} == {"flood"}
    assert all(event.retry_after >= 1 for event in busy)
    assert all(f"ask again in {event.retry_after:g} s" in event.message for event in busy)


async def test_a_fresh_worker_in_a_flood_asks_for_one_message_until_one_went_well(bus: Bus) -> None:
    """The first may kill it: what it had pulled beside that, only to turn it away, would die with it."""
    async with listening(bus, "voice.*.*.*") as events:
        await publish(bus, "flood", FLOOD)
        await publish(bus, "calm", 1)
        async with stt(bus):
            await wait_until(lambda: any(isinstance(event, Failed) for event in events), "some was turned away")
            assert any(isinstance(event, Transcript) for event in events)
            await wait_until(lambda: ends(events, "flood").total() == FLOOD, "the flood ended")


async def test_an_origin_that_is_alone_loses_nothing(bus: Bus) -> None:
    """It may have as much of the line as it has patience for."""
    async with listening(bus, "voice.*.*.*") as events:
        await publish(bus, "alone", 50)
        async with stt(bus, workers=2):
            await wait_until(lambda: ends(events, "alone").total() == 50, "all ended")
    assert ends(events, "alone") == {"heard": 50}


async def test_a_short_line_is_served_as_it_came(bus: Bus) -> None:
    """Nobody is turned away while another would hardly wait."""
    async with listening(bus, "voice.*.*.*") as events:
        await publish(bus, "many", 12)
        await publish(bus, "few", 1)
        async with stt(bus):
            await wait_until(lambda: len(events) >= 26, "all were asked and ended")
    assert (ends(events, "many"), ends(events, "few")) == ({"heard": 12}, {"heard": 1})


@pytest.mark.parametrize("stream_settings", [StreamSettings(stream_utterances=100)])
async def test_who_fills_the_stream_alone_leaves_a_door_for_others(bus: Bus) -> None:
    """Nobody else is in line, because nobody else fits in: the stream is brought under three quarters at once."""
    async with listening(bus, "voice.*.*.*") as events:
        await publish(bus, "flood", 100)
        async with stt(bus):
            await wait_until(lambda: ends(events, "flood")[codes.BUSY] > 0, "some was turned away")
            began = time.monotonic()
            await publish(bus, "late", 1)
            await wait_until(lambda: ends(events, "late").total() == 1, "the late one ended")
            assert time.monotonic() - began < 3
            await wait_until(lambda: ends(events, "flood").total() == 100, "all ended")
    assert ends(events, "late") == {"heard": 1}
