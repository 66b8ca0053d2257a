"""The official Ollama client and our engine, against somebody else's server of that protocol with a real model.

`ollama-proxy-plus` speaks Ollama's routes and passes each request on to llama.cpp's own HTTP listener.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager

import pytest

from services.llm import engines
from services.llm.engines import Message, llama_cpp, ollama, openmp
from services.llm.settings import LlmSettings
from services.runtime.errors import StartError, Unavailable
from tests.contracts.language_model import Promise, every_promise
from tests.harness import free_port

openmp.ensure()  # before the import that needs it
import xllamacpp  # type: ignore[import-untyped]  # noqa: E402

KEY = "test"
START_SECONDS = 30.0
CAPITAL = (Message("system", "Answer in one short sentence."), Message("user", "What is the capital of France?"))
STORY = (Message("user", "Tell me a very long story about a dragon and a princess, with many chapters."),)


@pytest.fixture(scope="module")
def llama() -> xllamacpp.Server:
    params = xllamacpp.CommonParams()
    params.model.path = str(llama_cpp.model_path(""))
    params.n_ctx, params.n_parallel, params.verbosity, params.api_keys = 4096, 2, -1, [KEY]
    for threads in (params.cpuparams, params.cpuparams_batch):
        threads.n_threads, threads.poll = 2, 0
    return xllamacpp.Server(params)


@pytest.fixture(scope="module")
def settings(llama: xllamacpp.Server, broker_url: str) -> Iterator[LlmSettings]:
    """Settings of an engine whose server runs."""
    port = free_port()
    environment = {
        **os.environ,
        "PROVIDERS_LOCAL_API_KEY": KEY,
        "PROVIDERS_LOCAL_BASE_URL": f"{llama.listening_address}/v1",
        "EXTRA_MODELS": "local/smollm2",
    }
    command = [sys.executable, "-m", "uvicorn", "ollama_proxy.server:app", "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(f"http://127.0.0.1:{port}/", process)
            yield settings_for(port)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()


def settings_for(port: int, model: str = "local/smollm2") -> LlmSettings:
    return LlmSettings(
        llama_endpoint=f"http://127.0.0.1:{port}", llama_model=model, llm_max_tokens=200, llm_temperature=0
    )


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        assert process.poll() is None, f"the server ended with {process.returncode}"
        try:
            urllib.request.urlopen(url, timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"nothing answers at {url} after {START_SECONDS:g} s")


@asynccontextmanager
async def opened(
    settings: LlmSettings, load: Callable[[LlmSettings], engines.LanguageModel] = engines.load
) -> AsyncIterator[engines.LanguageModel]:
    model = await asyncio.to_thread(load, settings)
    try:
        yield model
    finally:
        await model.close()


async def collect(model: engines.LanguageModel, messages: tuple[Message, ...]) -> list[str]:
    return [text async for text in model.reply(messages)]


async def reason(model: engines.LanguageModel) -> str:
    """Why the engine is unavailable; the exception is let go, because it holds the client's half-read stream."""
    try:
        await collect(model, CAPITAL)
    except Unavailable as error:
        return str(error)
    finally:
        await asyncio.sleep(0.05)
    return "it is not"


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


async def test_a_reply_that_nobody_wants_any_more_frees_the_server(
    settings: LlmSettings, llama: xllamacpp.Server
) -> None:
    def busy() -> int:
        request = urllib.request.Request(f"{llama.listening_address}/slots", headers={"Authorization": f"Bearer {KEY}"})
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


async def test_a_model_that_the_server_lacks_stops_the_start_and_says_how_to_get_it(settings: LlmSettings) -> None:
    port = int(settings.llama_endpoint.rsplit(":", 1)[1])
    with pytest.raises(StartError, match="ollama pull nosuch"):
        await asyncio.to_thread(engines.load, settings_for(port, "nosuch/model"))


async def test_no_model_named_stops_the_start(settings: LlmSettings) -> None:
    with pytest.raises(StartError, match="LLAMA_MODEL"):
        await asyncio.to_thread(engines.load, LlmSettings(llama_endpoint=settings.llama_endpoint))


async def test_a_model_that_is_taken_away_later_is_unavailable(settings: LlmSettings) -> None:
    port = int(settings.llama_endpoint.rsplit(":", 1)[1])
    async with opened(settings_for(port, "nosuch/model"), ollama.connect) as model:
        with pytest.raises(Unavailable, match="ollama pull nosuch"):
            await model.probe()
        with pytest.raises(Unavailable, match="nosuch/model"):
            await collect(model, CAPITAL)


async def test_a_server_that_is_away_is_unavailable_and_does_not_stop_the_start() -> None:
    async with opened(settings_for(free_port())) as model:
        with pytest.raises(Unavailable, match="no Ollama answers"):
            await model.probe()
        with pytest.raises(Unavailable, match="no Ollama answers"):
            await collect(model, CAPITAL)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b'HTTP/1.1 503 Busy\r\nContent-Length: 16\r\n\r\n{"error":"busy"}', "busy"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\n\r\n", "broke off"),
        (b'HTTP/1.1 200 OK\r\n\r\n%b\n{"message": {"ro', "broke off"),
        (b"HTTP/1.1 200 OK\r\n\r\n%b\n", "broke off"),
        (b'HTTP/1.1 200 OK\r\n\r\n{"error": "out of memory"}\n', "out of memory"),
    ],
    ids=["busy", "cut in a chunk", "cut in a line", "cut between lines", "failed inside"],
)
async def test_a_reply_that_does_not_reach_its_end_is_unavailable(answer: bytes, expected: str) -> None:
    part = b'{"model": "m", "message": {"role": "assistant", "content": "Once"}, "done": false}'
    answer = answer.replace(b"%x", b"%x" % (len(part) + 1)).replace(b"%b", part)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().split(b"content-length:")[1].split(b"\r")[0]))
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with (
        await asyncio.start_server(serve, "127.0.0.1", 0) as server,
        opened(settings_for(server.sockets[0].getsockname()[1], "m"), ollama.connect) as model,
    ):
        assert expected in await reason(model)


async def test_a_server_that_says_nothing_is_unavailable() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        settings = LlmSettings(llama_endpoint=f"http://127.0.0.1:{port}", llama_model="m", llama_silence_seconds=0.3)
        async with opened(settings, ollama.connect) as model:
            with pytest.raises(Unavailable, match=r"said nothing for 0\.3 s"):
                await collect(model, CAPITAL)


async def test_a_reply_that_never_ends_is_cut() -> None:
    """After four chunks for each token that was asked for."""
    part = b'{"model": "m", "message": {"role": "assistant", "content": "Once "}, "done": false}\n'

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        settings = settings_for(server.sockets[0].getsockname()[1], "m")
        async with opened(settings, ollama.connect) as model, asyncio.timeout(20):
            assert len(await collect(model, CAPITAL)) == settings.llm_max_tokens * engines.CHUNKS_PER_TOKEN
            await asyncio.sleep(0.05)
