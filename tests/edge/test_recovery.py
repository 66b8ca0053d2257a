"""An answer that a socket did not hear is read from the stream: after a silence, and after a reconnect."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec
from websockets.asyncio.client import connect

from bus_schemas import Event, Speech, Utterance, codes
from services.cli import broker
from services.edge.relay import PAGE_MESSAGES, Place, Relay
from services.edge.server import Edge
from services.edge.settings import EdgeSettings
from services.runtime import bus as buses
from services.runtime import streams
from services.runtime.bus import Bus, BusSettings
from services.runtime.streams import StreamSettings
from tests import wire
from tests.edge.asking import edge, length, receive, refused, speech, tone
from tests.harness import free_port, listening, wait_until


def ask(server: Edge) -> connect:
    return connect(f"ws://127.0.0.1:{server.port}/ws")


async def asked(events: Sequence[Event]) -> Utterance:
    """The utterance that the edge has put on the bus."""
    await wait_until(lambda: bool(events), "the turn is on the bus")
    assert isinstance(events[0], Utterance)
    return events[0]


def answer(to: Utterance, n: int, *, last: bool) -> Speech:
    return msgspec.structs.replace(speech(n, last=last), origin=to.origin, session=to.session, turn=to.turn)


async def test_an_answer_that_nobody_heard_is_read_after_a_silence(bus: Bus, bus_settings: BusSettings) -> None:
    """What the edge's own connection publishes it does not hear: only the stream has it."""
    async with (
        edge(bus_settings, EdgeSettings(silence_seconds=0.3)) as (server, deaf),
        listening(bus, "voice.utterance.>") as heard,
        ask(server) as client,
    ):
        await client.send(tone(1))
        utterance = await asked(heard)
        await deaf.publish(answer(utterance, 1, last=True))
        await bus.publish(answer(utterance, 0, last=False))
        got = await receive(client)

    assert got.text == {"transcription": "a question", "llama": "The reply."}
    assert length(got.wav) == (24_000, 1.0)


async def test_an_answer_given_while_the_broker_was_away_is_read_after_the_reconnect(tmp_path: Path) -> None:
    """The broker stops and starts in the middle of a turn; no silence is waited for."""
    port = free_port()
    settings = BusSettings(nats_url=f"nats://127.0.0.1:{port}")
    async with asyncio.timeout(40):
        first = broker.start(port, tmp_path)
        await first.__aenter__()
        async with buses.connect(settings, "test") as bus:
            await streams.setup(bus.jetstream, StreamSettings())
        async with edge(settings, EdgeSettings(silence_seconds=50)) as (server, _), ask(server) as client:
            async with buses.connect(settings, "test") as bus, listening(bus, "voice.utterance.>") as heard:
                await client.send(tone(1))
                utterance = await asked(heard)
            await first.__aexit__(None, None, None)
            async with broker.start(port, tmp_path):
                async with buses.connect(settings, "test") as bus:
                    await bus.publish(answer(utterance, 0, last=True))
                assert (await receive(client)).text["llama"] == "The reply."


async def test_without_a_broker_a_turn_is_told_as_unavailable(tmp_path: Path) -> None:
    """After a bounded time, and the socket stays open for the next turn."""
    port = free_port()
    settings = BusSettings(nats_url=f"nats://127.0.0.1:{port}")
    running = broker.start(port, tmp_path)
    await running.__aenter__()
    async with edge(settings, EdgeSettings(publish_seconds=0.5)) as (server, bus), ask(server) as client:
        await running.__aexit__(None, None, None)
        await wait_until(lambda: not bus.client.is_connected, "the edge sees that the broker is gone")
        for _ in range(2):
            await client.send(tone(1))
            assert await refused(client, 5) == codes.UNAVAILABLE


async def test_reading_goes_on_page_by_page_and_from_where_it_ended(bus: Bus) -> None:
    """Every answer of the session once, none of another; the second reading gives only what is new."""
    relay, read = Relay(bus), list[int]()
    for n in range(PAGE_MESSAGES + 5):
        for session in ("s", "other"):
            await bus.publish(Speech(origin="web", session=session, turn="t", n=n, take="a"))

    def keep(event: Event) -> None:
        assert isinstance(event, Speech)
        assert event.session == "s"
        read.append(event.n)

    first = await relay.read("voice.*.web.s", Place(time=60.0), keep)
    assert read == list(range(PAGE_MESSAGES + 5))
    second = await relay.read("voice.*.web.s", first, keep)
    assert second == first
    await bus.publish(Speech(origin="web", session="s", turn="t", n=1000, take="a"))
    await relay.read("voice.*.web.s", second, keep)
    assert read[PAGE_MESSAGES + 5 :] == [1000]


async def test_reading_goes_on_behind_a_page_of_which_nothing_can_be_read(bus: Bus, bus_settings: BusSettings) -> None:
    """Header blocks that are none, of whoever may publish answers: the good one behind them is still an answer."""
    read = list[Event]()
    async with wire.dialled(bus_settings.nats_url) as sender:
        await sender.send(*[wire.hpub(b"voice.speech.web.s", b"NATS/1.0")] * (PAGE_MESSAGES + 5))
    await bus.publish(Speech(origin="web", session="s", turn="t", n=7, take="a"))
    await Relay(bus).read("voice.*.web.s", Place(time=60.0), read.append)
    assert [event.n for event in read if isinstance(event, Speech)] == [7]
