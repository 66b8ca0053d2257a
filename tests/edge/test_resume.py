"""A client whose socket broke comes back, at any edge, and gets what it has not had."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator

import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from bus_schemas import Cancel, Event, Failed, Speech, Transcript, Utterance, codes, names
from services.edge.server import Edge
from services.edge.settings import EdgeSettings
from services.runtime.bus import Bus, BusSettings
from services.runtime.streams import StreamSettings
from tests.edge.asking import answering, edge, receive, refused, speech, tone, two_sentences
from tests.harness import listening, wait_until

SESSION = "0123456789abcdef0123456789abcdef"
SETTINGS = EdgeSettings(silence_seconds=1)


@pytest.fixture
async def edges(bus: Bus, bus_settings: BusSettings) -> AsyncIterator[tuple[Edge, Edge]]:
    """Two edges of one deployment."""
    async with edge(bus_settings, SETTINGS) as (one, _), edge(bus_settings, SETTINGS) as (two, _):
        yield one, two


def ask(server: Edge, query: str = "turns=1", session: str = SESSION) -> connect:
    return connect(f"ws://127.0.0.1:{server.port}/ws?session={session}&{query}")


async def taken(client: ClientConnection) -> str:
    """The name of the turn that the edge has stored."""
    async with asyncio.timeout(10):
        frame = msgspec.json.decode(await client.recv())
    assert list(frame) == ["turn"]
    return str(frame["turn"])


async def test_a_turn_is_named_before_its_answer_where_that_was_asked_for(bus: Bus, edges: tuple[Edge, Edge]) -> None:
    """Each turn of the socket, by the name that it has on the bus; a frame that is no turn has none."""
    async with listening(bus, "voice.utterance.>") as heard, answering(bus, two_sentences), ask(edges[0]) as client:
        for seconds in (1, 2):
            await client.send(tone(seconds))
            name = await taken(client)
            assert (await receive(client)).text["transcription"] == f"{seconds} s"
            assert heard[-1].turn == name
        await client.send(b"no WAV")
        assert await refused(client) == codes.NOT_WAV


async def test_a_running_turn_outlives_its_socket_and_is_answered_at_another_edge(
    bus: Bus, edges: tuple[Edge, Edge]
) -> None:
    """The worker is not disturbed, its one answer comes as if the socket had never broken, and the next turn works."""
    go, worked = asyncio.Event(), list[str]()

    async def when_told(utterance: Utterance) -> AsyncGenerator[Event, None]:
        worked.append(utterance.turn)
        yield speech(0, last=False)
        await go.wait()
        yield speech(1, last=True)

    async with answering(bus, when_told), listening(bus, "voice.cancel.>") as cancels:
        async with ask(edges[0]) as client:
            await client.send(tone(1))
            turn = await taken(client)
            client.transport.abort()
        async with ask(edges[1], f"resume={turn}") as back:
            await back.send(tone(1))
            go.set()
            answers = [await receive(back), await receive(back)]

    assert [answer.text["llama"] for answer in answers] == ["The reply.", "The reply."]
    assert len(worked) == 2
    assert worked[0] == turn
    assert cancels == []


async def test_an_answer_that_nobody_read_is_sent_again(bus: Bus, edges: tuple[Edge, Edge]) -> None:
    """It was complete before the client came back; it may ask for it more than once."""
    async with answering(bus, two_sentences), ask(edges[0]) as client:
        await client.send(tone(1))
        turn = await taken(client)
        first = await receive(client)
    for server in (edges[1], edges[0]):
        async with ask(server, f"resume={turn}") as back:
            assert await receive(back) == first


async def test_a_turn_that_nobody_works_on_yet_is_waited_for(bus: Bus, edges: tuple[Edge, Edge]) -> None:
    """It is still in the first queue."""
    async with ask(edges[0]) as client:
        await client.send(tone(1))
        turn = await taken(client)
        client.transport.abort()
    async with ask(edges[1], f"resume={turn}") as back:
        await asyncio.sleep(1.2)
        async with answering(bus, two_sentences):
            assert (await receive(back)).text["llama"] == "The reply."


async def test_a_turn_that_nobody_takes_has_its_error_at_its_own_deadline(bus: Bus, edges: tuple[Edge, Edge]) -> None:
    """Counted from when it was asked, by the broker's clock."""
    async with ask(edges[0], "turns=1&timeout=4") as client:
        began = time.monotonic()
        await client.send(tone(1))
        turn = await taken(client)
        client.transport.abort()
    await asyncio.sleep(1)
    async with ask(edges[1], f"resume={turn}") as back:
        assert await refused(back) == codes.DEADLINE
    assert 3.5 < time.monotonic() - began < 30


