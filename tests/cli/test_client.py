"""The WebSocket client against servers that are no voicebus: every wait ends, every error says what to do."""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import ServerConnection, serve

from bus_schemas import codes
from services.cli import client as clients
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
    monkeypatch.setattr(clients, "OPEN_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = Client(f"ws://127.0.0.1:{silent.getsockname()[1]}/ws")
        with pytest.raises(NoAnswer, match=r"nothing answers on ws://127\.0\.0\.1") as error:
            await client.__aenter__()

    assert error.value.code == codes.UNAVAILABLE
