"""Bytes that nats-py cannot read: each ends as a dead letter, or is dropped and counted, and nobody else notices."""

import asyncio
import time
from collections.abc import AsyncGenerator

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from bus_schemas import Dead, Event, Failed, Sentence, Transcript, codec, codes
from services.runtime import bus as buses
from services.runtime import metrics
from services.runtime.bus import Bus, BusSettings
from services.runtime.errors import BusLost
from tests import wire
from tests.harness import listening, wait_until
from tests.runtime.workers import settled, stage, transcript, working

BLOCKS = {
    "only the version": b"NATS/1.0",
    "seven bytes": b"NATS/1.",
    "a version and half a line end": b"NATS/1.0\r",
    "no version": b"GARBAGE/1\r\n\r\n",
    "no line end": b"NATS/1.0\r\nx: y",
    "a status that is not UTF-8": b"NATS/1.0 \xff\xff\xff\r\n\r\n",
    "a description that is not UTF-8": b"NATS/1.0 200 \xff\r\n\r\n",
}
NOTICED_SECONDS = 5.0
"""It takes a round of the loop; a slow machine has more time, but not the 30 s in which nobody noticed it."""
NAMES = {
    "not UTF-8": b"\xff",
    "half a character": b"\xc3",
    "a vertical tab": b"a\x0b1",
    "a form feed": b"\x0c",
    "a carriage return": b"a\rb",
    "a NUL": b"\x00",
    "a lone surrogate": b"\xed\xa0\x80",
}


async def echo(event: Transcript) -> AsyncGenerator[Event, None]:
    yield Sentence(attempt="a1", n=0, text=event.text, last=True)


async def answered(bus: Bus, turn: str) -> None:
    """A good turn has its answer."""
    async with listening(bus, "voice.sentence.test.s") as said:
        await bus.publish(transcript(turn))
        await wait_until(lambda: [event.turn for event in said] == [turn], "a good turn is answered", 5)


@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS.keys())
async def test_headers_that_cannot_be_read_become_a_dead_letter_with_the_bytes_and_their_sender_is_told(
    bus: Bus, bus_settings: BusSettings, block: bytes
) -> None:
    """Its body is kept too; the next turn is answered at once, and not when the broker gives up waiting."""
    async with (
        listening(bus, "voice.*.evil.*") as ends,
        working(bus, stage(echo)),
        wire.dialled(bus_settings.nats_url) as sender,
    ):
        await sender.send(wire.hpub(b"voice.transcript.evil.p0", block, b'{"text": "x"}'))
        await wait_until(lambda: len(ends) == 2, "it came to its end")
        await answered(bus, "good")
        await settled(bus)

    (dead,) = [event for event in ends if isinstance(event, Dead)]
    assert (dead.code, dead.subject, dead.body) == (codes.NOT_AN_EVENT, "voice.transcript.evil.p0", b'{"text": "x"}')
    kept = dead.headers.get(codec.UNREADABLE, "").encode("latin-1")
    assert kept == (b"" if b"1.0 " in block else block)  # of a status line the broker keeps nothing
    assert [event.code for event in ends if isinstance(event, Failed)] == [codes.NOT_AN_EVENT]


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
async def test_a_subject_that_names_nobody_becomes_a_dead_letter(
    bus: Bus, bus_settings: BusSettings, name: bytes
) -> None:
    """Wherever in the subject the bytes are."""
    async with (
        listening(bus, "voice.dead.>") as letters,
        working(bus, stage(echo)),
        wire.dialled(bus_settings.nats_url) as sender,
    ):
        await sender.send(
            wire.pub(b"voice.transcript.evil." + name, b"1"), wire.pub(b"voice.transcript." + name + b".s", b"2")
        )
        await wait_until(lambda: len(letters) == 2, "both came to their end")
        await answered(bus, "good")
        await settled(bus)

    assert sorted(letter.body for letter in letters if isinstance(letter, Dead)) == [b"1", b"2"]


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
async def test_core_messages_that_cannot_be_read_harm_no_subscription(
    bus: Bus, bus_settings: BusSettings, name: bytes
) -> None:
    """On the cancels that all services hear, on discovery and on the watch; also as the reply subject."""
    frames = [wire.pub(root + name) for root in (b"voice.cancel.evil.", b"$SRV.PING.", b"voicewatch.stt.evil.")]
    frames += [wire.hpub(b"voice.cancel.evil.s", block) for block in BLOCKS.values()]
    frames += [b"PUB $SRV.PING _INBOX.%b 0\r\n\r\n" % name, wire.hpub(b"voicewatch.wanted", BLOCKS["seven bytes"])]
    async with working(bus, stage(echo)), wire.dialled(bus_settings.nats_url) as sender:
        await sender.send(*frames)
        await answered(bus, "good")
        await bus.check()


