"""The settle rules of the worker, each against the real broker."""

import asyncio
import time
from collections.abc import AsyncGenerator

import pytest

from bus_schemas import Dead, Event, Failed, Sentence, Transcript, codes
from services.runtime import settle
from services.runtime.bus import Bus
from services.runtime.errors import Refused, Sick
from services.runtime.streams import ANSWER, TRANSCRIPT, StreamSettings
from services.runtime.worker import WorkerSettings
from tests.harness import listening, wait_until
from tests.runtime.workers import settled, stage, transcript, unfinished, working

LONG_WAIT = 30.0
"""Seconds until the broker itself would give work to another: so long that no slow machine reaches half of it."""


async def echo(event: Transcript) -> AsyncGenerator[Event, None]:
    """A stage that says what it heard."""
    yield Sentence(attempt="a1", n=0, text=event.text, last=True)


async def test_a_finished_event_is_acked_and_its_output_carries_the_turn_on(bus: Bus) -> None:
    async with listening(bus, "voice.sentence.>") as said, working(bus, stage(echo)):
        await bus.publish(transcript("t1"))
        await settled(bus)

    sentence = said[0]
    assert (sentence.origin, sentence.session, sentence.turn) == ("test", "s", "t1")
    assert [(step.stage, step.worker) for step in sentence.trail] == [("llm", "test-worker")]


async def test_a_refused_event_is_told_and_never_comes_again(bus: Bus) -> None:
    async def refuse(event: Transcript) -> AsyncGenerator[Event, None]:
        raise Refused(codes.LANGUAGE, "nobody here speaks xx; ask in pt or en")
        yield

    async with listening(bus, "voice.failed.>") as failed, working(bus, stage(refuse)):
        await bus.publish(transcript("t1"))
        await settled(bus)

    assert [(f.code, f.message) for f in failed if isinstance(f, Failed)] == [
        ("refused.language", "nobody here speaks xx; ask in pt or en")
    ]


async def test_a_crash_is_tried_once_more_and_can_then_succeed(bus: Bus) -> None:
    seen: list[str] = []

    async def crash_once(event: Transcript) -> AsyncGenerator[Event, None]:
        seen.append(event.turn)
        if len(seen) == 1:
            raise ValueError("first time")
        yield Sentence(attempt="a2", n=0, text="ok", last=True)

    async with listening(bus, "voice.>") as events, working(bus, stage(crash_once)):
        await bus.publish(transcript("t1"))
        await settled(bus)

    assert seen == ["t1", "t1"]
    assert not [event for event in events if isinstance(event, Failed)]


async def test_an_event_that_always_crashes_ends_as_failed_and_as_a_dead_letter_with_the_original(bus: Bus) -> None:
    async def crash(event: Transcript) -> AsyncGenerator[Event, None]:
        raise ValueError("always")
        yield

    async with listening(bus, "voice.>") as events, working(bus, stage(crash)):
        await bus.publish(transcript("t1", "olá"))
        await settled(bus)

    failed = next(event for event in events if isinstance(event, Failed))
    dead = next(event for event in events if isinstance(event, Dead))
    assert failed.code == codes.CRASHED
    assert (dead.subject, dead.deliveries) == ("voice.transcript.test.s", 2)
    assert "olá".encode() in dead.body
    assert "always" in dead.reason


async def test_two_messages_in_a_row_that_crash_make_the_worker_sick_and_it_hands_back(bus: Bus) -> None:
    async def crash(event: Transcript) -> AsyncGenerator[Event, None]:
        raise ValueError("the engine is broken")
        yield

    async with working(bus, stage(crash)) as worker:
        await bus.publish(transcript("t1"))
        await bus.publish(transcript("t2"))
        with pytest.raises(Sick, match="two messages in a row"):
            await asyncio.wait_for(worker, 10)

    async with working(bus, stage(echo)):
        await settled(bus)


async def test_a_sick_engine_ends_the_worker_and_its_message_goes_to_a_healthy_one(bus: Bus) -> None:
    async def sick(event: Transcript) -> AsyncGenerator[Event, None]:
        raise Sick("CUDA error: an illegal memory access")
        yield

    async with listening(bus, "voice.sentence.>") as said:
        async with working(bus, stage(sick)) as worker:
            await bus.publish(transcript("t1"))
            with pytest.raises(Sick):
                await asyncio.wait_for(worker, 10)
        async with working(bus, stage(echo)):
            await settled(bus)

    assert len(said) == 1


