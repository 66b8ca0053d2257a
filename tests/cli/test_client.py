"""The WebSocket client against servers that are no voicebus: every wait ends, every error says what to do."""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import ServerConnection, serve

from bus_schemas import codes
from services.cli import client as clients
from services.cli import dial
from services.cli.client import Client, NoAnswer

ANSWER = '{"transcription": "a", "llama": "b"}'


@asynccontextmanager
async def server(handle: Callable[[ServerConnection], Awaitable[None]]) -> AsyncIterator[str]:
    async with serve(handle, "127.0.0.1", 0) as listening:
        yield f"ws://127.0.0.1:{listening.sockets[0].getsockname()[1]}/ws"


def sends(*frames: str | bytes) -> Callable[[ServerConnection], Awaitable[None]]:
    """A server that answers the first frame with *frames*, then waits."""

    async def handle(connection: ServerConnection) -> None:
        await connection.recv()
        for frame in frames:
            await connection.send(frame)
        await connection.wait_closed()

    return handle


async def code_of(url: str, *, trace: bool = False) -> str:
    async with Client(url, timeout=5, trace=trace) as client:
        with pytest.raises(NoAnswer) as error:
            await client.ask(b"a question")
    return error.value.code


async def test_an_answer_is_text_and_then_sound() -> None:
    async with server(sends(ANSWER, b"sound")) as url, Client(url) as client:
        turn = await client.ask(b"a question")

    assert (turn.transcription, turn.llama, turn.wav, turn.trail) == ("a", "b", b"sound", ())


async def test_wishes_travel_in_the_address_beside_what_is_there_already() -> None:
    seen: list[str] = []

    async def handle(connection: ServerConnection) -> None:
        assert connection.request
        seen.append(connection.request.path)

    async with server(handle) as url, Client(f"{url}?own=1", session="s", voice="woman", language="pt", timeout=7.5):
        pass

    assert seen == ["/ws?own=1&session=s&voice=woman&language=pt&timeout=7.5"]


async def test_an_error_frame_is_raised_with_its_code() -> None:
    async with server(sends('{"error": {"code": "busy", "message": "Later."}}')) as url:
        assert await code_of(url) == codes.BUSY


async def test_an_error_frame_instead_of_the_sound_is_raised_too() -> None:
    async with server(sends(ANSWER, '{"error": {"code": "crashed", "message": "Oh."}}')) as url:
        assert await code_of(url) == codes.CRASHED


@pytest.mark.parametrize("frames", [(b"sound",), ("what?",), (ANSWER, "text")])
async def test_a_server_that_is_no_voicebus_is_said_to_be_none(frames: tuple[str | bytes, ...]) -> None:
    async with server(sends(*frames)) as url:
        assert await code_of(url) == codes.CRASHED


async def test_a_connection_that_ends_before_the_answer_is_an_error() -> None:
    async def hang_up(connection: ServerConnection) -> None:
        await connection.recv()

    async with server(hang_up) as url:
        assert await code_of(url) == codes.UNAVAILABLE


async def test_a_silent_server_is_given_up_and_so_is_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "GRACE_SECONDS", 0.1)
    async with server(sends()) as url, Client(url, timeout=0.1) as client:
        with pytest.raises(NoAnswer) as late:
            await client.ask(b"a question")
        with pytest.raises(NoAnswer) as closed:
            await client.ask(b"another")

    assert (late.value.code, closed.value.code) == (codes.DEADLINE, codes.UNAVAILABLE)


async def test_an_edge_that_tells_no_trail_is_said_to_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "TRAIL_SECONDS", 0.1)
    async with server(sends(ANSWER, b"sound")) as url:
        assert await code_of(url, trace=True) == codes.UNSUPPORTED


async def test_who_does_not_answer_the_handshake_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dial, "OPEN_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = Client(f"ws://127.0.0.1:{silent.getsockname()[1]}/ws")
        with pytest.raises(NoAnswer, match=r"nothing answers on ws://127\.0\.0\.1") as error:
            await client.__aenter__()

    assert error.value.code == codes.UNAVAILABLE


TAKEN = '{"turn": "t1"}'
Handle = Callable[[ServerConnection], Awaitable[None]]


