"""A bound for what all sockets together hold unread: who holds most goes, the others do not notice."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from websockets.asyncio.client import connect

from services.edge.gate import STRANGERS_SOCKETS, Gate
from services.edge.server import Edge
from services.edge.settings import EdgeSettings
from services.runtime.bus import Bus, BusSettings
from tests.edge.asking import answering, edge, receive, tone, two_sentences
from tests.edge.raw import BINARY, connected, frame

MIB = 1024 * 1024
MOST = 8 * MIB


@pytest.fixture
async def server(bus_settings: BusSettings) -> AsyncIterator[Edge]:
    settings = EdgeSettings(max_unread_bytes=MOST, max_frame_bytes=4 * MIB)
    async with edge(bus_settings, settings) as (running, _):
        yield running


def held(server: Edge) -> int:
    """Bytes that all of its sockets hold."""
    return sum(server.unread._held(connection) for connection in server.unread._connections)


@pytest.mark.parametrize("final", [True, False], ids=["one frame that never ends", "fragments"])
async def test_who_holds_most_is_closed_and_others_are_answered(bus: Bus, server: Edge, final: bool) -> None:
    """Ten sockets begin messages of four megabytes, and end none."""
    part = frame(BINARY, bytes(4 * MIB), final=True)[: 3 * MIB] if final else frame(BINARY, bytes(3 * MIB), final=False)
    async with answering(bus, two_sentences), asyncio.TaskGroup() as group:

        async def hoard() -> int:
            async with connected(server.port) as client:
                await client.send(part)
                return await client.closed(15)

        hoarding = [group.create_task(hoard()) for _ in range(10)]
        async with connect(f"ws://127.0.0.1:{server.port}/ws") as good:
            for _ in range(5):
                await good.send(tone(1))
                await receive(good)
                assert held(server) <= MOST + 2 * MIB
        done, left = await asyncio.wait(hoarding, timeout=10)
        codes = [task.result() for task in done if not task.exception()]
        for task in left:
            task.cancel()
    assert len(left) <= 2
    assert set(codes) == {1013}


async def test_a_question_of_the_largest_size_is_taken(bus: Bus, bus_settings: BusSettings) -> None:
    """As it is by default."""
    async with (
        edge(bus_settings, EdgeSettings()) as (running, _),
        answering(bus, two_sentences),
        connect(f"ws://127.0.0.1:{running.port}/ws") as client,
    ):
        await client.send(tone(100))
        await receive(client)


@pytest.mark.parametrize(
    ("host", "keys", "limit", "most"),
    [
        ("0.0.0.0", "", 0, STRANGERS_SOCKETS),
        ("0.0.0.0", "", 3, 3),
        ("0.0.0.0", "shop:key-of-shop-0123456789", 0, None),
        ("127.0.0.1", "", 0, None),
    ],
)
def test_strangers_have_so_many_sockets_of_an_address(host: str, keys: str, limit: int, most: int | None) -> None:
    """Where anybody may ask, and nobody has set a limit, there is one."""
    gate = Gate(EdgeSettings(host=host, api_keys=keys, max_sockets_per_address=limit), lambda: 0.0)
    gate._sockets["203.0.113.7"] = (most or 100_000) - 1
    assert not gate.crowded("203.0.113.7")
    gate._sockets["203.0.113.7"] += 1
    assert gate.crowded("203.0.113.7") is (most is not None)
