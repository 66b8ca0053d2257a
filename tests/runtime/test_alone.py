"""The room: together up to its places, or alone."""

import asyncio

from services.runtime.alone import Room


async def test_who_works_alone_shares_the_room_with_nobody() -> None:
    room, inside, seen = Room(3), set[str](), list[frozenset[str]]()

    async def work(name: str, alone: bool) -> None:
        async with room.enter(alone=alone):
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
    async with room.enter(alone=False):
        waiting = asyncio.create_task(_enter(room))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    async with asyncio.timeout(1):
        await _enter(room)


async def _enter(room: Room, alone: bool = True) -> None:
    async with room.enter(alone=alone):
        pass


async def test_who_gives_up_being_alone_lets_the_others_in() -> None:
    room = Room(2)
    async with room.enter(alone=False):
        alone = asyncio.create_task(_enter(room))
        await asyncio.sleep(0)
        together = asyncio.create_task(_enter(room, alone=False))
        await asyncio.sleep(0)
        assert not together.done()
        alone.cancel()
        async with asyncio.timeout(1):
            await together
