"""Nobody works for a turn that nobody waits for: cancels and deadlines, from the socket to the engines' last word."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect

from bus_schemas import Cancel, Event, Transcript, Utterance, codes
from services.edge.server import Edge
from services.edge.settings import EdgeSettings
from services.llm import stage as llm
from services.llm.engines import Message
from services.llm.engines.scripted import Scripted as Writer
from services.llm.memory import Memory
from services.llm.settings import LlmSettings, ScriptedSettings
from services.runtime import streams
from services.runtime.bus import Bus, BusSettings
from services.runtime.stage import Stage
from services.tts import engines as speakers
from services.tts import stage as tts
from services.tts.engines import Piece, Speaker
from services.tts.settings import TtsSettings
from tests.edge.asking import answering, edge, receive, refused, tone
from tests.harness import listening, wait_until
from tests.runtime.workers import working

PACE = 0.4
"""Seconds that a word or a piece takes."""
WATCHED = 4 * PACE
"""Seconds in which four more would have come."""
WORDS, PIECES = 90, 25
"""Of a whole reply: far more than come while a cancel travels, on a slow machine too."""


class Counting:
    """Scripted engines that count what they really did."""

    voices: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()

    def __init__(self, reply: str, words_per_second: float, piece_seconds: float) -> None:
        self._writer = Writer(ScriptedSettings(scripted_reply=reply, scripted_words_per_second=words_per_second))
        # A sentence of 40 words is five pieces.
        self._speaker: Speaker = speakers.load(
            TtsSettings(tts_engine="scripted", scripted_tts_ms=round(5000 * piece_seconds))
        )
        self.heard = self.words = self.pieces = 0

    async def hear(self, _: Utterance) -> AsyncGenerator[Event, None]:
        self.heard += 1
        yield Transcript(text="a question", seconds=1.0)

    async def reply(self, messages: Sequence[Message]) -> AsyncGenerator[str, None]:
        async for word in self._writer.reply(messages):
            self.words += 1
            yield word

    async def speak(self, text: str, voice: str, language: str) -> AsyncGenerator[Piece, None]:
        async for piece in self._speaker.speak(text, voice, language):
            self.pieces += 1
            yield piece

    async def probe(self) -> None:
        """It can always work."""

    async def close(self) -> None:
        """It holds nothing."""


@asynccontextmanager
async def stages(bus: Bus, engines: Counting) -> AsyncIterator[None]:
    """All three stages, in this process."""
    memory = Memory(await bus.jetstream.key_value(streams.MEMORY), turns=8, seconds=60)
    write = partial(llm.handle, model=engines, memory=memory, settings=LlmSettings())
    speak = partial(tts.handle, speaker=engines, default_voice="man")
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(answering(bus, engines.hear))
        for name, stream, handle in (("llm", streams.TRANSCRIPT, write), ("tts", streams.SENTENCE, speak)):
            stage = Stage(name=name, stream=stream, handle=handle, credit=2, probe=engines.probe)
            await stack.enter_async_context(working(bus, stage))
        yield


@pytest.fixture
async def server(bus: Bus, bus_settings: BusSettings) -> AsyncIterator[Edge]:
    """An edge that listens."""
    async with edge(bus_settings, EdgeSettings()) as (running, _):
        yield running


def ask(server: Edge, query: str = "") -> connect:
    return connect(f"ws://127.0.0.1:{server.port}/ws{query}")


async def writes_slowly() -> Counting:
    return await asyncio.to_thread(Counting, "One two three. " * (WORDS // 3), 1 / PACE, 0)


async def speaks_slowly() -> Counting:
    return await asyncio.to_thread(Counting, (" ".join(["word"] * 40) + ". ") * (PIECES // 5), 0, PACE)


async def stops(engines: Counting) -> None:
    """No more words and pieces come, long before all are made."""
    made = (-1, -1)
    while made != (engines.words, engines.pieces):
        made = engines.words, engines.pieces
        await asyncio.sleep(WATCHED)
    assert engines.words < WORDS / 2 or engines.pieces < PIECES / 2


async def nothing_is_left(bus: Bus) -> None:
    """Every queue is empty: what was cancelled is not worked on later either."""
    for stream in streams.CONSUMERS:
        assert (await bus.jetstream.stream_info(stream)).state.messages == 0


async def test_llm_stops_within_a_word_when_the_client_goes_away(bus: Bus, server: Edge) -> None:
    engines = await writes_slowly()
    async with stages(bus, engines):
        async with ask(server) as client:
            await client.send(tone(1))
            await wait_until(lambda: engines.words >= 2, "it writes")
        await stops(engines)
        await nothing_is_left(bus)


async def test_tts_stops_within_a_piece_when_the_client_vanishes(bus: Bus, server: Edge) -> None:
    engines = await speaks_slowly()
    async with stages(bus, engines):
        async with ask(server) as client:
            await client.send(tone(1))
            await wait_until(lambda: engines.pieces >= 2, "it speaks")
            client.transport.abort()
        await stops(engines)
        await nothing_is_left(bus)


@pytest.mark.parametrize("turn", ["t", ""], ids=["a turn", "a session"])
async def test_a_cancel_of_an_outsider_stops_its_own_turn_and_no_other(bus: Bus, turn: str) -> None:
    """Neither another origin's of the same session and turn, nor another session's."""
    engines = await writes_slowly()
    async with stages(bus, engines):
        await bus.publish(Utterance(origin="kiosk", session="s", turn="t", wav=tone(1)))
        await wait_until(lambda: engines.words >= 1, "it writes")
        for origin, session in (("thief", "s"), ("kiosk", "other")):
            await bus.tell(Cancel(origin=origin, session=session, turn=turn))
        before = engines.words
        await wait_until(lambda: engines.words >= before + 3, "it writes on")
        await bus.tell(Cancel(origin="kiosk", session="s", turn=turn))
        await stops(engines)
        await nothing_is_left(bus)


async def test_past_its_deadline_a_turn_costs_nothing_more_and_has_one_error(bus: Bus, server: Edge) -> None:
    """In the middle of llm's work: it stops within a word, the client hears it once, the next turn has its answer."""
    engines = await writes_slowly()
    async with stages(bus, engines), ask(server, "?timeout=4") as client:
        await client.send(tone(1))
        assert await refused(client) == codes.DEADLINE
        assert engines.words >= 1
        await stops(engines)
        await nothing_is_left(bus)
        assert await more(client) == []


async def test_what_is_too_late_before_anybody_takes_it_costs_no_engine_any_time(bus: Bus, server: Edge) -> None:
    """The stage that takes it at last tells so on the bus, and nobody in the client's ear again."""
    engines = await asyncio.to_thread(Counting, "Hello there.", 0, 0)
    async with (
        ask(server, "?timeout=0.5") as hasty,
        ask(server) as patient,
        listening(bus, "voice.failed.>") as failures,
    ):
        await hasty.send(tone(1))
        assert await refused(hasty) == codes.DEADLINE
        async with stages(bus, engines):
            await wait_until(lambda: bool(failures), "its end is told")
            assert await more(hasty) == []
            assert (engines.heard, engines.words, engines.pieces) == (0, 0, 0)
            await patient.send(tone(1))
            assert (await receive(patient)).text["llama"] == "Hello there."


async def more(client: ClientConnection, seconds: float = 0.7) -> list[object]:
    """Whatever else the client is told."""
    try:
        async with asyncio.timeout(seconds):
            return [msgspec.json.decode(await client.recv())]
    except TimeoutError:
        return []
