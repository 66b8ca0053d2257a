"""The connection: what a publisher is told, and what happens when the broker is away or frozen."""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from bus_schemas import Transcript, Utterance, codes
from services.cli import broker
from services.runtime import bus as buses
from services.runtime import streams, watch
from services.runtime.bus import Bus, BusSettings
from services.runtime.errors import BusLost, QueueFull, Refused, StartError, Unavailable
from services.runtime.streams import UTTERANCE, StreamSettings
from tests.harness import free_port, freeze, wait_until


def utterance(turn: str, session: str = "s") -> Utterance:
    return Utterance(origin="test", session=session, turn=turn, wav=b"RIFF")


async def test_the_same_event_published_twice_is_stored_once(bus: Bus) -> None:
    await bus.publish(utterance("t1"))
    await bus.publish(utterance("t1"))

    assert (await bus.jetstream.stream_info(UTTERANCE)).state.messages == 1


async def test_equal_turn_names_of_two_sessions_are_two_turns(bus: Bus) -> None:
    await bus.publish(utterance("t1", "a"))
    await bus.publish(utterance("t1", "b"))

    assert (await bus.jetstream.stream_info(UTTERANCE)).state.messages == 2


async def test_a_full_queue_is_told_and_the_same_event_may_be_tried_again(bus: Bus) -> None:
    for number in range(4):
        await bus.publish(utterance(f"t{number}"))
    with pytest.raises(QueueFull, match=r"voice\.utterance\.test\.s"):
        await bus.publish(utterance("t5"))

    await bus.jetstream.purge_stream(UTTERANCE)
    await bus.publish(utterance("t5"))

    assert (await bus.jetstream.stream_info(UTTERANCE)).state.messages == 1


async def test_what_its_stream_will_never_take_is_refused_at_once(bus: Bus) -> None:
    transcript = Transcript(origin="test", session="s", turn="t1", text="x" * 300_000, seconds=1.0)
    with pytest.raises(Refused, match="message size exceeds maximum allowed") as refused:
        await bus.publish(transcript)

    assert refused.value.code == codes.TOO_LARGE


async def test_a_missing_stream_says_how_to_make_it(bus: Bus) -> None:
    await bus.jetstream.delete_stream(UTTERANCE)
    with pytest.raises(Unavailable, match="voicebus setup"):
        await bus.publish(utterance("t1"))


async def test_a_broker_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    settings = BusSettings(nats_url=f"nats://127.0.0.1:{free_port()}", nats_connect_seconds=0.5)
    with pytest.raises(StartError, match=r"no broker answers at nats://127\.0\.0\.1:.*set NATS_URL"):
        async with buses.connect(settings, "test"):
            pass


async def test_a_wrong_password_is_one_sentence(tmp_path: Path) -> None:
    port = free_port()
    async with broker.start(port, tmp_path, extra="authorization { user: stt, password: right }"):
        settings = BusSettings(
            nats_url=f"nats://127.0.0.1:{port}", nats_user="stt", nats_password="wrong", nats_connect_seconds=1.0
        )
        with pytest.raises(StartError, match="does not let stt in: set NATS_USER and NATS_PASSWORD"):
            async with buses.connect(settings, "test"):
                pass


async def test_a_permission_that_is_missing_ends_the_service_with_its_name(tmp_path: Path) -> None:
    port = free_port()
    rules = 'authorization { users: [{user: stt, password: p, permissions: {publish: ["_INBOX.>"]}}] }'
    async with broker.start(port, tmp_path, extra=rules):
        settings = BusSettings(nats_url=f"nats://127.0.0.1:{port}", nats_user="stt", nats_password="p")
        async with buses.connect(settings, "test") as bus:
            with pytest.raises(Unavailable):
                await asyncio.gather(bus.publish(utterance("t1")), return_exceptions=False)
            with pytest.raises(BusLost, match="permission"):
                async with asyncio.timeout(5):
                    await bus.lost()


async def test_publishing_while_the_broker_is_away_is_told_at_once(tmp_path: Path) -> None:
    port = free_port()
    first = broker.start(port, tmp_path)
    await first.__aenter__()
    async with buses.connect(BusSettings(nats_url=f"nats://127.0.0.1:{port}"), "test") as bus:
        await streams.setup(bus.jetstream, StreamSettings())
        await first.__aexit__(None, None, None)
        await wait_until(lambda: not bus.client.is_connected, "the client has noticed")
        with pytest.raises(Unavailable, match="the broker is away"):
            await bus.publish(utterance("t1"))


