"""The official Ollama client and our engine, against somebody else's server of that protocol with a real model.

What a server may do wrong is in test_ollama_faults.py.
"""

import asyncio
import time
import urllib.request
from contextlib import aclosing

import pytest

from services.llm import engines
from services.llm.engines import ollama
from services.llm.settings import LlmSettings
from services.runtime.errors import StartError, Unavailable
from tests.contracts.language_model import CAPITAL, STORY, Promise, every_promise
from tests.engines.ollama_server import KEY, collect, opened, settings_for


@pytest.fixture
def settings(ollama_port: int) -> LlmSettings:
    return settings_for(ollama_port)


@every_promise
async def test_it_keeps_the_contract_of_a_language_model(promise: Promise, settings: LlmSettings) -> None:
    async with opened(settings) as model:
        await promise(model)


async def test_the_reply_streams_in_pieces_and_makes_sense(settings: LlmSettings) -> None:
    async with opened(settings) as model:
        await model.probe()
        pieces = await collect(model, CAPITAL)
        assert len(pieces) > 3
        assert "Paris" in "".join(pieces)


async def test_two_replies_are_written_at_once(settings: LlmSettings) -> None:
    async with opened(settings) as model:
        replies = await asyncio.gather(collect(model, CAPITAL), collect(model, CAPITAL))
        assert all("Paris" in "".join(pieces) for pieces in replies)


async def test_a_reply_that_nobody_wants_any_more_frees_the_server(settings: LlmSettings, llama_address: str) -> None:
    def busy() -> int:
        request = urllib.request.Request(f"{llama_address}/slots", headers={"Authorization": f"Bearer {KEY}"})
        with urllib.request.urlopen(request, timeout=5) as response:
            return int(response.read().count(b'"is_processing":true'))

    async with opened(settings) as model:
        async with aclosing(model.reply(STORY)) as pieces:
            await anext(pieces)
            assert await asyncio.to_thread(busy) == 1
        end = time.monotonic() + 5
        while await asyncio.to_thread(busy):
            assert time.monotonic() < end, "the server still writes the reply"
            await asyncio.sleep(0.1)


async def test_a_model_that_the_server_lacks_stops_the_start_and_says_how_to_get_it(ollama_port: int) -> None:
    with pytest.raises(StartError, match="ollama pull nosuch"):
        await asyncio.to_thread(engines.load, settings_for(ollama_port, "nosuch/model"))


async def test_no_model_named_stops_the_start(settings: LlmSettings) -> None:
    with pytest.raises(StartError, match="LLAMA_MODEL"):
        await asyncio.to_thread(engines.load, LlmSettings(llama_endpoint=settings.llama_endpoint))


async def test_a_model_that_is_taken_away_later_is_unavailable(ollama_port: int) -> None:
    async with opened(settings_for(ollama_port, "nosuch/model"), ollama.connect) as model:
        with pytest.raises(Unavailable, match="ollama pull nosuch"):
            await model.probe()
