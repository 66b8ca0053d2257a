"""The `openai` client and our engine, against llama.cpp's own server with a real model, and servers that fail."""

import asyncio
import json
import time
import urllib.request
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest

from bus_schemas import codes
from services.llm import engines
from services.llm.engines import Message, llama_cpp, openai, openmp, servers
from services.llm.settings import LlmSettings
from services.runtime.errors import Refused, StartError, Unavailable
from tests.contracts.language_model import CAPITAL, STORY, Promise, every_promise
from tests.harness import free_port

openmp.ensure()  # before the import that needs it
import xllamacpp  # type: ignore[import-untyped]  # noqa: E402

KEY = "test"
DELTA = b'data: {"choices": [{"index": 0, "delta": {"content": "Once "}, "finish_reason": null}]}\n\n'
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def llama() -> xllamacpp.Server:
    params = xllamacpp.CommonParams()
    params.model.path = str(llama_cpp.model_path(""))
    params.n_ctx, params.n_parallel, params.verbosity, params.api_keys = 2048, 2, -1, [KEY]
    for threads in (params.cpuparams, params.cpuparams_batch):
        threads.n_threads, threads.poll = 2, 0
    return xllamacpp.Server(params)


@pytest.fixture(scope="module")
def settings(llama: xllamacpp.Server) -> LlmSettings:
    return settings_for(f"{llama.listening_address}/v1")


@pytest.fixture
async def model(settings: LlmSettings) -> AsyncIterator[engines.LanguageModel]:
    loaded = await asyncio.to_thread(engines.load, settings)
    yield loaded
    await loaded.close()


@pytest.fixture(autouse=True)
async def let_go() -> AsyncIterator[None]:
    """The client leaves its half-read generators to the event loop, which closes them in tasks of its own."""
    yield
    await asyncio.sleep(0.05)


def settings_for(url: str, key: str = KEY, silence: float = 20.0) -> LlmSettings:
    return LlmSettings(
        llm_engine="openai",
        openai_base_url=url,
        openai_api_key=key,
        llama_model="smollm2",
        llm_max_tokens=60,
        llama_silence_seconds=silence,
    )


@asynccontextmanager
async def server(answer: bytes, *, drip: bytes = b"", silence: float = 20.0) -> AsyncIterator[engines.LanguageModel]:
    """An engine whose server answers every request with *answer*, then *drip* without an end."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
            while drip:
                writer.write(drip)
                await writer.drain()
                await asyncio.sleep(0)
            if not answer:
                await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        wanted = settings_for(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1", silence=silence)
        model = await asyncio.to_thread(openai.connect, wanted)
        try:
            yield model
        finally:
            await model.close()


async def why_unavailable(model: engines.LanguageModel) -> str:
    """The reason; the exception is let go, because it holds the client's half-read stream."""
    try:
        await collect(model)
    except Unavailable as error:
        return str(error)
    return "it is not"


def failure(status: str, body: object) -> bytes:
    text = json.dumps(body).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n"
    return head.encode() + b"Connection: close\r\n\r\n" + text


async def collect(model: engines.LanguageModel) -> str:
    return "".join([text async for text in model.reply(CAPITAL)])


@every_promise
async def test_it_keeps_the_contract_of_a_language_model(promise: Promise, model: engines.LanguageModel) -> None:
    await promise(model)


async def test_the_reply_makes_sense(model: engines.LanguageModel) -> None:
    assert "Paris" in await collect(model)


async def test_a_reply_that_nobody_wants_any_more_frees_the_server(
    model: engines.LanguageModel, llama: xllamacpp.Server
) -> None:
    def busy() -> int:
        request = urllib.request.Request(f"{llama.listening_address}/slots", headers={"Authorization": f"Bearer {KEY}"})
        with urllib.request.urlopen(request, timeout=5) as response:
            return int(response.read().count(b'"is_processing":true'))

    async with aclosing(model.reply(STORY)) as pieces:
        await anext(pieces)
    end = time.monotonic() + 5
    while await asyncio.to_thread(busy):
        assert time.monotonic() < end, "the server still writes the reply"
        await asyncio.sleep(0.1)


