"""Clients that are slow, gone or hostile: bounded in memory and time, closed with the right code, and counted."""

import asyncio
import contextlib
import signal
import struct
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from services.cli import broker
from services.edge import conversation, link, open_files, report
from services.edge import server as servers
from services.edge.server import Edge
from services.edge.settings import EdgeSettings
from services.runtime import bus as buses
from services.runtime import streams
from services.runtime.bus import Bus, BusSettings
from services.runtime.streams import StreamSettings
from tests.edge import raw, streamed
from tests.edge.asking import answering, edge, receive, tone, two_sentences
from tests.edge.raw import BINARY, CLOSE, CONTINUATION, PING, connected, frame, most_memory
from tests.harness import free_port, freeze, listening, wait_until

MANY, QUESTIONS = 1000, 30
MIB = 1024 * 1024
SMALL = 4096
"""A receive buffer that is soon full."""


@pytest.fixture
def edge_settings() -> EdgeSettings:
    """An edge without much patience."""
    return EdgeSettings(send_seconds=2, receive_seconds=2, ping_seconds=0.2, pong_seconds=2)


@pytest.fixture
async def server(bus: Bus, bus_settings: BusSettings, edge_settings: EdgeSettings) -> AsyncIterator[Edge]:
    """An edge that listens."""
    async with edge(bus_settings, edge_settings) as (running, _):
        yield running


def closed(reason: str) -> float:
    """How many sockets of this process were closed because of *reason*."""
    samples = [sample for metric in report.CLOSED.collect() for sample in metric.samples]
    return sum(
        sample.value
        for sample in samples
        if sample.name == "voicebus_closed_sockets_total" and reason in sample.labels.values()
    )


@pytest.fixture
def count(request: pytest.FixtureRequest) -> dict[str, float]:
    """What was counted before the test."""
    words = ("left", "broken", "stopping", "protocol", "too_large", "silent", "slow_reader", "slow_sender")
    return {word: closed(word) for word in words}


async def counted(before: dict[str, float], reason: str) -> None:
    """One more socket was closed because of *reason*, and none because of anything else."""
    await wait_until(lambda: closed(reason) == before[reason] + 1, f"{reason} is counted")
    assert {word: closed(word) - number for word, number in before.items() if closed(word) != number} == {reason: 1}


async def answers(server: Edge, bus: Bus) -> None:
    """The edge is still of use to others."""
    async with answering(bus, two_sentences), connect(f"ws://127.0.0.1:{server.port}/ws") as client:
        await client.send(tone(1))
        assert (await receive(client)).text["llama"] == "The reply."


async def test_a_client_that_leaves_is_counted_as_such(server: Edge, count: dict[str, float]) -> None:
    async with connect(f"ws://127.0.0.1:{server.port}/ws"):
        pass
    await counted(count, "left")


async def test_a_client_that_vanishes_in_the_middle_of_a_frame_is_forgotten(
    server: Edge, bus: Bus, count: dict[str, float]
) -> None:
    """Half a WAV is no turn."""
    async with listening(bus) as events:
        async with connected(server.port) as client:
            await client.send(frame(BINARY, tone(1))[:10_000])
        await counted(count, "broken")
    assert events == []
    await answers(server, bus)


async def test_a_client_that_answers_no_ping_is_closed_with_1011(server: Edge, count: dict[str, float]) -> None:
    async with connected(server.port) as client:
        assert await client.closed(20) == 1011
    await counted(count, "silent")


async def test_one_byte_at_a_time_in_one_frame_ends_with_the_first_ping_that_it_cannot_answer(
    server: Edge, bus: Bus, count: dict[str, float]
) -> None:
    """A pong cannot come in the middle of a frame, so that its time is bounded by PONG_SECONDS."""
    async with connected(server.port) as client, asyncio.TaskGroup() as group:
        drip = group.create_task(_drip(client, frame(BINARY, tone(1))))
        assert await client.closed(20) == 1011
        drip.cancel()
    await counted(count, "silent")
    await answers(server, bus)


@pytest.mark.parametrize("edge_settings", [EdgeSettings(receive_seconds=2)])
async def test_one_byte_at_a_time_in_frames_of_their_own_is_closed_with_1008(
    server: Edge, bus: Bus, count: dict[str, float]
) -> None:
    """Between fragments a client can answer pings for ever."""
    async with connected(server.port) as client, asyncio.TaskGroup() as group:
        await client.send(frame(BINARY, b"R", final=False))
        drip = group.create_task(_repeat(client, frame(CONTINUATION, b"x", final=False), 0.05))
        assert await client.closed(20) == 1008
        drip.cancel()
    await counted(count, "slow_sender")
    await answers(server, bus)