async def test_a_turn_between_two_stages_is_waited_for(bus: Bus, edges: tuple[Edge, Edge]) -> None:
    """Only the transcript of it is left on the bus."""
    event = Transcript(origin="web", session=SESSION, turn="t", text="x", seconds=1, deadline=_in(30))
    await bus.publish(event)
    async with ask(edges[0], "resume=t") as back:
        await asyncio.sleep(1)
        await bus.publish(msgspec.structs.replace(speech(0, last=True), origin="web", session=SESSION, turn="t"))
        await receive(back)


async def test_a_turn_has_one_error_at_its_own_deadline(bus: Bus, edges: tuple[Edge, Edge]) -> None:
    """Not later because its client came back, and the socket is of use afterwards."""
    event = Transcript(origin="web", session=SESSION, turn="t", text="x", seconds=1, deadline=_in(4))
    await bus.publish(event)
    began = time.monotonic()
    async with ask(edges[0], "resume=t") as back:
        assert await refused(back) == codes.DEADLINE
        assert 1 < time.monotonic() - began < 30
        async with answering(bus, two_sentences):
            await back.send(tone(1))
            assert (await receive(back)).text["llama"] == "The reply."


async def test_a_failure_is_told_again_but_not_when_the_turn_was_run_anew(bus: Bus, edges: tuple[Edge, Edge]) -> None:
    """What an operator put back counts, not what failed before."""
    broke = Failed(origin="web", session=SESSION, turn="t", stage="stt", code=codes.CRASHED, message="It broke.")
    await bus.publish(broke)
    async with ask(edges[0], "resume=t") as back:
        assert await refused(back) == codes.CRASHED
    await bus.publish(msgspec.structs.replace(speech(0, last=True), origin="web", session=SESSION, turn="t", run=1))
    async with ask(edges[0], "resume=t") as back:
        assert (await receive(back)).text["llama"] == "The reply."


async def test_a_turn_that_is_not_known_is_said_to_be_none(bus: Bus, edges: tuple[Edge, Edge]) -> None:
    """Never asked, or of another session; nobody is told to stop, and the socket is of use afterwards."""
    other = Speech(origin="web", session="other", turn="theirs", n=0, take="t", end=True, last=True)
    await bus.publish(other)
    async with listening(bus, "voice.cancel.>") as cancels, answering(bus, two_sentences):
        for turn in ("never", "theirs"):
            async with ask(edges[0], f"resume={turn}") as back:
                assert await refused(back) == codes.UNKNOWN_TURN
                await back.send(tone(1))
                await receive(back)

    assert cancels == []


async def test_a_key_cannot_come_back_to_the_turn_of_another(bus: Bus, bus_settings: BusSettings) -> None:
    """Not even with the names of its session and its turn; the one who asked can, within its limits."""
    keys = "ana:key-of-ana-0123456789::1, ben:key-of-ben-0123456789"
    async with edge(bus_settings, EdgeSettings(api_keys=keys)) as (server, _), answering(bus, two_sentences):

        def as_who(name: str, query: str) -> connect:
            url = f"ws://127.0.0.1:{server.port}/ws?session=s&{query}"
            return connect(url, additional_headers={"Authorization": f"Bearer key-of-{name}-0123456789"})

        async with as_who("ana", "turns=1") as client:
            await client.send(tone(1))
            turn = await taken(client)
            await receive(client)
        async with as_who("ben", f"resume={turn}") as thief:
            assert await refused(thief) == codes.UNKNOWN_TURN
        async with as_who("ana", f"resume={turn}") as back:
            await receive(back)
            await back.send(tone(1))
            await receive(back)


