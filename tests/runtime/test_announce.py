"""Services say that they are there by the NATS micro-service API; the library of NATS itself reads what they say."""

import asyncio
from collections.abc import AsyncGenerator

import msgspec
from msgspec.structs import replace
from nats.aio.msg import Msg
from nats.micro.service import ServiceInfo, ServicePing, ServiceStats

from bus_schemas import Event, Sentence, Transcript
from services.edge import presence
from services.edge.settings import EdgeSettings
from services.runtime.bus import Bus, BusSettings
from services.runtime.sightings import EVERY, WANTED, Sighting, Wanted
from tests.edge.asking import edge
from tests.harness import heard, wait_until
from tests.runtime.workers import settled, stage, transcript, working

ANSWER_SECONDS = 5


async def answer(transcript: Transcript) -> AsyncGenerator[Event, None]:
    """One sentence; the word `crash` does."""
    if transcript.text == "crash":
        raise RuntimeError("no")
    yield Sentence(attempt="a", n=0, text="Yes.", last=True)


async def ask(bus: Bus, subject: str) -> dict[str, object]:
    """What one service answers."""
    told = await bus.client.request(subject, b"", timeout=ANSWER_SECONDS)
    found: dict[str, object] = msgspec.json.decode(told.data)
    return found


async def test_a_worker_answers_ping_info_and_stats_as_adr_32_says(bus: Bus) -> None:
    """By all three of its subjects, and with what it runs."""
    made = replace(stage(answer), runs={"engine": "scripted", "model": "m"})
    async with working(bus, made):
        await bus.publish(transcript("t1"))
        await settled(bus)
        ping = await ask(bus, "$SRV.PING")
        info = await ask(bus, "$SRV.INFO.voicebus-llm")
        stats = await ask(bus, f"$SRV.STATS.voicebus-llm.{ping['id']}")
    kinds = [f"io.nats.micro.v1.{verb}_response" for verb in ("ping", "info", "stats")]
    assert [each["type"] for each in (ping, info, stats)] == kinds
    known = ServicePing.from_dict(ping)
    assert (known.name, known.metadata["model"], known.metadata["worker"]) == ("voicebus-llm", "m", "test-worker")
    assert ServiceInfo.from_dict(info).endpoints[0].subject == "voice.transcript.*.*"
    (endpoint,) = ServiceStats.from_dict(stats).endpoints
    assert (endpoint.num_requests, endpoint.num_errors) == (1, 0)
    assert endpoint.processing_time == endpoint.average_processing_time > 0
    assert endpoint.data == {"running": 0, "credit": 4, "done": 1, "failed": 0, "outcomes": {"finished": 1}}


async def test_a_worker_counts_what_fails_and_what_runs(bus: Bus) -> None:
    """A crash is a failure; what is in its hands is running."""
    free = asyncio.Event()

    async def wait(transcript: Transcript) -> AsyncGenerator[Event, None]:
        if transcript.turn == "slow":
            await free.wait()
        async for event in answer(transcript):
            yield event

    async with working(bus, stage(wait)):
        await bus.publish(transcript("bad", "crash"))
        await settled(bus)
        await bus.publish(transcript("slow"))
        await asyncio.sleep(0.2)
        stats = ServiceStats.from_dict(await ask(bus, "$SRV.STATS"))
        free.set()
        await settled(bus)
    data = stats.endpoints[0].data
    assert data is not None
    assert (data["running"], data["done"], data["failed"]) == (1, 0, 2)
    assert data["outcomes"] == {"crashed": 1, "given_up": 1}


async def test_nobody_is_answered_but_an_inbox(bus: Bus) -> None:
    """An answer on the subject of a cancel would be one, of every turn of a conversation."""
    cancels: list[bytes] = []

    async def keep(message: Msg) -> None:
        cancels.append(message.data)

    subscription = await bus.client.subscribe("voice.cancel.>", cb=keep)
    async with working(bus, stage(answer)):
        for verb in ("PING", "INFO", "STATS"):
            await bus.client.publish(f"$SRV.{verb}", b"", reply="voice.cancel.web.kitchen")
        await ask(bus, "$SRV.PING")
        await heard(bus.client)
    await subscription.unsubscribe()
    assert cancels == []


async def test_an_edge_tells_its_sockets_and_turns(bus: Bus, bus_settings: BusSettings) -> None:
    """None of either, to begin with."""
    async with (
        edge(bus_settings, EdgeSettings()) as (listening, own),
        presence.announced(own, listening, "e"),
    ):
        await heard(own.client)
        stats = ServiceStats.from_dict(await ask(bus, "$SRV.STATS.voicebus-edge"))
    assert stats.metadata == {"stage": "edge", "worker": "e", "port": str(listening.port)}
    assert stats.endpoints[0].data is not None
    assert (stats.endpoints[0].data["sockets"], stats.endpoints[0].data["turns"]) == (0, 0)


async def test_what_is_under_way_is_told_to_who_watches_and_to_nobody_else(bus: Bus) -> None:
    """Nothing before it is wanted; then what is open, and how it ends; never a word of what was said."""
    seen: list[bytes] = []
    free = asyncio.Event()

    async def wait(transcript: Transcript) -> AsyncGenerator[Event, None]:
        await free.wait()
        async for event in answer(transcript):
            yield event

    async def keep(message: Msg) -> None:
        seen.append(message.data)

    subscription = await bus.client.subscribe(EVERY, cb=keep)
    async with working(bus, stage(wait)):
        await bus.publish(transcript("t1", "a secret"))
        await asyncio.sleep(0.2)
        assert seen == []
        await bus.client.publish(WANTED, msgspec.json.encode(Wanted(fresh=True)))
        await wait_until(lambda: len(seen) == 1, "what is open is told")
        free.set()
        await wait_until(lambda: len(seen) == 2, "its end is told")
    await subscription.unsubscribe()
    started, finished = (msgspec.json.decode(each, type=Sighting) for each in seen)
    assert [each.what for each in (started, finished)] == ["started", "finished"]
    assert (started.service, started.worker, started.turn) == ("llm", "test-worker", "t1")
    assert started.queue_ms > 0
    assert finished.at >= started.at
    assert b"secret" not in b"".join(seen)