async def test_an_error_that_quotes_all_it_choked_on_still_becomes_a_dead_letter(bus: Bus) -> None:
    async def crash(event: Transcript) -> AsyncGenerator[Event, None]:
        raise ValueError("x" * 100_000)
        yield

    async with listening(bus, "voice.dead.>") as dead, working(bus, stage(crash)):
        await bus.publish(transcript("t1"))
        await settled(bus)

    assert len(dead) == 1


async def test_an_event_past_its_deadline_fails_without_engine_time(bus: Bus) -> None:
    worked: list[str] = []

    async def count(event: Transcript) -> AsyncGenerator[Event, None]:
        worked.append(event.turn)
        yield Sentence(attempt="a1", n=0, text="ok", last=True)

    async with listening(bus, "voice.failed.>") as failed, working(bus, stage(count)):
        await bus.publish(transcript("late", deadline=round(time.time() * 1000) - 1))
        await settled(bus)

    assert [f.code for f in failed if isinstance(f, Failed)] == [codes.DEADLINE]
    assert worked == []


async def test_a_deadline_that_passes_during_the_work_stops_the_work(bus: Bus) -> None:
    stopped = asyncio.Event()

    async def slow(event: Transcript) -> AsyncGenerator[Event, None]:
        try:
            await asyncio.sleep(30)
            yield Sentence(attempt="a1", n=0, text="ok", last=True)
        finally:
            stopped.set()

    async with listening(bus, "voice.failed.>") as failed, working(bus, stage(slow)):
        await bus.publish(transcript("t1", deadline=round(time.time() * 1000) + 3000))
        await settled(bus)

    assert [f.code for f in failed if isinstance(f, Failed)] == [codes.DEADLINE]
    assert stopped.is_set()


async def test_work_longer_than_the_ack_wait_is_not_given_to_another(bus: Bus) -> None:
    runs: list[float] = []

    async def long(event: Transcript) -> AsyncGenerator[Event, None]:
        runs.append(time.monotonic())
        await asyncio.sleep(3.0)
        yield Sentence(attempt="a1", n=0, text="ok", last=True)

    async with working(bus, stage(long)), working(bus, stage(long)):
        await bus.publish(transcript("t1"))
        await settled(bus)

    assert len(runs) == 1


async def test_a_message_that_was_delivered_too_often_is_settled_without_being_worked_on(bus: Bus) -> None:
    worked: list[str] = []

    async def count(event: Transcript) -> AsyncGenerator[Event, None]:
        worked.append(event.turn)
        yield Sentence(attempt="a1", n=0, text="ok", last=True)

    await bus.publish(transcript("t1"))
    pulling = await bus.jetstream.pull_subscribe_bind(durable="llm", stream=TRANSCRIPT)
    for _ in range(2):
        await (await pulling.fetch(1, timeout=5))[0].nak(delay=0.01)
    await pulling.unsubscribe()
    async with (
        listening(bus, "voice.>") as events,
        working(bus, stage(count), WorkerSettings(max_deliveries=2, ack_wait=1.0)),
    ):
        await settled(bus)

    assert worked == []
    assert {type(event) for event in events} == {Failed, Dead}


async def test_a_message_delivered_before_is_worked_on_alone(bus: Bus) -> None:
    inside: list[str] = []
    together: list[set[str]] = []

    async def slow(event: Transcript) -> AsyncGenerator[Event, None]:
        inside.append(event.turn)
        together.append(set(inside))
        await asyncio.sleep(0.2)
        inside.remove(event.turn)
        yield Sentence(attempt="a1", n=0, text="ok", last=True)

    await bus.publish(transcript("again"))
    pulling = await bus.jetstream.pull_subscribe_bind(durable="llm", stream=TRANSCRIPT)
    await (await pulling.fetch(1, timeout=5))[0].nak(delay=0.7)
    await pulling.unsubscribe()
    async with working(bus, stage(slow)):
        for number in range(12):
            await bus.publish(transcript(f"t{number}"))
        await settled(bus)

    assert [names for names in together if "again" in names] == [{"again"}]
    assert max(len(names) for names in together) > 1


async def test_what_is_no_event_becomes_a_dead_letter_and_its_sender_is_told(bus: Bus) -> None:
    async with listening(bus, "voice.*.kiosk.7") as events, working(bus, stage(echo)):
        await bus.client.publish("voice.transcript.kiosk.7", b"{not json")
        await wait_until(lambda: any(isinstance(event, Dead) for event in events if event), "the dead letter is there")

    failed = next(event for event in events if isinstance(event, Failed))
    assert failed.code == codes.NOT_AN_EVENT


