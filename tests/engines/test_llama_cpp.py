"""llama.cpp in process with the real SmolLM2: it streams, it serves two at once, it stops when told."""

import asyncio
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from bus_schemas import codes
from services.llm import engines
from services.llm.engines import Message, llama_cpp
from services.llm.engines.llama_cpp import LlamaCpp
from services.llm.settings import LlmSettings
from services.runtime.errors import Refused, StartError
from tests.contracts.language_model import Promise, every_promise
from tests.harness import wait_until

SETTINGS = LlmSettings(llm_max_tokens=400, llm_temperature=0, llm_context=1024, llm_concurrency=2)
CAPITAL = (Message("system", "Answer in one short sentence."), Message("user", "What is the capital of France?"))
STORY = (Message("user", "Tell me a very long story about a dragon and a princess, with many chapters."),)


@pytest.fixture(scope="module")
def model() -> Iterator[LlamaCpp]:
    loaded = llama_cpp.load(SETTINGS)
    yield loaded
    asyncio.run(loaded.close())


async def collect(model: LlamaCpp, messages: tuple[Message, ...]) -> list[str]:
    return [text async for text in model.reply(messages)]


@every_promise
async def test_it_keeps_the_contract_of_a_language_model(promise: Promise, model: LlamaCpp) -> None:
    await promise(model)


async def test_the_reply_streams_in_pieces_and_makes_sense(model: LlamaCpp) -> None:
    pieces = await collect(model, CAPITAL)
    assert len(pieces) > 3
    assert "Paris" in "".join(pieces)


async def test_two_replies_are_written_at_once(model: LlamaCpp) -> None:
    arrivals: list[str] = []

    async def listen(name: str) -> None:
        async with aclosing(model.reply(STORY)) as pieces:
            async for _ in pieces:
                arrivals.append(name)
                if arrivals.count(name) == 20:
                    return

    await asyncio.gather(listen("a"), listen("b"))
    assert {"a", "b"} <= set(arrivals[5:30])


async def test_a_reply_that_nobody_wants_any_more_stops_at_once(model: LlamaCpp) -> None:
    whole = await seconds(collect(model, STORY))
    for _ in range(SETTINGS.llm_concurrency * 2):
        async with aclosing(model.reply(STORY)) as pieces:
            await anext(pieces)
    assert await seconds(collect(model, CAPITAL)) < whole / 2


async def test_a_cancelled_reply_stops_too(model: LlamaCpp) -> None:
    whole = await seconds(collect(model, STORY))
    telling = [asyncio.create_task(collect(model, STORY)) for _ in range(SETTINGS.llm_concurrency)]
    await asyncio.sleep(whole / 10)
    for task in telling:
        task.cancel()
    await asyncio.gather(*telling, return_exceptions=True)
    assert await seconds(collect(model, CAPITAL)) < whole / 2


async def seconds(work: Awaitable[object]) -> float:
    """How long *work* takes."""
    began = time.monotonic()
    await work
    return time.monotonic() - began


class Counted:
    """The real server, and how often it called back: for every token, and for every batch of a prompt."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.calls = 0

    def handle_chat_completions(self, request: object, on_chunk: Callable[[object], bool]) -> None:
        def count(event: object) -> bool:
            self.calls += 1
            return on_chunk(event)

        self.server.handle_chat_completions(request, count)


@pytest.mark.parametrize(
    ("question", "calls"), [(STORY, 8), ((Message("user", "word " * 900),), 3)], ids=["a token", "a long prompt"]
)
async def test_a_cancelled_reply_stops_within_one_token_or_batch_of_the_prompt(
    model: LlamaCpp, monkeypatch: pytest.MonkeyPatch, question: tuple[Message, ...], calls: int
) -> None:
    counted = Counted(model._server)
    monkeypatch.setattr(model, "_server", counted)
    telling = asyncio.create_task(collect(model, question))
    await wait_until(lambda: counted.calls >= calls, "the model works")
    before = counted.calls
    telling.cancel()
    await asyncio.gather(telling, return_exceptions=True)
    assert telling.cancelled()
    stopped = counted.calls
    assert stopped - before <= 3  # a loaded machine may be slow to say so
    await asyncio.sleep(0.3)
    assert counted.calls == stopped


async def test_a_question_longer_than_the_context_is_refused(model: LlamaCpp) -> None:
    with pytest.raises(Refused) as refusal:
        await collect(model, (Message("user", "word " * 2000),))
    assert refusal.value.code == codes.TOO_LONG


async def test_the_event_loop_is_free_meanwhile(model: LlamaCpp) -> None:
    ticks = 0
    telling = asyncio.create_task(collect(model, CAPITAL))
    while not telling.done():
        await asyncio.sleep(0.005)
        ticks += 1
    assert ticks > 10


async def test_nobody_else_may_use_its_http_listener(model: LlamaCpp) -> None:
    def ask() -> int:
        try:
            with urllib.request.urlopen(f"{model._server.listening_address}/v1/models", timeout=5) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code

    assert await asyncio.to_thread(ask) == 401


async def test_a_closed_engine_ends_what_it_writes(tmp_path: Path) -> None:
    model = await asyncio.to_thread(llama_cpp.load, LlmSettings(llm_max_tokens=4000, llm_concurrency=1))
    async with aclosing(model.reply(STORY)) as pieces:
        await anext(pieces)
        await asyncio.wait_for(model.close(), 5)


def test_a_model_is_named_by_its_file() -> None:
    embedded = llama_cpp.model_path("")
    assert llama_cpp.model_path(str(embedded)) == embedded


def test_a_model_that_is_not_there_is_one_clear_sentence(tmp_path: Path) -> None:
    junk = tmp_path / "junk.gguf"
    junk.write_bytes(b"no model at all")
    for name, expected in (
        ("llama3", "LLAMA_ENDPOINT"),
        ("/nowhere/model.gguf", "no such file"),
        (str(junk), "cannot load"),
    ):
        with pytest.raises(StartError, match=expected):
            engines.load(LlmSettings(llama_model=name))