@pytest.mark.parametrize("edge_settings", [EdgeSettings(receive_seconds=2)])
async def test_fragments_of_no_bytes_cost_no_memory(server: Edge, bus: Bus, count: dict[str, float]) -> None:
    """They never reach the limit of a message's size; only its time is up at some point."""
    async with connected(server.port) as client, asyncio.TaskGroup() as group:
        await client.send(frame(BINARY, b"R", final=False))
        before = most_memory()
        flood = group.create_task(_repeat(client, frame(CONTINUATION, b"", final=False) * 10_000, 0))
        assert await client.closed(20) == 1008
        flood.cancel()
        assert most_memory() - before < 30 * MIB
    await counted(count, "slow_sender")


@pytest.mark.parametrize("edge_settings", [EdgeSettings()])
async def test_a_message_in_many_fragments_is_one_message(server: Edge, bus: Bus) -> None:
    """Whole again, whatever it was cut into."""
    wav = tone(1)
    async with answering(bus, two_sentences), connected(server.port) as client:
        await client.send(frame(BINARY, wav[:1], final=False))
        for start in range(1, len(wav), 1000):
            await client.send(frame(CONTINUATION, wav[start : start + 1000], final=False))
        await client.send(frame(CONTINUATION, b""))
        async with asyncio.timeout(10):
            _, text = await client.frame()
    assert b'"transcription":"1 s"' in text


@pytest.mark.parametrize("edge_settings", [EdgeSettings(send_seconds=2)])
async def test_a_client_that_never_reads_its_answers_is_cut_off(
    server: Edge, bus: Bus, count: dict[str, float]
) -> None:
    """After SEND_SECONDS, with 1008 if it reads on at last; what it had asked for meanwhile is not worked on."""
    async with answering(bus, two_sentences), connected(server.port, receive_buffer=SMALL) as client:
        sending = asyncio.create_task(_repeat(client, frame(BINARY, tone(1)), 0.01))
        await wait_until(lambda: closed("slow_reader") > count["slow_reader"], "it is cut off", 60)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    await counted(count, "slow_reader")
    await answers(server, bus)


@pytest.mark.parametrize("edge_settings", [EdgeSettings(ping_seconds=0.2, pong_seconds=2)])
async def test_a_client_that_vanishes_while_it_is_not_read_is_forgotten_and_cancels(
    server: Edge, bus: Bus, count: dict[str, float]
) -> None:
    """So many of its frames wait that no more are taken; nobody works, so nothing else wakes the socket."""
    async with listening(bus, "voice.cancel.>") as cancels:
        async with connected(server.port) as client:
            await client.send(frame(BINARY, tone(1)) + frame(BINARY, b"no WAV") * 100)
            await asyncio.sleep(0.3)
        await wait_until(lambda: bool(cancels), "the turn is cancelled")
        await wait_until(lambda: sum(closed(word) - number for word, number in count.items()) == 1, "it is counted")


