"""What a worker takes it gives back: places, credits, runs and sightings, however its events end."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from bus_schemas import Cancel, Event, Sentence, Transcript, names
from services.runtime.alone import NoPlace, Room
from services.runtime.bus import Bus
from services.runtime.errors import Busy, Refused, Unavailable
from services.runtime.health import Readiness
from services.runtime.worker import Worker, WorkerSettings
from tests.harness import wait_until
from tests.runtime.workers import settled, stage, transcript

PLACES = 3
WORK = st.lists(st.tuples(st.booleans(), st.integers(0, 4), st.sampled_from(["finish", "fail", "cancel"])), max_size=15)


@settings(max_examples=40, deadline=None)
@given(WORK)
async def test_a_room_is_empty_at_the_end_and_never_has_too_many(work: list[tuple[bool, int, str]]) -> None:
    """Together and alone, in turn and in vain, cancelled while they wait and while they work."""
    room, inside = Room(PLACES), set[int]()

    async def visit(number: int, alone: bool, ticks: int) -> None:
        with contextlib.suppress(NoPlace, ValueError):
            async with room.enter(alone=alone, seconds=0.1 if ticks == 4 else 5, order=number):
                inside.add(number)
                try:
                    assert len(inside) == 1 if alone else len(inside) <= PLACES
                    await asyncio.sleep(ticks / 100)
                    if work[number][2] == "fail":
                        raise ValueError
                finally:
                    inside.remove(number)

    visits = [asyncio.create_task(visit(n, alone, ticks)) for n, (alone, ticks, _) in enumerate(work)]
    await asyncio.sleep(0.02)
    for n, (_, _, end) in enumerate(work):
        if end == "cancel":
            visits[n].cancel()
    done = await asyncio.gather(*visits, return_exceptions=True)
    assert [error for error in done if isinstance(error, Exception)] == []
    assert (room._inside, room._suspects) == (0, [])


OUTCOMES = ("finish", "refuse", "busy", "crash", "away", "cancel", "late")
EVENTS = st.lists(st.sampled_from(OUTCOMES), min_size=1, max_size=8).filter(lambda ends: ends.count("crash") < 2)
"""Two crashes in a row end a worker."""


def held(worker: Worker, bus: Bus) -> tuple[int, ...]:
    """All that a worker counts while it works."""
    messages = (len(worker._holding), worker._pull._held, worker._waiting, worker._room._inside)
    return (*messages, worker.account.now.running, bus.sightings.open, len(worker._running._runs))


@asynccontextmanager
async def admit(event: Event, _: int) -> AsyncIterator[bool]:
    """Nobody who is busy comes in."""
    if isinstance(event, Transcript) and event.text == "busy":
        raise Busy("Too many ask.", 1.0)
    yield False


@settings(
    max_examples=15,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(EVENTS)
async def test_a_worker_holds_nothing_when_its_events_have_ended(bus: Bus, outcomes: list[str]) -> None:
    """Finished, refused, busy, crashed once, given back, cancelled or too late."""
    tried = set[str]()

    async def handle(event: Transcript) -> AsyncGenerator[Event, None]:
        first = event.turn not in tried
        tried.add(event.turn)
        match event.text:
            case "refuse":
                raise Refused("refused.language", "Nobody here speaks this.")
            case "crash" if first:
                raise RuntimeError("boom")
            case "away" if first:
                raise Unavailable("the engine is down")
            case "cancel":
                await bus.tell(Cancel(origin="test", session="s", turn=event.turn))
                await asyncio.sleep(5)
        yield Sentence(n=0, attempt="a", text="", last=True)

    stopping = asyncio.Event()
    worker = Worker(
        bus, msgspec.structs.replace(stage(handle), admit=admit), WorkerSettings(ack_wait=1.0), Readiness(), "test"
    )
    task = asyncio.create_task(worker.run(stopping))
    for outcome in outcomes:
        deadline = round(bus.time() * 1000) - 1 if outcome == "late" else 0
        await bus.publish(transcript(names.fresh(), outcome, deadline=deadline))

    await settled(bus)
    await wait_until(lambda: not any(held(worker, bus)), "nothing is held", 5)
    stopping.set()
    await asyncio.wait({task}, timeout=12)
    assert task.done()
