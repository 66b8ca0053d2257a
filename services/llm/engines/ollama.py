"""A model behind Ollama, over its official client."""

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from http import HTTPStatus
from typing import cast

import httpx
import ollama
import structlog

from services.llm.settings import LlmSettings, reached
from services.runtime.errors import StartError, Unavailable

from . import CHUNKS_PER_TOKEN, Message

CONNECT_SECONDS = 5.0
FAILURES = (ollama.ResponseError, ConnectionError, httpx.TransportError, json.JSONDecodeError)
"""All that a server which is away, busy, restarted or cut off in a line makes of the client."""

log = structlog.get_logger()


class Ollama:
    """One server, one model."""

    def __init__(self, client: ollama.AsyncClient, settings: LlmSettings) -> None:
        self._client = client
        self._settings = settings

    async def reply(self, messages: Sequence[Message]) -> AsyncGenerator[str, None]:
        settings = self._settings
        finished = False
        left = settings.llm_max_tokens * CHUNKS_PER_TOKEN
        try:
            stream = await self._client.chat(
                model=settings.llama_model,
                messages=[{"role": message.role, "content": message.content} for message in messages],
                stream=True,
                think=False,
                keep_alive=_keep_alive(settings),
                options=_options(settings),
            )
            async with aclosing(cast(AsyncGenerator[ollama.ChatResponse, None], stream)) as parts:
                async for part in parts:
                    finished = finished or bool(part.done)
                    if part.message.content:
                        yield part.message.content
                    left -= 1
                    if not left:
                        log.warning("reply_endless", engine="ollama", chunks=settings.llm_max_tokens * CHUNKS_PER_TOKEN)
                        return
        except FAILURES as error:
            raise Unavailable(_sentence(error, settings)) from error
        if not finished:
            raise Unavailable(f"Ollama at {settings.llama_endpoint} broke off in the middle of a reply")

    async def probe(self) -> None:
        settings = self._settings
        try:
            await self._client.show(settings.llama_model)
        except FAILURES as error:
            raise Unavailable(_sentence(error, settings)) from error

    async def close(self) -> None:
        await self._client.close()  # type: ignore[no-untyped-call]


def load(settings: LlmSettings) -> Ollama:
    """Look at the server and have it load the model. A server that is away may come yet.

    Raises: StartError when no model is named, or the server does not have it.
    """
    settings = reached(settings)
    if not settings.llama_model:
        raise StartError("LLAMA_MODEL is empty; name a model of the Ollama server, as `ollama list` shows it")
    client = ollama.Client(settings.llama_endpoint or None, timeout=_timeout(settings))
    try:
        client.show(settings.llama_model)
        # An empty prompt only loads the model: otherwise the first question would wait for it.
        options = {**_options(settings), "num_predict": 1}
        client.generate(settings.llama_model, "", keep_alive=_keep_alive(settings), options=options)
    except FAILURES as error:
        if isinstance(error, ollama.ResponseError) and error.status_code == HTTPStatus.NOT_FOUND:
            raise StartError(_sentence(error, settings)) from error
        log.warning("engine_not_ready", reason=_sentence(error, settings))
    finally:
        client.close()  # type: ignore[no-untyped-call]
    return connect(settings)


def connect(settings: LlmSettings) -> Ollama:
    """The engine, whatever state its server is in."""
    settings = reached(settings)
    return Ollama(ollama.AsyncClient(settings.llama_endpoint or None, timeout=_timeout(settings)), settings)


def _timeout(settings: LlmSettings) -> httpx.Timeout:
    return httpx.Timeout(settings.llama_silence_seconds, connect=CONNECT_SECONDS)


def _options(settings: LlmSettings) -> dict[str, int | float]:
    return {
        "num_predict": settings.llm_max_tokens,
        "num_ctx": settings.llm_context,
        "temperature": settings.llm_temperature,
    }


def _keep_alive(settings: LlmSettings) -> float | str:
    """A number is seconds; the server takes one with a unit as text, and none without."""
    try:
        return float(settings.llama_keep_alive)
    except ValueError:
        return settings.llama_keep_alive


def _sentence(error: Exception, settings: LlmSettings) -> str:
    where = settings.llama_endpoint or "its default address"
    match error:
        case ollama.ResponseError(status_code=HTTPStatus.NOT_FOUND):
            return f"Ollama at {where} does not have {settings.llama_model}; run `ollama pull {settings.llama_model}`"
        case ollama.ResponseError():
            return f"Ollama at {where} refused {settings.llama_model}: {error}"
        case httpx.TimeoutException():
            return f"Ollama at {where} said nothing for {settings.llama_silence_seconds:g} s ({type(error).__name__})"
        case ConnectionError() | httpx.ConnectError():
            return f"no Ollama answers at {where}; start it, or set LLAMA_ENDPOINT"
        case _:
            return f"Ollama at {where} broke off: {error!r}"