@pytest.mark.parametrize("edge_settings", [EdgeSettings(send_seconds=100)])
async def test_pongs_that_nobody_reads_do_not_pile_up(
    server: Edge, bus: Bus, count: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that sends pings and reads nothing is cut off once a megabyte waits for it."""
    monkeypatch.setattr(link, "MOST_UNREAD", 100_000)
    async with connected(server.port, receive_buffer=SMALL) as client:
        before = most_memory()
        flood = asyncio.create_task(_repeat(client, frame(PING, bytes(125)) * 1000, 0))
        await wait_until(lambda: closed("slow_reader") > count["slow_reader"], "it is cut off", 60)
        flood.cancel()
        await asyncio.gather(flood, return_exceptions=True)
        assert most_memory() - before < 100 * MIB
    await counted(count, "slow_reader")
    await answers(server, bus)


async def test_who_reads_nothing_does_not_hold_up_the_end_of_the_edge(
    bus: Bus, bus_settings: BusSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A close frame would wait behind what is not read."""
    monkeypatch.setattr(link, "MOST_UNREAD", 100 * MIB)
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as end, asyncio.timeout(40):
        server, _ = await end.enter_async_context(edge(bus_settings, EdgeSettings(send_seconds=100)))
        async with connected(server.port, receive_buffer=SMALL) as client:
            for _ in range(80):
                await client.send(frame(PING, bytes(125)) * 1000)
            began = loop.time()
            await server.drain(0.2)
            await end.aclose()
    assert loop.time() - began < 5


@pytest.mark.parametrize(
    ("sent", "code", "reason"),
    [
        (b"\xff\xff\xff\xff\xff\xff", 1002, "protocol"),
        (frame(1, b"\xff\xfe"), 1007, "protocol"),
        (struct.pack("!BBQ", 0x82, 0xFF, 2**40) + bytes(4), 1009, "too_large"),
        (frame(CLOSE, struct.pack("!H", 1001)), 1001, "left"),
    ],
    ids=["no frame", "text that is none", "a terabyte", "a close frame"],
)
async def test_each_end_has_its_code_and_its_count(
    server: Edge, count: dict[str, float], sent: bytes, code: int, reason: str
) -> None:
    async with connected(server.port) as client:
        await client.send(sent)
        assert await client.closed(20) == code
    await counted(count, reason)


async def test_a_handshake_that_does_not_end_is_cut_off(
    bus: Bus, bus_settings: BusSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One byte at a time is not enough."""
    monkeypatch.setattr(servers, "OPEN_SECONDS", 0.5)
    async with edge(bus_settings, EdgeSettings()) as (server, _), asyncio.timeout(15):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        drip = asyncio.create_task(_drip(raw.Raw(reader, writer), b"GET /ws HTTP/1.1\r\nHost: x\r\n" * 100))
        with contextlib.suppress(ConnectionResetError):  # when a byte comes between the last reading and the end
            assert await reader.read() == b""
        drip.cancel()
        await asyncio.gather(drip, return_exceptions=True)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@pytest.mark.parametrize("edge_settings", [EdgeSettings()])
async def test_a_thousand_idle_sockets_cost_little_and_leave_room_for_others(server: Edge, bus: Bus) -> None:
    """Both ends of each are in this process; together they take less than 100 kB."""
    open_files.allow(2 * MANY)
    before = most_memory()
    async with AsyncExitStack() as stack:
        for _ in range(MANY):
            await stack.enter_async_context(connected(server.port))
        grown = most_memory() - before
        await answers(server, bus)
    assert grown < MANY * 100_000
    await wait_until(lambda: next(iter(report.SOCKETS.collect())).samples[0].value == 0, "all are gone")


async def _drip(client: raw.Raw, data: bytes) -> None:
    for byte in data:
        await client.send(bytes([byte]))
        await asyncio.sleep(0.05)


async def _repeat(client: raw.Raw, data: bytes, pause: float) -> None:
    """Until the connection breaks."""
    try:
        while True:
            await client.send(data)
            await asyncio.sleep(pause)
    except ConnectionError:
        return


async def test_an_edge_that_stops_does_not_wait_for_a_client_in_its_handshake(
    bus: Bus, bus_settings: BusSettings
) -> None:
    """Nor for one of whom not a byte has come."""
    async with edge(bus_settings, EdgeSettings()) as (running, _):
        _, silent = await asyncio.open_connection("127.0.0.1", running.port)
        _, slow = await asyncio.open_connection("127.0.0.1", running.port)
        slow.write(b"GET /ws HTTP/1.1\r\n")
        async with connect(f"ws://127.0.0.1:{running.port}/ws"):
            began = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - began < 3
    for writer in (silent, slow):
        writer.close()


async def test_who_asks_on_while_the_broker_is_stuck_is_read_no_further(tmp_path: Path) -> None:
    """A new question ends the one before, which may wait for the broker with its sound; no more than a few do."""
    port = free_port()
    settings = BusSettings(nats_url=f"nats://127.0.0.1:{port}")
    async with asyncio.timeout(60), broker.start(port, tmp_path) as running:
        async with buses.connect(settings, "test") as bus:
            await streams.setup(bus.jetstream, StreamSettings())
        async with edge(settings, EdgeSettings()) as (server, _), streamed.ask(server) as client:
            await freeze(running.process)
            try:
                for _ in range(QUESTIONS):
                    await client.send(tone(0.1))
                ends = 0
                with contextlib.suppress(TimeoutError):
                    while ends < QUESTIONS:
                        await streamed.frame(client, 1)
                        ends += 1
            finally:
                running.process.send_signal(signal.SIGCONT)
            assert 0 < ends <= conversation.MOST_UNDONE
            while ends < QUESTIONS - 1:
                assert "cancelled" in (await streamed.turn(client))[-1].text
                ends += 1
