"""The pull loop: never more than its credit, and through every change of the broker."""

import asyncio
from pathlib import Path

import pytest
from nats.aio.msg import Msg

from services.cli import broker
from services.runtime import bus as buses
from services.runtime import streams
from services.runtime.bus import Bus, BusSettings
from services.runtime.pull import EXPIRES_SECONDS, Pull
from services.runtime.streams import TRANSCRIPT, StreamSettings
from tests.harness import free_port, wait_until
from tests.runtime.workers import transcript


async def test_no_more_messages_are_held_than_the_credit(bus: Bus) -> None:
    held: list[Msg] = []
    for number in range(10):
        await bus.publish(transcript(f"t{number}"))
    async with Pull(bus, TRANSCRIPT, "llm", 3, held.append) as pull:
        await wait_until(lambda: len(held) == 3, "three are held")
        await asyncio.sleep(0.3)
        assert len(held) == 3

        await held[0].ack()
        pull.release()
        await wait_until(lambda: len(held) == 4, "a settled one makes room for one more")


async def test_a_message_published_while_the_loop_waits_is_taken_at_once(bus: Bus) -> None:
    held: list[Msg] = []
    async with Pull(bus, TRANSCRIPT, "llm", 1, held.append):
        await asyncio.sleep(0.3)
        await bus.publish(transcript("t1"))
        await wait_until(lambda: len(held) == 1, "it is taken", seconds=EXPIRES_SECONDS / 3)


async def test_a_paused_loop_takes_nothing_new_until_it_goes_on(bus: Bus) -> None:
    held: list[Msg] = []
    async with Pull(bus, TRANSCRIPT, "llm", 1, held.append) as pull:
        await bus.publish(transcript("t1"))
        await wait_until(lambda: len(held) == 1, "the first is taken")
        pull.pause(True)
        await held[0].ack()
        pull.release()
        await bus.publish(transcript("t2"))
        await asyncio.sleep(0.3)
        assert len(held) == 1

        pull.pause(False)
        await wait_until(lambda: len(held) == 2, "the second is taken")


async def test_a_sender_cannot_speak_for_the_broker(bus: Bus) -> None:
    held: list[Msg] = []
    async with Pull(bus, TRANSCRIPT, "llm", 2, held.append):
        await bus.client.publish("voice.transcript.a.b", b"{}", headers={"Status": "503"})
        await wait_until(lambda: len(held) == 1, "a message with a status header is a message")


async def test_a_consumer_that_is_not_there_yet_is_found_when_it_is_made(bus: Bus) -> None:
    held: list[Msg] = []
    await bus.jetstream.delete_consumer(TRANSCRIPT, "llm")
    async with Pull(bus, TRANSCRIPT, "llm", 1, held.append) as pull:
        await wait_until(lambda: not pull.reachable, "the loop says that nobody answers")
        await bus.publish(transcript("t1"))
        await streams.setup(bus.jetstream, StreamSettings(ack_wait=1.0))
        await wait_until(lambda: len(held) == 1 and pull.reachable, "the message is taken")


@pytest.mark.timeout(90)
@pytest.mark.parametrize("gently", [True, False], ids=["restart", "kill"])
async def test_work_goes_on_after_the_broker_came_back(tmp_path: Path, gently: bool) -> None:
    held: list[Msg] = []
    port = free_port()
    settings = BusSettings(nats_url=f"nats://127.0.0.1:{port}")
    first = broker.start(port, tmp_path)
    running = await first.__aenter__()
    async with buses.connect(settings, "test") as bus:
        await streams.setup(bus.jetstream, StreamSettings(ack_wait=1.0))
        async with Pull(bus, TRANSCRIPT, "llm", 4, held.append):
            await bus.publish(transcript("before"))
            await wait_until(lambda: len(held) == 1, "the first is taken")
            await held[0].ack()
            await bus.client.flush()
            if not gently:
                running.process.kill()
            await first.__aexit__(None, None, None)
            async with broker.start(port, tmp_path):
                await wait_until(lambda: bus.client.is_connected, "the client is back")
                await bus.publish(transcript("after"))
                await wait_until(lambda: any(b"after" in message.data for message in held), "it is taken")
