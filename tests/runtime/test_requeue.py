"""A requeued letter is one more run of its turn, in time, and goes nowhere but into a queue."""

import asyncio
import time
from collections.abc import AsyncGenerator
from datetime import UTC, datetime

import msgspec
import pytest

from bus_schemas import Cancel, Dead, Event, Failed, Sentence, Transcript, Utterance, codec, codes
from services.runtime import dead, requeue
from services.runtime.bus import Bus
from services.runtime.dead import Letter, Wanted
from services.runtime.requeue import NotRequeued
from tests.harness import listening
from tests.runtime.workers import settled, stage, transcript, working

NOW = 1_800_000_000.0


def letter_of(subject: str, body: bytes, headers: dict[str, str] | None = None, run: int = 0) -> Letter:
    return Letter(
        7,
        datetime.now(UTC),
        len(body),
        Dead(
            origin="kiosk",
            session="7",
            turn="12-18bcfe56800",
            run=run,
            stage="stt",
            code=codes.CRASHED,
            reason="it died",
            subject=subject,
            sequence=12,
            deliveries=2,
            headers=headers or {},
            body=body,
        ),
    )


def letter_for(event: Event) -> Letter:
    message = codec.encode(event)
    return letter_of(message.subject, message.payload, dict(message.headers), event.run)


async def crash(event: Transcript) -> AsyncGenerator[Event, None]:
    raise ValueError("always")
    yield


async def echo(event: Transcript) -> AsyncGenerator[Event, None]:
    yield Sentence(attempt=f"a{event.run}", n=0, text=event.text, last=True)


def test_a_bare_wav_gets_the_name_that_its_turn_had() -> None:
    """Without it the new message would be another turn, and its asker would not know it."""
    event = requeue.again(letter_of("voice.utterance.kiosk.7", b"RIFF"), NOW)

    assert event == Utterance(origin="kiosk", session="7", turn="12-18bcfe56800", run=1, wav=b"RIFF")
    assert codec.message_id(event) == "kiosk.7.12-18bcfe56800.1.utterance"


def test_an_utterance_keeps_what_its_sender_wished_and_gets_its_time_from_the_broker() -> None:
    """Its own time-out counts again from the new timestamp; the operator may give another."""
    asked = Utterance(origin="kiosk", session="7", turn="t", language="pt", voice="woman", timeout_ms=9000, wav=b"W")

    event = requeue.again(letter_for(asked), NOW)
    assert event == msgspec.structs.replace(asked, run=1)
    longer = requeue.again(letter_for(asked), NOW, timeout=30.5)
    assert isinstance(longer, Utterance)
    assert longer.timeout_ms == 30_500


@pytest.mark.parametrize("late", [0, 1_700_000_000_000])
def test_a_text_event_gets_a_new_deadline_by_the_brokers_clock(late: int) -> None:
    """60 s from its now unless told otherwise."""
    for asked in (
        Transcript(origin="o", session="s", turn="t", text="hi", seconds=1.0, deadline=late),
        Sentence(origin="o", session="s", turn="t", attempt="a", n=2, text="hi", deadline=late),
    ):
        usual, short = requeue.again(letter_for(asked), NOW), requeue.again(letter_for(asked), NOW, timeout=10)
        assert (usual.deadline, short.deadline) == (1_800_000_060_000, 1_800_000_010_000)
        assert msgspec.structs.replace(usual, run=0, deadline=late) == asked


def test_every_requeue_is_one_run_more() -> None:
    """So that no duplicate window takes it for the one before."""
    ids = set()
    for run in range(3):
        event = requeue.again(letter_for(Utterance(origin="o", session="s", turn="t", run=run, wav=b"W")), NOW)
        assert event.run == run + 1
        ids.add(codec.message_id(event))
    assert len(ids) == 3


def test_the_publishers_own_headers_go_along_and_those_for_the_broker_do_not() -> None:
    """A `Nats-Expected-Last-Sequence` or a `Nats-TTL` of the first time would refuse or shorten the second."""
    headers = {"traceparent": "00-1", "Nats-Expected-Last-Sequence": "3", "nats-ttl": "1s", "Nats-Msg-Id": "old"}
    letter = letter_of("voice.utterance.kiosk.7", b"RIFF", headers)

    message = requeue.written(letter, requeue.again(letter, NOW))
    assert dict(message.headers) == {
        "traceparent": "00-1",
        "Nats-Msg-Id": "kiosk.7.12-18bcfe56800.1.utterance",
        "Voice-Event": '{"turn":"12-18bcfe56800","run":1}',
    }
    assert dict(requeue.as_it_is(letter).headers) == {"traceparent": "00-1"}


