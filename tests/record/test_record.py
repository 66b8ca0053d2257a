"""The record: everything that a stream stores is copied, from when it is turned on until it is turned off."""

import pytest
from nats.js.errors import NotFoundError

from bus_schemas import Cancel, Dead, Sentence, Speech, Transcript, Utterance
from services.cli import record
from services.cli.record import Wanted
from services.runtime import streams
from services.runtime.bus import Bus, BusSettings
from services.runtime.streams import LOG, StreamSettings
from tests import wire
from tests.edge.asking import tone
from tests.record.conftest import asked, question, settled

OFF, ON = StreamSettings(ack_wait=1.0), StreamSettings(ack_wait=1.0, voicebus_record=True)


async def kept(bus: Bus) -> list[str]:
    """The subject of every message on record."""
    state = (await bus.jetstream.stream_info(LOG)).state
    numbers = range(state.first_seq, state.last_seq + 1)
    return [str((await bus.jetstream.get_msg(LOG, seq=number, direct=True)).subject) for number in numbers]


@pytest.mark.usefixtures("stages")
async def test_every_event_of_a_turn_is_on_record_as_it_was(bus: Bus) -> None:
    await asked(bus, question("t1"))
    await bus.tell(Cancel(origin="kiosk", session="s1", turn="t2"))
    await settled(bus)

    found = await record.events(bus, Wanted(origin="kiosk"))
    kinds = [type(one.event) for one in found]
    assert (kinds[:3], kinds[-2:]) == ([Utterance, Transcript, Sentence], [Speech, Cancel])
    assert found[0].size == len(tone(1))
    assert await record.sound(bus, found[0]) == tone(1)
    transcript = found[1].event
    assert isinstance(transcript, Transcript)
    assert (transcript.text, transcript.turn, len(transcript.trail)) == ("Hello there.", "t1", 1)
    assert [one.at for one in found] == sorted(one.at for one in found)
    assert await record.events(bus, Wanted(session="another")) == []


async def test_the_body_of_a_dead_letter_is_not_kept_twice(bus: Bus) -> None:
    await bus.publish(
        Dead(
            origin="kiosk",
            session="s1",
            turn="t1",
            stage="stt",
            code="crashed",
            reason="it broke",
            subject="voice.utterance.kiosk.s1",
            sequence=1,
            deliveries=2,
            body=b"w" * 999,
        )
    )
    await settled(bus)

    copy = await bus.jetstream.get_msg(LOG, seq=1, direct=True)
    assert (copy.subject, copy.data) == ("record.voice.dead.kiosk.s1", None)
    (found,) = await record.events(bus, Wanted())
    assert (found.event.turn, found.size) == ("t1", 999)


async def test_it_is_turned_on_and_off_where_streams_stand_and_work_waits(bus: Bus) -> None:
    assert await streams.setup(bus.jetstream, OFF) == []
    await bus.publish(question("before"))
    await bus.jetstream.delete_stream(LOG)
    assert await streams.setup(bus.jetstream, OFF) == []
    with pytest.raises(NotFoundError):
        await bus.jetstream.stream_info(LOG)

    assert await streams.setup(bus.jetstream, ON) == []
    assert await streams.setup(bus.jetstream, ON) == []
    await bus.publish(question("during"))
    await bus.tell(Cancel(origin="kiosk", session="s1", turn="during"))
    await settled(bus)
    assert await kept(bus) == ["record.voice.utterance.kiosk.s1", "voice.cancel.kiosk.s1"]

    assert await streams.setup(bus.jetstream, OFF) == []
    await bus.publish(question("after"))
    await bus.tell(Cancel(origin="kiosk", session="s1", turn="after"))
    await settled(bus)
    assert len(await kept(bus)) == 2
    assert (await bus.jetstream.stream_info(streams.UTTERANCE)).state.messages == 3
    assert (await bus.jetstream.stream_info(streams.UTTERANCE)).config.republish is None


async def test_turning_it_on_changes_nothing_else_that_stands(bus: Bus) -> None:
    assert await streams.setup(bus.jetstream, OFF) == []
    other = StreamSettings(ack_wait=1.0, voicebus_record=True, stream_utterances=7, stream_record_days=1)

    told = await streams.setup(bus.jetstream, other)
    assert sorted(told) == [
        "VOICE_LOG: max_age is 604800.0, the table says 86400.0",
        "VOICE_UTTERANCE: max_msgs is 1000, the table says 7",
    ]
    assert (await bus.jetstream.stream_info(streams.UTTERANCE)).config.republish is not None


async def test_the_record_is_read_beside_what_cannot_be(bus: Bus, bus_settings: BusSettings) -> None:
    """The broker copies a message with headers that are none too, and nobody can read what it says of the copy."""
    async with wire.dialled(bus_settings.nats_url) as sender:
        for block in (b"NATS/1.0", b"HTTP/1.1\r\na: b\r\n\r\n", bytes(40)):
            await sender.send(*(wire.hpub(b"voice.%b.kiosk.s1" % kind, block) for kind in (b"sentence", b"speech")))
    await bus.publish(Transcript(origin="kiosk", session="s1", turn="t1", text="Hello.", seconds=1.0))
    assert [one.event.turn for one in await record.events(bus, Wanted(origin="kiosk"))] == ["t1"]
