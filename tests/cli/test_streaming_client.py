"""The client of a streaming socket: each part at once, broken links mended, strangers told apart."""

import time
from contextlib import aclosing

import pytest
from websockets.asyncio.server import ServerConnection

from bus_schemas import codes
from bus_schemas.frames import Done, Restarted, Spoken, Transcription
from services.cli.client import Client, NoAnswer
from services.cli.part import Collected, Part
from services.cli.streaming import ask_streaming
from tests.cli.test_client import ANSWER, TAKEN, breaking, breaks_after, sends, server

WORDS = '{"transcription": "a"}'
FIRST, SECOND, MORE = '{"llama": "One.", "n": 0}', '{"llama": "Two.", "n": 1, "more": true}', '{"n": 1, "piece": 1}'
DONE = '{"done": true, "turn": "t1", "transcription": "a", "llama": "One. Two."}'
ALL = (WORDS, FIRST, b"1", SECOND, b"2", MORE, b"3", DONE)


async def collect(client: Client) -> tuple[list[Part], Collected]:
    collected = Collected()
    parts = [part async for part in client.stream(b"a question")]
    for part in parts:
        collected.add(part)
    return parts, collected


async def test_the_parts_of_an_answer_come_in_order_with_their_times() -> None:
    """The clock starts when the question is sent."""
    began = time.monotonic()
    async with server(sends(*ALL)) as url:
        parts = [part async for part in ask_streaming(url, b"a question")]

    assert [type(part.frame) for part in parts] == [Transcription, Spoken, Spoken, Spoken, Done]
    assert [part.wav for part in parts] == [b"", b"1", b"2", b"3", b""]
    times = [part.seconds for part in parts]
    assert times == sorted(times)
    assert 0 < times[0] <= times[-1] < time.monotonic() - began


async def test_what_is_told_again_replaces_what_was_told() -> None:
    """The time to first sound is that of the first one that could be heard."""
    frames = (TAKEN, WORDS, FIRST, b"x", '{"restarted": true}', *ALL[1:])
    async with server(sends(*frames)) as url, Client(url, stream=True) as client:
        parts, collected = await collect(client)

    assert (collected.llama, collected.wavs, collected.restarts) == ("One. Two.", [b"1", b"2", b"3"], 1)
    assert collected.first_sound == parts[1].seconds


async def test_a_link_that_breaks_in_the_middle_is_mended_and_the_answer_comes_again() -> None:
    async def resumed(connection: ServerConnection) -> None:
        for frame in ALL:
            await connection.send(frame)
        await connection.wait_closed()

    broken = breaks_after(TAKEN, WORDS)
    async with breaking(broken, resumed) as (url, asked), Client(url, session="s", mends=1, stream=True) as client:
        parts, collected = await collect(client)

    assert collected.wavs == [b"1", b"2", b"3"]
    assert Restarted not in {type(part.frame) for part in parts}
    assert [path.partition("resume=")[2] for path in asked] == ["", "t1"]
    assert "stream=1" in asked[1]


async def test_after_sound_a_mended_link_is_told_like_any_other_new_beginning() -> None:
    async def breaks_off(connection: ServerConnection) -> None:
        await connection.recv()
        for frame in (TAKEN, FIRST, b"1"):
            await connection.send(frame)
        connection.transport.close()
        await connection.wait_closed()

    async def resumed(connection: ServerConnection) -> None:
        for frame in ALL:
            await connection.send(frame)
        await connection.wait_closed()

    async with breaking(breaks_off, resumed) as (url, _), Client(url, session="s", mends=1, stream=True) as client:
        _, collected = await collect(client)

    assert (collected.wavs, collected.restarts) == ([b"1", b"2", b"3"], 1)


async def test_a_question_that_interrupts_is_not_told_the_rest_of_the_one_before() -> None:
    cut = '{"done": true, "cancelled": true, "turn": "t0", "transcription": "a", "llama": "One."}'

    async def interrupted(connection: ServerConnection) -> None:
        await connection.recv()
        for frame in (WORDS, FIRST, b"0"):
            await connection.send(frame)
        assert await connection.recv() == '{"cancel":true,"sentences":1}'
        await connection.recv()
        for frame in (SECOND, b"0", cut, *ALL):
            await connection.send(frame)
        await connection.wait_closed()

    async with server(interrupted) as url, Client(url, stream=True) as client:
        async with aclosing(client.stream(b"a question")) as parts:
            async for part in parts:
                if part.wav:
                    break
        await client.interrupt(1)
        _, collected = await collect(client)

    assert collected.wavs == [b"1", b"2", b"3"]


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        (('{"error": {"code": "busy", "message": "Later."}}',), codes.BUSY),
        ((WORDS, FIRST, b"1", '{"error": {"code": "crashed", "message": "Oh."}}'), codes.CRASHED),
        ((b"sound",), codes.CRASHED),
        (("what?",), codes.CRASHED),
        (('{"hello": 1}',), codes.CRASHED),
        ((ANSWER, b"sound"), codes.CRASHED),
        ((FIRST, WORDS), codes.CRASHED),
    ],
)
async def test_what_is_no_streamed_answer_is_raised(frames: tuple[str | bytes, ...], code: str) -> None:
    async with server(sends(*frames)) as url, Client(url, stream=True) as client:
        with pytest.raises(NoAnswer) as error:
            await collect(client)

    assert error.value.code == code