@asynccontextmanager
async def breaking(*handles: Handle) -> AsyncIterator[tuple[str, list[str]]]:
    """A server that names a session and treats each next socket in its own way; gives its URL and what was asked."""
    asked: list[str] = []
    rest = iter(handles)

    async def handle(connection: ServerConnection) -> None:
        assert connection.request
        asked.append(connection.request.path)
        await next(rest)(connection)

    async with serve(handle, "127.0.0.1", 0) as listening:
        yield f"ws://127.0.0.1:{listening.sockets[0].getsockname()[1]}/ws", asked


def breaks_after(*frames: str) -> Handle:
    """A socket that is cut after these frames."""

    async def handle(connection: ServerConnection) -> None:
        await connection.recv()
        for frame in frames:
            await connection.send(frame)
        connection.transport.close()
        await connection.wait_closed()

    return handle


async def breaks(connection: ServerConnection) -> None:
    """A socket that is cut at once."""
    connection.transport.abort()


def closes(code: int) -> Handle:
    async def handle(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.close(code)

    return handle


async def resumed(connection: ServerConnection) -> None:
    """A socket that answers the turn which its client came back for, without being asked again."""
    await connection.send(ANSWER)
    await connection.send(b"sound")
    await connection.wait_closed()


async def test_a_link_that_breaks_is_mended_and_the_turn_that_was_taken_is_not_asked_again() -> None:
    async with breaking(breaks_after(TAKEN), resumed) as (url, asked), Client(url, session="s", mends=2) as client:
        turn = await client.ask(b"a question")

    assert turn.wav == b"sound"
    assert asked == ["/ws?session=s&timeout=60&turns=1", "/ws?session=s&timeout=60&turns=1&resume=t1"]


async def test_a_turn_that_was_not_taken_is_asked_again() -> None:
    twice = breaking(breaks_after(), sends(TAKEN, ANSWER, b"sound"))
    async with twice as (url, asked), Client(url, session="s", mends=2) as client:
        assert (await client.ask(b"a question")).wav == b"sound"

    assert asked[1] == asked[0]


async def test_half_an_answer_is_not_kept() -> None:
    """The text came before the link broke; the answer comes again, whole."""
    half = breaks_after(TAKEN, '{"transcription": "x", "llama": "y"}')
    async with breaking(half, resumed) as (url, _), Client(url, session="s", mends=1) as client:
        assert await client.ask(b"a question") == clients.Turn("a", "b", b"sound")


async def test_an_edge_that_stops_is_left_for_the_one_that_is_there_next() -> None:
    async with breaking(closes(1001), sends(ANSWER, b"sound")) as (url, _), Client(url, mends=1) as client:
        assert (await client.ask(b"a question")).wav == b"sound"


@pytest.mark.parametrize(
    ("mends", "handles"),
    [(0, [breaks_after()]), (2, [breaks_after(TAKEN), breaks, breaks]), (2, [closes(1009)])],
    ids=["never", "twice", "a message too big"],
)
async def test_a_link_is_mended_so_often_and_then_it_is_said(mends: int, handles: list[Handle]) -> None:
    """What the edge will not take is not sent again."""
    async with breaking(*handles) as (url, asked), Client(url, session="s", mends=mends) as client:
        with pytest.raises(NoAnswer) as error:
            await client.ask(b"a question")

    assert error.value.code == codes.UNAVAILABLE
    assert len(asked) == len(handles)


async def test_a_new_question_after_a_mended_one_is_a_new_turn() -> None:
    async def both(connection: ServerConnection) -> None:
        await connection.send(ANSWER)
        await connection.send(b"sound")
        await sends(TAKEN, '{"transcription": "c", "llama": "d"}', b"more")(connection)

    async with breaking(breaks_after(TAKEN), both) as (url, _), Client(url, session="s", mends=1) as client:
        assert [(await client.ask(b"x")).llama for _ in range(2)] == ["b", "d"]


async def test_nobody_there_any_more_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a few tries."""
    monkeypatch.setattr(clients, "MEND_PAUSES", (0.01, 0.01))
    async with server(sends()) as url:
        client = await Client(url, mends=2).__aenter__()
    with pytest.raises(NoAnswer, match="no voicebus answers"):
        await client.ask(b"a question")
    await client.connection.close()