def test_what_is_no_event_is_refused_unless_it_goes_back_as_it_is() -> None:
    """Then byte for byte."""
    letter = letter_of("voice.transcript.kiosk.7", b"{not json", {"Mine": "1"})

    with pytest.raises(NotRequeued, match="--as-it-is"):
        requeue.again(letter, NOW)
    assert requeue.as_it_is(letter) == codec.Message("voice.transcript.kiosk.7", b"{not json", {"Mine": "1"})


@pytest.mark.parametrize(
    "subject",
    [
        "$JS.API.STREAM.DELETE.VOICE_ANSWER",
        "voice.speech.kiosk.7",
        "voice.dead.kiosk.7",
        "voice.cancel.kiosk.7",
        "voice.utterance.kiosk",
        "voice.utterance.*.7",
        "voice.utterance.kiosk.>",
        "voice.utterance.kiosk.7 9\r\nPUB x 1\r\n",
        "voice.utterance.kiosk.7\r\n",
        "",
    ],
)
def test_a_forged_letter_cannot_make_an_operator_publish_elsewhere(subject: str) -> None:
    """Only the queues of voicebus, and only one subject of them."""
    letter = letter_of(subject, b"x")
    with pytest.raises(NotRequeued, match="no queue of voicebus"):
        requeue.again(letter, NOW)
    with pytest.raises(NotRequeued, match="no queue of voicebus"):
        requeue.as_it_is(letter)


def test_a_forged_header_cannot_add_another() -> None:
    """No message that came over NATS had a line break in a header."""
    with pytest.raises(NotRequeued, match="line break"):
        requeue.as_it_is(letter_of("voice.utterance.kiosk.7", b"x", {"A": "1\r\nNats-Rollup: all"}))


async def given_up(bus: Bus) -> Letter:
    """The letter of the one turn that has crashed."""
    (letter,) = [letter async for letter in dead.letters(bus, Wanted())]
    return await dead.letter(bus, letter.number)


async def put_back(bus: Bus, letter: Letter) -> Event:
    event = requeue.again(letter, bus.time())
    await requeue.requeue(bus, letter, requeue.written(letter, event))
    return event


async def test_a_turn_runs_again_right_after_it_was_given_up(bus: Bus) -> None:
    """Inside every duplicate window, past its first deadline, under its own name."""
    deadline = time.time() + 5
    async with listening(bus, "voice.*.test.s") as events:
        async with working(bus, stage(crash)):
            await bus.publish(transcript("t1", "olá", deadline=round(deadline * 1000)))
            await settled(bus)
        await asyncio.sleep(deadline - time.time())
        async with working(bus, stage(echo)):
            await put_back(bus, await given_up(bus))
            await settled(bus)

    answers = [(event.turn, event.run, event.text) for event in events if isinstance(event, Sentence)]
    assert answers == [("t1", 1, "olá")]
    assert [event.run for event in events if isinstance(event, Failed)] == [0]


async def test_a_run_that_is_given_up_too_is_a_letter_of_its_own(bus: Bus) -> None:
    """The client is told of each, and each can be requeued."""
    async with listening(bus, "voice.failed.>") as failed:
        async with working(bus, stage(crash)):
            await bus.publish(transcript("t1"))
            await settled(bus)
        async with working(bus, stage(crash)):
            await put_back(bus, await given_up(bus))
            await settled(bus)

    runs = [letter.dead.run async for letter in dead.letters(bus, Wanted())]
    assert runs == [0, 1]
    assert [event.run for event in failed] == [0, 1]


async def test_requeueing_a_letter_twice_at_once_runs_it_once_and_says_so(bus: Bus) -> None:
    """Two operators, one letter."""
    async with working(bus, stage(crash)):
        await bus.publish(transcript("t1"))
        await settled(bus)
    letter = await given_up(bus)
    await put_back(bus, letter)

    with pytest.raises(NotRequeued, match=r"within the last two minutes \(test.s.t1.1.transcript\)"):
        await put_back(bus, letter)
    async with listening(bus, "voice.sentence.>") as said, working(bus, stage(echo)):
        await settled(bus)
    assert len(said) == 1


async def test_the_cancel_that_followed_the_failure_does_not_stop_the_next_run(bus: Bus) -> None:
    """An edge cancels a turn that has failed; a cancel of the next run stops that one."""
    async with listening(bus, "voice.*.test.s") as events, working(bus, stage(echo)):
        await bus.publish(transcript("t0"))
        await settled(bus)
        await bus.tell(Cancel(origin="test", session="s", turn="t1"))
        await bus.publish(transcript("t1"))
        await settled(bus)

        await bus.publish(msgspec.structs.replace(transcript("t1"), run=1))
        await settled(bus)
        await bus.tell(Cancel(origin="test", session="s", turn="t2", run=1))
        await bus.publish(msgspec.structs.replace(transcript("t2"), run=1))
        await settled(bus)
    assert [(event.turn, event.run) for event in events if isinstance(event, Sentence)] == [("t0", 0), ("t1", 1)]