async def test_a_message_with_one_bad_field_fails_under_the_name_that_its_sender_gave_it(bus: Bus) -> None:
    async with listening(bus, "voice.failed.kiosk.7") as failed, working(bus, stage(echo)):
        await bus.client.publish("voice.transcript.kiosk.7", b'{"turn": "mine", "text": "x", "seconds": "two"}')
        await wait_until(lambda: bool(failed), "the failure is told")

    assert failed[0].turn == "mine"


async def test_an_ending_that_the_broker_did_not_take_in_time_is_given_back_and_told_later(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its sender is told once the broker can store it: the message is not forgotten before."""
    monkeypatch.setattr(settle, "SETTLE_SECONDS", 1.0)

    async def refuse(event: Transcript) -> AsyncGenerator[Event, None]:
        raise Refused(codes.LANGUAGE, "nobody here speaks xx; ask in pt or en")
        yield

    answers = (await bus.jetstream.stream_info(ANSWER)).config
    await bus.jetstream.delete_stream(ANSWER)
    async with listening(bus, "voice.failed.>") as failed, working(bus, stage(refuse)):
        await bus.publish(transcript("t1"))
        await asyncio.sleep(2.5)
        assert await unfinished(bus) == 1
        await bus.jetstream.add_stream(answers)
        failed.clear()
        await settled(bus)

    assert [event.code for event in failed if isinstance(event, Failed)] == [codes.LANGUAGE]


async def test_stopping_finishes_what_runs_and_takes_no_more(bus: Bus) -> None:
    async def slow(event: Transcript) -> AsyncGenerator[Event, None]:
        await asyncio.sleep(2)
        yield Sentence(attempt="a1", n=0, text=event.turn, last=True)

    async with listening(bus, "voice.sentence.>") as said:
        async with working(bus, stage(slow, credit=1)):
            await bus.publish(transcript("t1"))
            await bus.publish(transcript("t2"))
            await asyncio.sleep(1)
        await settled(bus, left=1)

    assert [event.text for event in said if isinstance(event, Sentence)] == ["t1"]


@pytest.mark.parametrize("stream_settings", [StreamSettings(ack_wait=LONG_WAIT)])
async def test_what_cannot_finish_before_the_drain_ends_is_given_back_at_once(bus: Bus) -> None:
    async def slow(event: Transcript) -> AsyncGenerator[Event, None]:
        taken.set()
        await asyncio.sleep(30)
        yield Sentence(attempt="a1", n=0, text="late", last=True)

    taken = asyncio.Event()
    async with working(bus, stage(slow), WorkerSettings(drain_seconds=0.2)):
        await bus.publish(transcript("t1"))
        await taken.wait()
    async with asyncio.timeout(LONG_WAIT / 2), working(bus, stage(echo)):
        await settled(bus)


async def test_done_work_waits_in_place_for_room_downstream_and_is_not_done_again(bus: Bus) -> None:
    runs: list[str] = []

    async def once(event: Transcript) -> AsyncGenerator[Event, None]:
        runs.append(event.turn)
        yield Sentence(attempt="a1", n=0, text="ok", last=True)

    config = (await bus.jetstream.stream_info("VOICE_SENTENCE")).config
    config.max_msgs = 1
    await bus.jetstream.update_stream(config)
    async with working(bus, stage(once)):
        await bus.publish(transcript("t1"))
        await settled(bus)
        await bus.publish(transcript("t2"))
        await asyncio.sleep(1.0)
        assert await unfinished(bus) == 1

        await bus.jetstream.purge_stream("VOICE_SENTENCE")
        await settled(bus)

    assert runs == ["t1", "t2"]


async def test_every_output_is_confirmed_before_the_stage_is_asked_for_the_next(bus: Bus) -> None:
    stored: list[int] = []

    async def two(event: Transcript) -> AsyncGenerator[Event, None]:
        for number in range(2):
            yield Sentence(attempt="a1", n=number, text="x", last=number == 1)
            stored.append((await bus.jetstream.stream_info("VOICE_SENTENCE")).state.messages)

    async with working(bus, stage(two)):
        await bus.publish(transcript("t1"))
        await settled(bus)

    assert stored == [1, 2]
