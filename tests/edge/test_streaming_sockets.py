"""`/ws?stream=1`: the answer comes piece by piece while it is made, in order, and each turn has one end."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

import pytest
from msgspec.structs import replace

from bus_schemas import Event, Failed, Speech, Transcript, Utterance, codes
from services.edge.server import Edge
from services.edge.settings import EdgeSettings
from services.runtime import wav
from services.runtime.bus import Bus, BusSettings
from tests.edge.asking import answering, edge, length, speech, tone, two_sentences
from tests.edge.streamed import ask, frame, texts, turn

SESSION = "0123456789abcdef0123456789abcdef"


@pytest.fixture
async def server(bus: Bus, bus_settings: BusSettings) -> AsyncIterator[Edge]:
    async with edge(bus_settings, EdgeSettings(silence_seconds=1)) as (running, _):
        yield running


def piece(n: int, number: int, *, end: bool, take: str = "t", last: bool = False) -> Speech:
    """A piece of a sentence that has several."""
    return replace(speech(n, last=last), take=take, piece=number, end=end, wav=tone(0.1 * (number + 1), 24_000))


async def test_an_answer_is_told_in_order_with_the_sound_of_each_sentence_after_its_text(
    bus: Bus, server: Edge
) -> None:
    """The second sentence was spoken first."""
    async with answering(bus, two_sentences), ask(server) as client:
        for seconds in (1, 2):
            await client.send(tone(seconds))
            frames = await turn(client)
            name = frames[-1].text["turn"]
            assert texts(frames) == [
                {"transcription": f"{seconds} s"},
                {"llama": "Sentence 0.", "n": 0},
                {"llama": "Sentence 1.", "n": 1},
                {"done": True, "turn": name, "transcription": f"{seconds} s", "llama": "The reply."},
            ]
            assert [length(told.wav) for told in frames[1:3]] == [(24_000, 0.5)] * 2


async def test_each_frame_comes_as_soon_as_it_can(bus: Bus, server: Edge) -> None:
    """The words before there is an answer, a piece before its sentence is spoken, a sentence before the next."""
    go = asyncio.Queue[None]()

    async def step_by_step(_: Utterance) -> AsyncGenerator[Event, None]:
        yield Transcript(text="a question", seconds=1.0)
        for event in (piece(0, 0, end=False), piece(0, 1, end=True), speech(1, last=True)):
            await go.get()
            yield event

    async with answering(bus, step_by_step), ask(server, "&trace=1") as client:
        await client.send(tone(1))
        assert (await frame(client)).text == {"transcription": "a question"}
        told = []
        for _ in range(3):
            go.put_nowait(None)
            told.append(await frame(client))
        assert texts(told[:2]) == [{"llama": "Sentence 0.", "n": 0, "more": True}, {"n": 0, "piece": 1}]
        end = (await turn(client))[-1].text

    assert isinstance(end["trail"], list)
    assert [step["stage"] for step in end["trail"]] == ["stt"]


async def test_who_has_heard_a_beginning_that_does_not_count_is_told_and_hears_it_all_again(
    bus: Bus, server: Edge
) -> None:
    """First another take of a sentence, then another attempt."""

    async def unlucky(_: Utterance) -> AsyncGenerator[Event, None]:
        yield speech(0, last=False)
        yield piece(1, 0, end=False, take="t1")
        await asyncio.sleep(0.3)
        yield piece(1, 0, end=True, take="t2")
        await asyncio.sleep(0.3)
        yield replace(speech(0, last=True), attempt="b", text="Anew.")

    async with answering(bus, unlucky), ask(server) as client:
        await client.send(tone(1))
        frames = await turn(client)

    assert texts(frames)[1:-1] == [
        {"llama": "Sentence 0.", "n": 0},
        {"llama": "Sentence 1.", "n": 1, "more": True},
        {"restarted": True, "same": 1},
        {"llama": "Sentence 0.", "n": 0},
        {"llama": "Sentence 1.", "n": 1},
        {"restarted": True},
        {"llama": "Anew.", "n": 0},
    ]
    assert frames[1].wav == frames[4].wav


async def test_silence_is_answered_with_nothing_to_hear(bus: Bus, server: Edge) -> None:
    async def nobody_spoke(_: Utterance) -> AsyncGenerator[Event, None]:
        yield Speech(attempt="a", n=0, take="t", end=True, last=True)

    async with answering(bus, nobody_spoke), ask(server) as client:
        await client.send(tone(1))
        frames = texts(await turn(client))

    assert frames == [
        {"transcription": ""},
        {"done": True, "turn": frames[-1]["turn"], "transcription": "", "llama": ""},
    ]


async def test_what_cannot_be_answered_has_an_error_for_its_end_and_the_socket_is_of_use(
    bus: Bus, server: Edge
) -> None:
    """Also in the middle of an answer."""

    async def breaks(_: Utterance) -> AsyncGenerator[Event, None]:
        yield speech(0, last=False)
        yield Failed(stage="tts", code=codes.CRASHED, message="It broke.")

    async with answering(bus, breaks), ask(server) as client:
        for question, code in ((b"no WAV", codes.NOT_WAV), ("{}", codes.TEXT_FRAME), (tone(1), codes.CRASHED)):
            await client.send(question)
            end = (await turn(client))[-1].text
            assert isinstance(end["error"], dict)
            assert end["error"]["code"] == code


async def test_a_client_that_comes_back_is_told_its_turn_from_the_beginning(bus: Bus, server: Edge) -> None:
    """While it runs, and again when it is over; a whole answer can be fetched in one piece as well."""
    go = asyncio.Event()

    async def when_told(_: Utterance) -> AsyncGenerator[Event, None]:
        yield speech(0, last=False)
        await go.wait()
        yield speech(1, last=True)

    async with answering(bus, when_told):
        async with ask(server, f"&session={SESSION}&turns=1") as client:
            await client.send(tone(1))
            name = (await frame(client)).text["turn"]
            assert [(await frame(client)).text.get("n") for _ in range(2)] == [None, 0]
            client.transport.abort()
        async with ask(server, f"&session={SESSION}&resume={name}") as back:
            assert [(await frame(back)).text.get("n") for _ in range(2)] == [None, 0]
            go.set()
            assert [told.text.get("n") for told in await turn(back)] == [1, None]
        async with ask(server, f"&session={SESSION}&resume={name}") as again:
            assert [told.text.get("n") for told in await turn(again)] == [None, 0, 1, None]


async def test_a_piece_over_the_limit_is_brought_below_it(bus: Bus, bus_settings: BusSettings) -> None:
    async def long(_: Utterance) -> AsyncGenerator[Event, None]:
        yield replace(speech(0, last=True), wav=tone(3, 24_000))

    settings = EdgeSettings(max_reply_bytes=100_000)
    async with edge(bus_settings, settings) as (server, _), answering(bus, long), ask(server) as client:
        await client.send(tone(1))
        rate, seconds = length((await turn(client))[1].wav)

    assert rate == wav.RATE
    assert abs(seconds - 3) < 0.01