async def test_a_client_that_says_goodbye_cancels_its_turn_even_if_it_could_come_back(
    bus: Bus, edges: tuple[Edge, Edge]
) -> None:
    """Closing with 1000 says that nobody waits; a network that breaks says nothing."""
    async with listening(bus, "voice.cancel.>") as cancels:
        async with ask(edges[0]) as client:
            await client.send(tone(1))
            turn = await taken(client)
        await wait_until(lambda: bool(cancels), "the cancel is told")

    assert [cancel.turn for cancel in cancels if isinstance(cancel, Cancel)] == [turn]


async def test_the_turns_of_sockets_that_close_can_be_let_run(bus: Bus, bus_settings: BusSettings) -> None:
    """CANCEL_ON_CLOSE=false: for clients of which none can come back either."""
    settings = msgspec.structs.replace(SETTINGS, cancel_on_close=False)
    async with edge(bus_settings, settings) as (server, _), listening(bus) as events:
        async with ask(server, "") as client:
            await client.send(tone(1))
            await wait_until(lambda: bool(events), "the turn is on the bus")
        async with answering(bus, two_sentences):
            await wait_until(lambda: sum(isinstance(event, Speech) for event in events) == 2, "it is answered")

    assert not any(isinstance(event, Cancel) for event in events)


async def test_an_edge_that_stops_leaves_a_turn_to_the_other(bus: Bus, edges: tuple[Edge, Edge]) -> None:
    """It closes with 1001 and no error, lets nobody in, and the turn is answered where its client goes."""
    go = asyncio.Event()

    async def when_told(_: Utterance) -> AsyncGenerator[Event, None]:
        await go.wait()
        yield speech(0, last=True)

    async with answering(bus, when_told), ask(edges[0]) as client:
        await client.send(tone(1))
        turn = await taken(client)
        async with asyncio.timeout(5):
            await edges[0].drain(0.2)
            with pytest.raises(ConnectionClosed) as closed:
                await client.recv()
            with pytest.raises(InvalidStatus):
                await ask(edges[0], f"resume={turn}")
        async with ask(edges[1], f"resume={turn}") as back:
            go.set()
            await receive(back)

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1001


@pytest.mark.parametrize("stream_settings", [StreamSettings(stream_answer_seconds=1.5)])
async def test_an_answer_whose_beginning_is_gone_is_told_at_once_and_not_waited_for(
    bus: Bus, edges: tuple[Edge, Edge]
) -> None:
    """Answers are kept for less than a turn may last: its first piece was too old when its client came back."""
    turn = names.fresh()
    first = msgspec.structs.replace(speech(0, last=False), origin="web", session=SESSION, turn=turn, deadline=_in(60))
    await bus.publish(first)
    await asyncio.sleep(3)
    await bus.publish(msgspec.structs.replace(first, n=1, take="t1"))
    async with ask(edges[1], f"resume={turn}") as back:
        assert await refused(back, 10) == codes.UNKNOWN_TURN


async def test_an_answer_whose_second_sentence_is_spoken_first_is_waited_for(
    bus: Bus, edges: tuple[Edge, Edge]
) -> None:
    """The first one may only be late."""
    turn = names.fresh()
    second = msgspec.structs.replace(speech(1, last=True), origin="web", session=SESSION, turn=turn, deadline=_in(60))
    await bus.publish(second)
    async with ask(edges[1], f"resume={turn}") as back:
        await asyncio.sleep(1)
        await bus.publish(msgspec.structs.replace(second, n=0, take="t0", last=False))
        assert (await receive(back)).text["llama"] == "The reply."


def _in(seconds: float) -> int:
    return round((time.time() + seconds) * 1000)
