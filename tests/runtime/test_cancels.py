"""What a cancel ends: its own run of its own turn, engine and all, and nothing else."""

import asyncio
from collections.abc import AsyncGenerator

import msgspec
import structlog

from bus_schemas import Cancel, Event, Sentence, Transcript
from services.runtime import metrics
from services.runtime.bus import Bus
from tests.harness import listening, wait_until
from tests.runtime.workers import settled, stage, transcript, working


async def echo(event: Transcript) -> AsyncGenerator[Event, None]:
    """A stage that says what it heard."""
    yield Sentence(attempt="a1", n=0, text=event.text, last=True)


async def test_a_cancelled_turn_stops_at_once_and_nobody_is_told(bus: Bus) -> None:
    started = asyncio.Event()

    async def slow(event: Transcript) -> AsyncGenerator[Event, None]:
        started.set()
        await asyncio.sleep(30)
        yield Sentence(attempt="a1", n=0, text="too late", last=True)

    async with listening(bus, "voice.*.test.s") as events, working(bus, stage(slow)):
        await bus.publish(transcript("t1"))
        await asyncio.wait_for(started.wait(), 5)
        await bus.tell(Cancel(origin="test", session="s", turn="t1"))
        await settled(bus)

    assert {type(event) for event in events} == {Transcript, Cancel}


async def test_how_long_a_cancelled_turn_took_to_stop_is_told_and_counted(bus: Bus) -> None:
    """From the cancel's receipt to the engine's stop; nothing is published after it."""

    async def writing(event: Transcript) -> AsyncGenerator[Event, None]:
        try:
            for n in range(1000):
                yield Sentence(attempt="a1", n=n, text="word")
                await asyncio.sleep(0.1)
        finally:
            await asyncio.sleep(0.2)  # an engine that ends its token

    def stops(what: str) -> float:
        samples = (sample for metric in metrics.CANCEL.collect() for sample in metric.samples)
        name = f"voicebus_cancel_seconds_{what}"
        return sum(sample.value for sample in samples if (sample.name, sample.labels) == (name, {"stage": "llm"}))

    count, seconds = stops("count"), stops("sum")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(20))
    with structlog.testing.capture_logs() as logs:
        async with listening(bus, "voice.sentence.>") as said, working(bus, stage(writing)):
            await bus.publish(transcript("t1"))
            await wait_until(lambda: len(said) >= 3, "three sentences are there")
            await bus.tell(Cancel(origin="test", session="s", turn="t1"))
            await settled(bus)

    (line,) = [line for line in logs if line["event"] == "cancelled"]
    assert (line["turn"], line["stage"]) == ("t1", "llm")
    assert 200 <= line["stop_ms"] < 10_000
    assert len(said) - 1 <= line["published"] <= len(said) <= 4  # the last may be heard before it is confirmed
    assert stops("count") == count + 1
    assert 0.2 <= stops("sum") - seconds < 10


async def test_a_cancel_of_another_session_stops_nothing(bus: Bus) -> None:
    async def slow(event: Transcript) -> AsyncGenerator[Event, None]:
        await asyncio.sleep(0.5)
        yield Sentence(attempt="a1", n=0, text="ok", last=True)

    async with listening(bus, "voice.sentence.>") as said, working(bus, stage(slow)):
        await bus.publish(transcript("t1"))
        await asyncio.sleep(0.2)
        await bus.tell(Cancel(origin="test", session="other", turn="t1"))
        await settled(bus)

    assert len(said) == 1


async def test_a_cancel_of_the_first_run_does_not_stop_an_operators_second(bus: Bus) -> None:
    async with listening(bus, "voice.sentence.>") as said, working(bus, stage(echo)):
        await bus.tell(Cancel(origin="test", session="s", turn="t1"))
        await asyncio.sleep(0.1)
        await bus.publish(msgspec.structs.replace(transcript("t1"), run=1))
        await settled(bus)

    assert [event.run for event in said] == [1]


async def test_a_cancel_of_the_first_run_leaves_a_second_one_that_is_worked_on_alone(bus: Bus) -> None:
    """The client of the first run went away long ago; the operator waits for the second."""
    began, go, begins = asyncio.Event(), asyncio.Event(), list[int]()

    async def slow(event: Transcript) -> AsyncGenerator[Event, None]:
        begins.append(event.run)
        began.set()
        await go.wait()
        yield Sentence(attempt="a1", n=0, text="ok", last=True)

    async with listening(bus, "voice.sentence.>") as said, working(bus, stage(slow)):
        await bus.publish(msgspec.structs.replace(transcript("t1"), run=1))
        await began.wait()
        await bus.tell(Cancel(origin="test", session="s", turn="t1"))
        await asyncio.sleep(0.5)
        go.set()
        await settled(bus)

    assert [event.run for event in said] == [1]
    assert begins == [1]


async def test_a_cancel_of_a_session_ends_what_was_asked_and_not_what_is_asked_afterwards(bus: Bus) -> None:
    """What runs and what waits is dropped; the next question of that session is answered."""
    began = asyncio.Event()

    async def slow(event: Transcript) -> AsyncGenerator[Event, None]:
        began.set()
        await asyncio.sleep(0 if event.turn == "after" else 30)
        yield Sentence(attempt="a1", n=0, text="ok", last=True)

    async with listening(bus, "voice.sentence.>") as said, working(bus, stage(slow, credit=1)):
        for turn in ("runs", "waits"):
            await bus.publish(transcript(turn))
        await began.wait()
        await bus.tell(Cancel(origin="test", session="s"))
        await settled(bus)
        await bus.publish(transcript("after"))
        await settled(bus)

    assert [event.turn for event in said] == ["after"]