async def test_what_a_killed_broker_did_not_confirm_is_told_as_soon_as_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who publishes need not wait for a confirmation that can never come."""
    monkeypatch.setattr(buses, "PUBLISH_SECONDS", 50.0)
    port = free_port()
    async with contextlib.AsyncExitStack() as first:
        running = await first.enter_async_context(broker.start(port, tmp_path))
        async with buses.connect(BusSettings(nats_url=running.url), "test") as bus:
            await streams.setup(bus.jetstream, StreamSettings())
            await freeze(running.process)
            before = bus.client.stats["out_msgs"]
            publishing = asyncio.create_task(bus.publish(utterance("t1")))
            await wait_until(lambda: bus.client.stats["out_msgs"] > before, "it is published")
            await wait_until(lambda: bus.client.pending_data_size == 0, "it is sent")
            running.process.kill()
            await first.aclose()
            async with broker.start(port, tmp_path):
                with pytest.raises(Unavailable, match="did not confirm"):
                    async with asyncio.timeout(20):
                        await publishing
                await bus.publish(utterance("t1"))


async def test_what_is_published_as_soon_as_the_broker_is_back_is_confirmed(tmp_path: Path) -> None:
    """The client calls itself connected before it says that it has reconnected."""
    port = free_port()
    async with contextlib.AsyncExitStack() as first:
        running = await first.enter_async_context(broker.start(port, tmp_path))
        async with buses.connect(BusSettings(nats_url=running.url), "test") as bus:
            await streams.setup(bus.jetstream, StreamSettings())
            await bus.publish(utterance("t1"))
            await first.aclose()
            await wait_until(lambda: not bus.client.is_connected, "the client has noticed")
            async with broker.start(port, tmp_path), asyncio.timeout(20):
                while not bus.client.is_connected:  # noqa: ASYNC110  # a look in every round of the loop
                    await asyncio.sleep(0)
                await bus.publish(utterance("t2"))


@pytest.mark.timeout(90)
async def test_a_frozen_broker_is_left_and_found_again_when_it_thaws(tmp_path: Path) -> None:
    port = free_port()
    settings = BusSettings(nats_url=f"nats://127.0.0.1:{port}")
    async with broker.start(port, tmp_path) as running, buses.connect(settings, "test") as bus:
        await streams.setup(bus.jetstream, StreamSettings())
        await freeze(running.process)
        await bus.client.publish("voice.utterance.test.s", bytes(4 * 1024 * 1024))
        await wait_until(lambda: not bus.client.is_connected, "the client has noticed", seconds=40)
        running.process.send_signal(signal.SIGCONT)
        await wait_until(lambda: bus.client.is_connected, "the client is back", seconds=20)
        await bus.publish(utterance("t1"))


async def test_a_message_over_what_the_broker_takes_is_refused_before_it_costs_the_connection(tmp_path: Path) -> None:
    port, limit = free_port(), 1024 * 1024
    settings = BusSettings(nats_url=f"nats://127.0.0.1:{port}")
    async with broker.start(port, tmp_path, extra=f"max_payload: {limit}"), buses.connect(settings, "test") as bus:
        await streams.setup(bus.jetstream, StreamSettings())
        assert streams.too_small(bus.client)
        for size in range(limit - 120, limit, 10):
            with contextlib.suppress(Refused):
                await bus.publish(Utterance(origin="test", session=str(size), turn="t1", wav=bytes(size)))
        await bus.check()


async def test_a_password_in_the_address_is_not_in_the_error() -> None:
    settings = BusSettings(nats_url=f"nats://me:hush@127.0.0.1:{free_port()}", nats_connect_seconds=0.3)
    with pytest.raises(StartError) as told:
        async with buses.connect(settings, "test"):
            pass

    assert "hush" not in str(told.value)


async def test_a_cancel_that_meets_the_confirmation_is_not_lost(bus: Bus) -> None:
    """Without heed_cancel about half of these went on: nats-py waits with `asyncio.wait_for`."""

    async def publish_on() -> None:
        while True:  # the same one: a slow test must not fill the stream
            await bus.publish(utterance("t1"))

    for number in range(20):
        publishing = asyncio.create_task(publish_on())
        await asyncio.sleep(0.01 + number / 1000)
        publishing.cancel()
        done, _ = await asyncio.wait({publishing}, timeout=5)
        assert publishing in done, "the publisher went on"
        assert publishing.cancelled()


@pytest.mark.parametrize("ask", [watch.watch, lambda bus: streams.standing(bus.jetstream)], ids=["watch", "streams"])
async def test_a_cancel_that_meets_an_answer_is_not_lost(
    bus: Bus, ask: Callable[[Bus], Awaitable[object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who watches the connection, or looks at its streams, went on for ever; who waited for their end hung."""
    monkeypatch.setattr(watch, "CHECK_SECONDS", 0.0)
    monkeypatch.setattr(watch, "STUCK_SECONDS", 0.0)

    async def ask_on() -> None:
        while True:
            await ask(bus)

    for number in range(20):
        asking = asyncio.create_task(ask_on())
        await asyncio.sleep(0.01 + number / 1000)
        asking.cancel()
        done, _ = await asyncio.wait({asking}, timeout=5)
        asking.cancel()
        assert asking in done, "it went on"
        assert asking.cancelled()
