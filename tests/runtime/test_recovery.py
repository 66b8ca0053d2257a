"""A worker whose engine is down, against the real broker."""

import asyncio
import time
from collections.abc import AsyncGenerator

from bus_schemas import Dead, Event, Failed, Sentence, Transcript, codes
from services.runtime.bus import Bus
from services.runtime.errors import Unavailable
from services.runtime.health import Readiness
from services.runtime.worker import WorkerSettings
from tests.harness import listening, wait_until
from tests.runtime.workers import settled, stage, transcript, unfinished, working


async def test_an_engine_that_is_down_pauses_the_worker_until_a_probe_succeeds(bus: Bus) -> None:
    up = asyncio.Event()
    readiness = Readiness()

    async def probe() -> None:
        if not up.is_set():
            raise Unavailable("ollama does not answer")

    async def answer(event: Transcript) -> AsyncGenerator[Event, None]:
        await probe()
        yield Sentence(attempt="a1", n=0, text="ok", last=True)

    async with listening(bus, "voice.>") as events, working(bus, stage(answer, probe=probe), readiness=readiness):
        await bus.publish(transcript("t1"))
        await wait_until(lambda: readiness.missing.get("engine") == "ollama does not answer", "the worker is not ready")
        await bus.publish(transcript("t2"))
        await asyncio.sleep(1.0)

        assert await unfinished(bus) == 2

        up.set()
        await settled(bus)

    assert "engine" not in readiness.missing
    assert not [event for event in events if isinstance(event, Failed)]


async def test_an_engine_that_is_away_at_the_start_is_told_before_anybody_asks(bus: Bus) -> None:
    """`/readyz` does not wait for the first question to find out, and is right again when a probe succeeds."""
    up = asyncio.Event()
    readiness = Readiness()

    async def probe() -> None:
        if not up.is_set():
            raise Unavailable("ollama does not answer")

    async def answer(event: Transcript) -> AsyncGenerator[Event, None]:
        await probe()
        yield Sentence(attempt="a1", n=0, text="ok", last=True)

    async with working(bus, stage(answer, probe=probe), readiness=readiness):
        await wait_until(lambda: readiness.missing.get("engine") == "ollama does not answer", "the worker is not ready")
        await bus.publish(transcript("t1"))
        await asyncio.sleep(0.5)
        assert await unfinished(bus) == 1
        up.set()
        await settled(bus)
        await wait_until(lambda: "engine" not in readiness.missing, "the worker is ready")


async def test_an_engine_that_stays_down_never_turns_a_waiting_event_into_a_dead_letter(bus: Bus) -> None:
    """Two workers give it back to each other; then one of them keeps it until the deadline."""

    async def down() -> None:
        """A probe that succeeds though the engine does not work: the worst case."""

    async def away(event: Transcript) -> AsyncGenerator[Event, None]:
        raise Unavailable("ollama answers 500")
        yield

    impatient = WorkerSettings(max_deliveries=3, ack_wait=1.0)
    async with (
        listening(bus, "voice.>") as events,
        working(bus, stage(away, probe=down), impatient),
        working(bus, stage(away, probe=down), impatient),
    ):
        await bus.publish(transcript("t1", deadline=round(time.time() * 1000) + 5000))
        await settled(bus)

    assert [event.code for event in events if isinstance(event, Failed)] == [codes.DEADLINE]
    assert not [event for event in events if isinstance(event, Dead)]


async def test_stopping_does_not_wait_for_an_engine_that_went_away_meanwhile(bus: Bus) -> None:
    async def away(event: Transcript) -> AsyncGenerator[Event, None]:
        await asyncio.sleep(0.5)
        raise Unavailable("ollama was stopped too")
        yield

    async def still_away() -> None:
        raise Unavailable("ollama does not answer")

    async with working(bus, stage(away, probe=still_away), WorkerSettings(drain_seconds=2, ack_wait=1.0)):
        await bus.publish(transcript("t1"))
        await asyncio.sleep(0.3)


async def test_an_event_whose_engine_call_alone_fails_does_not_keep_the_others_waiting(bus: Bus) -> None:
    async def fine() -> None:
        """The probe succeeds: only one prompt makes the engine fail."""

    async def picky(event: Transcript) -> AsyncGenerator[Event, None]:
        if event.turn == "bad":
            raise Unavailable("ollama answers 500")
        yield Sentence(attempt="a1", n=0, text=event.turn, last=True)

    impatient = WorkerSettings(max_deliveries=2, ack_wait=1.0)
    async with listening(bus, "voice.sentence.>") as said, working(bus, stage(picky, probe=fine), impatient):
        await bus.publish(transcript("bad", deadline=round(time.time() * 1000) + 8000))
        await asyncio.sleep(2)
        for number in range(5):
            await bus.publish(transcript(f"good{number}", deadline=round(time.time() * 1000) + 15_000))
        await settled(bus)

    assert len(said) == 5


async def test_an_engine_that_comes_back_does_not_undo_a_stop(bus: Bus) -> None:
    """What is published while the worker drains is for another worker."""
    back = asyncio.Event()

    async def probe() -> None:
        if not back.is_set():
            raise Unavailable("not yet")

    async def handle(event: Transcript) -> AsyncGenerator[Event, None]:
        if event.turn == "away":
            raise Unavailable("ollama does not answer")
        await asyncio.sleep(0.1 if event.turn == "first" else 2.0)
        yield Sentence(attempt="a1", n=0, text="ok", last=True)

    async with working(bus, stage(handle, probe=probe), WorkerSettings(ack_wait=1.0, drain_seconds=4)):
        await bus.publish(transcript("first"))
        await settled(bus)
        for turn in ("slow", "away"):
            await bus.publish(transcript(turn))
        await asyncio.sleep(0.3)
        await bus.publish(transcript("next"))
        asyncio.get_running_loop().call_later(0.3, back.set)
    delivered = (await bus.jetstream.consumer_info("VOICE_TRANSCRIPT", "llm")).delivered

    assert delivered is not None
    assert delivered.consumer_seq <= 4
