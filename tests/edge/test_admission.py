"""The edge takes a turn that would be answered in its time, and tells every other at once when to ask again."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator

import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect

from bus_schemas import Event, Step, Utterance, codes
from bus_schemas.frames import ErrorFrame
from services.edge import outlook
from services.edge.outlook import Outlook, Stage
from services.edge.server import Edge
from services.edge.settings import EdgeSettings
from services.runtime.backlog import Queue
from services.runtime.bus import Bus, BusSettings
from services.runtime.shares import Backlog
from tests.edge.asking import answering, edge, receive, speech, tone
from tests.overload import sockets

BURST = 16
SECONDS = 0.3


def step(stage: str, seconds: float) -> Step:
    """What a stage took of a turn, in which it waited long."""
    return Step(stage=stage, worker="w", queue_ms=60_000, service_ms=seconds * 1000)


def busy_since(waiting: int, working: int, measured: float = 4.0, **turns: int) -> Outlook:
    """An outlook of time 100 where stt takes 0.5 s, was seen to do *measured* a second, and has a line."""
    stages = {"stt": Stage(measured=measured)}
    seen = Outlook(seen=100.0, backlog=Backlog(turns), stages=stages)
    return looked(outlook.learn(seen, [step("stt", 0.5), step("llm", 1.0)]), "stt", waiting, working)


def looked(seen: Outlook, stage: str, waiting: int, working: int, delivered: int = 0) -> Outlook:
    """A look at a stage, a second after the one before, which found *delivered* fewer settled."""
    before = seen.stages.get(stage, Stage())
    settled = before.finished + delivered
    told = {"num_pending": waiting, "num_ack_pending": working, "delivered": {"consumer_seq": settled + working}}
    return outlook.look(seen, stage, msgspec.convert(told, Queue), (before.since or 99.0) + 1.0)


def waits(seen: Outlook, origin: str, now: float = 100.0, **asked: int) -> float:
    """Seconds in lines."""
    return round(outlook.wait(seen, origin, asked, BURST, now, since=now), 6)


def test_a_line_takes_what_its_turns_take_on_the_places_that_there_are() -> None:
    """42 turns of which 2 are worked on: 40 on 2 places, half a second each."""
    seen = busy_since(40, 2, web=42)
    assert waits(seen, "web") == 10.0
    assert waits(seen, "web", now=104.0) == 6.0
    assert waits(seen, "web", now=120.0) == 0.0
    assert outlook.work(seen) == 1.5


def test_what_this_edge_asked_since_the_look_is_in_the_line_too() -> None:
    seen = busy_since(40, 2, web=42)
    assert waits(seen, "web", web=4) == 11.0
    assert waits(seen, "web", now=104.0, web=4) == 7.0
    assert waits(seen, "web", now=200.0, web=4) == 1.0  # nothing was done for them before they were asked


def test_another_origins_flood_is_no_reason_to_refuse() -> None:
    """stt turns it away: of it no more than its burst is before anybody."""
    seen = busy_since(500, 2, flood=502)
    assert waits(seen, "flood") == 125.0
    assert waits(seen, "web") == (16 - 2) * 0.25


def test_the_lines_of_the_later_stages_count() -> None:
    """Of llm nobody has seen yet what it does: half of what its two places could, one a second."""
    seen = looked(busy_since(0, 2), "llm", 8, 2)
    assert waits(seen, "web") == 8.0
    assert waits(looked(seen, "llm", 8, 2, delivered=2), "web") == 4.0


def test_what_waits_for_the_first_stage_will_wait_for_a_slower_one() -> None:
    """40 turns on two places: in stt 10 s; but llm takes a second for each, and will have done 40 and 8 after 24 s."""
    seen = looked(busy_since(40, 2, web=42), "llm", 8, 2)
    assert waits(looked(seen, "llm", 8, 2, delivered=2), "web") == 24.0


def test_places_that_do_less_than_they_could_are_taken_at_what_they_do() -> None:
    """Two places of half a second could do 4 a second; 2 were seen. With none seen a worker has died: not for long."""
    seen = busy_since(40, 2, measured=0.0, web=42)
    assert waits(seen, "web") == 20.0  # nothing was seen yet
    assert waits(looked(seen, "stt", 40, 2, delivered=2), "web") == 20.0
    assert waits(looked(seen, "stt", 40, 2, delivered=9), "web") == 10.0
    dead = looked(looked(seen, "stt", 40, 2, delivered=2), "stt", 40, 2)
    for _ in range(20):
        dead = looked(dead, "stt", 40, 2)
    assert waits(dead, "web") == 30.0


def test_looks_that_follow_each_other_soon_are_counted_together() -> None:
    """In a tenth of a second a stage of half a second finishes none or several, and neither is its speed."""
    seen = busy_since(40, 2, measured=0.0, web=42)
    for tenth in range(1, 11):
        told = {"num_pending": 40, "num_ack_pending": 2, "delivered": {"consumer_seq": 2 + tenth // 5 * 2}}
        seen = outlook.look(seen, "stt", msgspec.convert(told, Queue), 100.0 + tenth / 10)
        assert waits(seen, "web") == (20.0 if tenth < 10 else 10.0)


def test_before_a_speed_is_known_a_line_takes_a_second_a_turn() -> None:
    """What is worked on waits for nobody; then the speed that was seen is believed, before a turn was answered too."""
    cold = looked(Outlook(seen=100.0, backlog=Backlog({"web": 30})), "stt", 20, 10)
    assert waits(cold, "web") == 20.0
    assert waits(Outlook(seen=100.0), "web", web=12) == 11.0
    assert waits(looked(cold, "stt", 20, 10, delivered=40), "web") == 0.5


def test_of_a_stage_that_nobody_had_to_wait_for_one_place_is_known() -> None:
    """At 10 ms a turn it does 100 a second on that place, and is trusted with half of them, not with one a second."""
    seen = outlook.learn(Outlook(seen=100.0), [step("stt", 0.01)])
    assert waits(seen, "web", web=101) == 2.0


def test_a_system_where_nobody_waits_is_not_held_for_slow() -> None:
    """Ninety are worked on and nobody waits: nobody knows how many more could be."""
    seen = looked(looked(Outlook(seen=100.0, backlog=Backlog({"web": 90})), "stt", 0, 90), "llm", 0, 90)
    assert waits(seen, "web") == 0.0


@pytest.fixture
async def server(bus: Bus, bus_settings: BusSettings) -> AsyncIterator[Edge]:
    """An edge that listens."""
    async with edge(bus_settings, EdgeSettings()) as (running, _):
        yield running


async def slow(_: Utterance) -> AsyncGenerator[Event, None]:
    """All three stages, in one that takes its time."""
    await asyncio.sleep(SECONDS)
    yield speech(0, last=True)


async def told(client: ClientConnection) -> ErrorFrame:
    """An error frame."""
    async with asyncio.timeout(5):
        return msgspec.json.decode(await client.recv(), type=ErrorFrame)


async def test_a_turn_that_cannot_be_answered_in_time_is_busy_at_once_and_others_are_taken(
    bus: Bus, server: Edge
) -> None:
    """Twenty turns wait for a worker that does one in 0.3 s: 6 s. Who has 2 s is refused now, who has 60 s is not."""
    url = f"ws://127.0.0.1:{server.port}/ws"
    async with answering(bus, slow, credit=1), connect(url) as first, connect(f"{url}?timeout=2") as hasty:
        await first.send(tone(0.2))
        await receive(first)
        for n in range(20):
            await bus.jetstream.publish(f"voice.utterance.web.line{n}", tone(0.2))
        await first.send(tone(0.2))
        await asyncio.sleep(1.3)  # the edge looks once a second

        began = time.monotonic()
        await hasty.send(tone(0.2))
        error = (await told(hasty)).error
        assert time.monotonic() - began < 1.5  # not at its deadline
        assert error.code == codes.BUSY
        assert error.retry_after is not None
        assert 1 <= error.retry_after <= 12  # what the worker does was not seen yet: half of what it could
        await receive(first)

        await asyncio.sleep(error.retry_after)
        await hasty.send(tone(0.2))
        await receive(hasty)


async def test_of_a_flood_that_meets_a_cold_edge_as_much_is_taken_as_can_be_done_in_time(
    bus: Bus, server: Edge
) -> None:
    """A hundred a second, 4 s for each, for a worker of which nothing is known and that does less than 20 a second."""

    async def quick(_: Utterance) -> AsyncGenerator[Event, None]:
        await asyncio.sleep(0.05)
        yield speech(0, last=True)

    url = f"ws://127.0.0.1:{server.port}/ws?timeout=4"
    async with answering(bus, quick, credit=1), sockets.opened(url, 100) as clients:
        counts = await sockets.offer(clients, tone(0.2), rate=100, seconds=3, patience=4)
    assert not counts.failed
    assert len(counts.answered) > 30
    assert len(counts.busy) > 100
