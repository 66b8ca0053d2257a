"""The room: together up to its places, or alone."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from bus_schemas import Event, Sentence, Transcript
from services.runtime.alone import NoPlace, Room
from services.runtime.bus import Bus
from services.runtime.streams import TRANSCRIPT
from tests.runtime.workers import settled, stage, transcript, working


async def test_who_works_alone_shares_the_room_with_nobody() -> None:
    room, inside, seen = Room(3), set[str](), list[frozenset[str]]()

    async def work(name: str, alone: bool) -> None:
        async with room.enter(alone=alone, seconds=5):
            inside.add(name)
            seen.append(frozenset(inside))
            await asyncio.sleep(0.01)
            inside.remove(name)

    async with asyncio.TaskGroup() as group:
        for number in range(6):
            group.create_task(work(f"t{number}", False))
        group.create_task(work("suspect", True))

    assert [names for names in seen if "suspect" in names] == [frozenset({"suspect"})]
    assert max(len(names) for names in seen) == 3


async def test_who_is_cancelled_while_waiting_leaves_no_place_taken() -> None:
    room = Room(1)
    async with room.enter(alone=False, seconds=5):
        waiting = asyncio.create_task(_enter(room))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    async with asyncio.timeout(1):
        await _enter(room)


async def _enter(room: Room, alone: bool = True) -> None:
    async with room.enter(alone=alone, seconds=5):
        pass


async def test_who_gives_up_being_alone_lets_the_others_in() -> None:
    room = Room(2)
    async with room.enter(alone=False, seconds=5):
        alone = asyncio.create_task(_enter(room))
        await asyncio.sleep(0)
        together = asyncio.create_task(_enter(room, alone=False))
        await asyncio.sleep(0)
        assert not together.done()
        alone.cancel()
        async with asyncio.timeout(1):
            await together


async def test_who_waits_too_long_for_a_place_is_told_and_keeps_nobody_out() -> None:
    room = Room(2)
    async with room.enter(alone=False, seconds=5):
        with pytest.raises(NoPlace):
            async with room.enter(alone=True, seconds=0.1):
                pass
        async with asyncio.timeout(1):
            await _enter(room, alone=False)


@pytest.mark.parametrize("deliveries", [2, 3])
async def test_who_waited_behind_a_suspect_the_last_time_is_before_it_now(bus: Bus, deliveries: int) -> None:
    """A message that kills its workers must not take the same neighbours with it until they are given up too."""
    done: list[str] = []

    async def work(event: Transcript) -> AsyncGenerator[Event, None]:
        await asyncio.sleep(0.1)
        done.append(event.turn)
        yield Sentence(attempt="a1", n=0, text="ok", last=True)

    for number in range(3):
        await bus.publish(transcript(f"s{number}"))
    pulling = await bus.jetstream.pull_subscribe_bind(durable="llm", stream=TRANSCRIPT)
    for _ in range(deliveries - 2):
        for message in await pulling.fetch(3, timeout=5):
            await message.nak(delay=0.01)
        await asyncio.sleep(0.2)
    suspects = await pulling.fetch(3, timeout=5)
    await pulling.unsubscribe()
    async with working(bus, stage(work, credit=8)):
        await bus.publish(transcript("new"))
        await settled(bus, left=3)
        await asyncio.sleep(0.3)
        for message in suspects:
            await message.nak(delay=0.01)
        await settled(bus)

    assert done == ["new", *(["s0", "s1", "s2"] if deliveries == 2 else ["s2", "s1", "s0"])]