async def test_a_question_longer_than_the_context_is_refused(model: engines.LanguageModel) -> None:
    with pytest.raises(Refused) as refused:
        _ = [text async for text in model.reply([Message("user", "word " * 3000)])]
    assert refused.value.code == codes.TOO_LONG


def test_a_key_that_is_wrong_stops_the_start_and_says_where_to_put_the_right_one(settings: LlmSettings) -> None:
    with pytest.raises(StartError, match="set OPENAI_API_KEY, or OPENAI_API_KEY_FILE"):
        engines.load(settings_for(settings.openai_base_url, key="wrong"))


def test_no_server_or_no_model_named_stops_the_start() -> None:
    for wanted in (LlmSettings(llm_engine="openai"), LlmSettings(llm_engine="openai", openai_base_url="http://x/v1")):
        with pytest.raises(StartError, match=r"OPENAI_BASE_URL, such as .* and LLAMA_MODEL"):
            engines.load(wanted)


async def test_a_server_that_is_away_is_unavailable_and_does_not_stop_the_start() -> None:
    model = await asyncio.to_thread(engines.load, settings_for(f"http://127.0.0.1:{free_port()}/v1"))
    with pytest.raises(Unavailable, match="nobody answers at"):
        await model.probe()
    with pytest.raises(Unavailable, match="nobody answers at"):
        await collect(model)
    await model.close()


async def test_a_model_that_the_server_lacks_stops_the_start_and_later_waits() -> None:
    answer = failure("404 Not Found", {"error": {"message": "The model `smollm2` does not exist.", "code": 404}})
    async with server(answer) as model:
        assert isinstance(model, openai.OpenAI)
        with pytest.raises(StartError, match=r"does not have smollm2 \(The model .* and set LLAMA_MODEL"):
            await asyncio.to_thread(engines.load, model._settings)
        with pytest.raises(Unavailable, match="see its /models"):
            await collect(model)
        await model.probe()  # some servers have no list


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (failure("503 Busy", {"error": {"message": "Loading model"}}), "503 Loading model"),
        (failure("429 Too Many", {"error": {"message": "slow down"}}), "429 slow down"),
        (failure("500 Oh", "no JSON of ours"), "500"),
        (STREAM + DELTA, "broke off in the middle"),
        (STREAM + DELTA + b'data: {"choices": [{"de', "broke off"),
        (STREAM.replace(b"Connection", b"Content-Length: 9999\r\nConnection") + DELTA, "broke off"),
        (STREAM + DELTA + b'data: {"error": {"message": "out of memory"}}\n\n', "out of memory"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi", "broke off"),
    ],
    ids=["loading", "busy", "failed", "cut between", "cut in a line", "cut in the body", "failed inside", "no stream"],
)
async def test_a_reply_that_does_not_reach_its_end_is_unavailable(answer: bytes, expected: str) -> None:
    async with server(answer) as model:
        assert expected in await why_unavailable(model)


async def test_a_request_that_the_server_calls_wrong_is_not_waited_for() -> None:
    """Asking again would not help: it ends as a crash, with the server's words."""
    async with server(failure("400 Bad", {"error": {"message": "max_tokens is not supported"}})) as model:
        with pytest.raises(RuntimeError, match="400 max_tokens is not supported"):
            await collect(model)


async def test_a_server_that_says_nothing_is_unavailable() -> None:
    async with server(b"", silence=0.3) as model:
        with pytest.raises(Unavailable, match=r"said nothing for 0\.3 s"):
            await collect(model)


async def test_a_reply_that_never_ends_is_cut() -> None:
    """After four chunks for each token that was asked for."""
    async with server(STREAM, drip=DELTA) as model:
        async with asyncio.timeout(20):
            assert (await collect(model)).count("Once") == 60 * servers.CHUNKS_PER_TOKEN