@pytest.mark.parametrize(
    "line",
    [b"MSG a.b 7 5\r\nhello\r\n", b"MSG a.b 7  5\r\nhello\r\n", b"HMSG a.b 7  12 17\r\nNATS/1.0\r\n\r\nhello\r\n"],
    ids=["no reply", "an empty reply", "an empty reply and headers"],
)
async def test_a_control_line_is_read_as_the_broker_writes_it(bus_settings: BusSettings, line: bytes) -> None:
    """Its own advisories have an empty reply, which leaves two spaces."""
    async with buses.connect(bus_settings, "reader") as bus:
        before = bus.client.stats["in_msgs"]
        await bus.client._ps.parse(line)
        assert bus.client.stats["in_msgs"] == before + 1


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
async def test_no_name_costs_the_connection(bus: Bus, bus_settings: BusSettings, name: bytes) -> None:
    """One that did was delivered again and again, and each time the connection was made anew."""
    again = list[str]()
    bus.on_reconnect.append(lambda: again.append("reconnected"))
    async with (
        listening(bus, "voice.dead.*.*") as letters,
        working(bus, stage(echo)),
        wire.dialled(bus_settings.nats_url) as sender,
    ):
        await sender.send(wire.pub(b"voice.transcript.evil." + name, b"1"), wire.pub(b"voice.cancel.evil." + name))
        await wait_until(lambda: bool(letters), "it is a dead letter")
        await answered(bus, "good")
    assert again == []


async def test_eight_megabytes_of_headers_keep_nobody_waiting(bus: Bus, bus_settings: BusSettings) -> None:
    """A core message may have so many; their lines are not looked at."""
    block = b"NATS/1.0\r\n" + b"a:b\r\n" * 1_600_000 + b"\r\n"
    before = counted()
    async with listening(bus, "voice.cancel.*.*"), wire.dialled(bus_settings.nats_url) as sender:
        sending, spent = asyncio.create_task(sender.send(wire.hpub(b"voice.cancel.evil.s", block))), time.process_time()
        await wait_until(lambda: counted() == before + 1, "it is dropped and counted")
        await sending
        spent = time.process_time() - spent
    assert spent < 0.6, "1.0 s where each line is read"


async def test_a_pong_that_comes_too_late_ends_nothing(bus: Bus) -> None:
    """A `flush` that gives up leaves its future cancelled, and nats-py sets it."""
    given_up: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    given_up.cancel()
    await bus.client._send_ping(given_up)
    await bus.check()


def counted() -> float:
    """How many messages of this process could not be read."""
    return sum(sample.value for metric in metrics.UNREADABLE.collect() for sample in metric.samples)


async def test_what_cannot_be_read_is_counted(bus: Bus, bus_settings: BusSettings) -> None:
    before = counted()
    async with working(bus, stage(echo)), wire.dialled(bus_settings.nats_url) as sender:
        await sender.send(wire.pub(b"voice.cancel.evil.\xff"), wire.hpub(b"voice.cancel.evil.s", b"NATS/1.0"))
        await wait_until(lambda: counted() == before + 2, "both are counted")


async def test_a_reader_that_ends_all_the_same_is_noticed_within_a_second_and_loses_the_bus(
    bus_settings: BusSettings,
) -> None:
    """By whatever nobody has thought of: a service without ears must not look alive."""
    async with buses.connect(bus_settings, "deaf") as bus:

        async def stumble(data: bytes = b"") -> None:
            raise ZeroDivisionError

        bus.client._ps.parse = stumble  # type: ignore[method-assign]
        flushing = asyncio.create_task(bus.client.flush(1))  # its PONG is what it stumbles over
        with pytest.raises(BusLost, match="stopped reading"):
            await asyncio.wait_for(bus.lost(), NOTICED_SECONDS)
        await asyncio.gather(flushing, return_exceptions=True)


@pytest.mark.parametrize(
    "hook", ["_process_headers", "_process_msg", "_process_pong", "_build_message", "_read_loop", "_ps"]
)
def test_nats_py_still_has_what_is_mended(hook: str) -> None:
    """A release that renames one of them must not be taken without a look at `nats_reader`."""
    assert hasattr(Client(), hook)


async def test_nats_py_still_needs_it(bus_settings: BusSettings) -> None:
    """When this fails the mend can go: a bare client has read the bytes that ended its reader before."""
    client = Client()
    await client.connect(bus_settings.nats_url)
    heard = list[Msg]()

    async def keep(message: Msg) -> None:
        heard.append(message)

    await client.subscribe("evil", cb=keep)
    await client.flush()
    async with wire.dialled(bus_settings.nats_url) as sender:
        await sender.send(wire.hpub(b"evil", b"NATS/1.0"), wire.pub(b"evil", b"good"))
    await wait_until(lambda: bool(client._reading_task and client._reading_task.done()), "its reader has ended")
    assert client.is_connected
    assert heard == []
    await client.close()
