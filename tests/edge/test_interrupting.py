"""A person speaks while the answer is still coming: it stops, and the model remembers what was heard of it."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import pytest
from websockets.asyncio.client import ClientConnection

from bus_schemas import Cancel, Event, Transcript, Utterance
from services.edge.server import Edge
from services.edge.settings import EdgeSettings
from services.llm import stage as llm
from services.llm.engines import Message
from services.llm.memory import Memory
from services.llm.settings import LlmSettings
from services.runtime import streams
from services.runtime.bus import Bus, BusSettings
from services.runtime.stage import Stage
from services.tts.__main__ import open_stage as open_tts
from services.tts.settings import TtsSettings
from tests.edge.asking import answering, edge, tone
from tests.edge.streamed import Frame, ask, frame, texts, turn
from tests.harness import listening, wait_until
from tests.runtime.workers import working

SENTENCES = ("The first one is short. ", "The second one is no longer. ", "The third one is never heard. ")


class Model:
    """It writes two sentences, and the third when it is let; it keeps what it was shown."""

    def __init__(self) -> None:
        self.shown: list[list[Message]] = []
        self.go = asyncio.Event()

    async def reply(self, messages: Sequence[Message]) -> AsyncGenerator[str, None]:
        self.shown.append(list(messages[1:]))
        for sentence in SENTENCES[:2]:
            yield sentence
        yield SENTENCES[2][:5]
        await self.go.wait()
        yield SENTENCES[2][5:]

    async def probe(self) -> None:
        """It can always work."""

    async def close(self) -> None:
        """It holds nothing."""


async def hear(utterance: Utterance) -> AsyncGenerator[Event, None]:
    """The question is as long as the sound."""
    text = f"Question {len(utterance.wav) // 32_000}?"
    yield Transcript(text=text, seconds=1.0, heard=utterance.heard)


@asynccontextmanager
async def stages(bus: Bus, model: Model) -> AsyncIterator[None]:
    """All three stages, in this process."""
    memory = Memory(await bus.jetstream.key_value(streams.MEMORY), turns=8, seconds=60)
    write = partial(llm.handle, model=model, memory=memory, settings=LlmSettings())
    stage = Stage(name="llm", stream=streams.TRANSCRIPT, handle=write, credit=2, probe=model.probe)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(answering(bus, hear))
        await stack.enter_async_context(working(bus, stage))
        tts = await stack.enter_async_context(open_tts(TtsSettings(tts_engine="scripted"), bus))
        await stack.enter_async_context(working(bus, tts))
        yield


@pytest.fixture
async def server(bus: Bus, bus_settings: BusSettings) -> AsyncIterator[Edge]:
    async with edge(bus_settings, EdgeSettings()) as (running, _):
        yield running


@pytest.fixture
async def model(bus: Bus) -> AsyncIterator[Model]:
    found = Model()
    async with stages(bus, found):
        yield found


async def hears_two_sentences(client: ClientConnection) -> None:
    for expected in (None, 0, 1):
        assert (await frame(client)).text.get("n") == expected


def cancelled(end: Frame, sentences: int) -> None:
    name = end.text["turn"]
    assert end.text["cancelled"] is True
    assert end.text["heard"] == {"turn": name, "sentences": sentences}
    assert end.text["llama"] == " ".join(SENTENCES[:sentences]).replace("  ", " ").strip()


async def test_a_new_question_stops_the_answer_and_the_model_remembers_what_was_heard(
    bus: Bus, server: Edge, model: Model
) -> None:
    """The old turn has one end and nothing of it comes after that; the question itself is not forgotten."""
    async with listening(bus, "voice.cancel.>") as cancels, ask(server) as client:
        await client.send(tone(1))
        await hears_two_sentences(client)
        await client.send(tone(2))
        cancelled(await frame(client), 2)
        model.go.set()
        frames = await turn(client)

    assert texts(frames)[0] == {"transcription": "Question 2?"}
    assert [told.text.get("n") for told in frames] == [None, 0, 1, 2, None]
    assert [type(event) for event in cancels] == [Cancel]
    assert model.shown[1] == [
        Message("user", "Question 1?"),
        Message("assistant", "The first one is short. The second one is no longer. …"),
        Message("user", "Question 2?"),
    ]


async def test_a_cancel_stops_the_answer_and_the_next_question_may_come_whenever(server: Edge, model: Model) -> None:
    """The client has played one sentence of the two that it was sent, and says so; a cancel of nothing is nothing."""
    async with ask(server) as client:
        await client.send('{"cancel": true}')
        await client.send(tone(1))
        await hears_two_sentences(client)
        await client.send('{"cancel": true, "sentences": 1}')
        cancelled(await frame(client), 1)
        model.go.set()
        await client.send(tone(2))
        await turn(client)
        await client.send(tone(3))
        await turn(client)

    replies = [message.content for message in model.shown[2] if message.role == "assistant"]
    assert replies == ["The first one is short. …", "".join(SENTENCES).strip()]


async def test_what_was_sent_whole_and_not_played_to_its_end_can_be_said_later(server: Edge, model: Model) -> None:
    """Sound is sent faster than it is played, so most people interrupt a turn that is over for the edge."""
    model.go.set()
    async with ask(server) as client:
        await client.send(tone(1))
        await turn(client)
        await client.send('{"cancel": true, "sentences": 1}')
        await client.send(tone(2))
        await turn(client)

    assert [message.content for message in model.shown[1]][1] == "The first one is short. …"


async def test_an_interruption_that_is_interrupted_before_llm_hears_of_it_is_not_lost(
    server: Edge, model: Model
) -> None:
    """A third question comes while the second is not even heard."""
    async with ask(server) as client:
        await client.send(tone(1))
        await hears_two_sentences(client)
        await client.send(tone(2))
        await client.send(tone(3))
        for sentences in (2, 0):
            cancelled((await turn(client))[-1], sentences)
        model.go.set()
        await turn(client)

    assert [message.content for message in model.shown[-1] if "Question 2" not in message.content][:2] == [
        "Question 1?",
        "The first one is short. The second one is no longer. …",
    ]


async def test_who_may_run_one_turn_at_once_can_interrupt_it(bus: Bus, bus_settings: BusSettings, model: Model) -> None:
    """The new turn takes the place of the old one."""
    settings = EdgeSettings(api_keys="ana:key-of-ana-0123456789::1")
    headers = {"Authorization": "Bearer key-of-ana-0123456789"}
    async with edge(bus_settings, settings) as (server, _), ask(server, headers=headers) as client:
        await client.send(tone(1))
        await hears_two_sentences(client)
        await client.send(tone(2))
        cancelled(await frame(client), 2)
        model.go.set()
        assert "done" in (await turn(client))[-1].text


async def test_the_stages_are_told_although_the_client_does_not_read(bus: Bus, server: Edge, model: Model) -> None:
    async with listening(bus, "voice.cancel.>") as cancels, ask(server) as client:
        client.transport.pause_reading()
        await client.send(tone(1))
        await wait_until(lambda: bool(model.shown), "llm works on it")
        await client.send(tone(2))
        await wait_until(lambda: bool(cancels), "the stages are told")
        client.transport.resume_reading()
        model.go.set()
        ends = [(await turn(client))[-1].text for _ in range(2)]

    assert ["cancelled" in end for end in ends] == [True, False]
