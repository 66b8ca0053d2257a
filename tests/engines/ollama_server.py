"""Somebody else's server of Ollama's protocol in front of a real model.

`ollama-proxy-plus` speaks Ollama's routes and passes each request on to llama.cpp's own HTTP listener.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

from services.llm import engines
from services.llm.engines import Message, llama_cpp, openmp
from services.llm.settings import LlmSettings
from tests.harness import free_port

openmp.ensure()  # before the import that needs it
import xllamacpp  # type: ignore[import-untyped]  # noqa: E402

KEY = "test"
START_SECONDS = 30.0


@contextmanager
def llama() -> Iterator[str]:
    """llama.cpp's own server; its address."""
    params = xllamacpp.CommonParams()
    params.model.path = str(llama_cpp.model_path(""))
    params.n_ctx, params.n_parallel, params.verbosity, params.api_keys = 4096, 2, -1, [KEY]
    for threads in (params.cpuparams, params.cpuparams_batch):
        threads.n_threads, threads.poll = 2, 0
    server = xllamacpp.Server(params)
    yield str(server.listening_address)


@contextmanager
def proxy(llama_address: str) -> Iterator[int]:
    """ollama-proxy-plus in front of it; its port."""
    port = free_port()
    environment = {
        **os.environ,
        "PROVIDERS_LOCAL_API_KEY": KEY,
        "PROVIDERS_LOCAL_BASE_URL": f"{llama_address}/v1",
        "EXTRA_MODELS": "local/smollm2",
    }
    command = [sys.executable, "-m", "uvicorn", "ollama_proxy.server:app", "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(f"http://127.0.0.1:{port}/", process)
            yield port
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()


def settings_for(port: int, model: str = "local/smollm2", *, silence: float = 60.0) -> LlmSettings:
    """Settings of an engine whose server listens on *port*."""
    return LlmSettings(
        llama_endpoint=f"http://127.0.0.1:{port}",
        llama_model=model,
        llama_silence_seconds=silence,
        llm_max_tokens=200,
        llm_temperature=0,
    )


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until a server answers."""
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
    """An engine, closed at the end; what the client leaves half read is closed before."""
    model = await asyncio.to_thread(load, settings)
    try:
        yield model
        await asyncio.sleep(0.05)
    finally:
        await model.close()


async def collect(model: engines.LanguageModel, messages: Sequence[Message]) -> list[str]:
    """The pieces of a reply."""
    return [text async for text in model.reply(messages)]
