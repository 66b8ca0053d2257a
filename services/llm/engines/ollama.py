"""A model behind Ollama, over its official client."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import aclosing
from http import HTTPStatus
from typing import cast

import httpx
import ollama
import structlog

from services.llm.settings import LlmSettings, reached
from services.runtime.errors import StartError, Unavailable
from services.runtime.settings import masked

from . import Message
from .servers import CONNECT_SECONDS, WRONG_SHAPE, bound, bounded, settled

FAILURES = (ollama.ResponseError, ConnectionError, TimeoutError, httpx.HTTPError, *WRONG_SHAPE)
"""All that a server which is away, busy, restarted, cut off in a line or none of Ollama's makes of the client."""
MAY_PASS = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)

log = structlog.get_logger()


class Ollama:
    """One server, one model."""

    def __init__(self, settings: LlmSettings) -> None:
        self._settings = settings
        self._client = _client(settings, settings.llama_silence_seconds)
        self._loader = _client(settings, settings.llama_load_seconds)

    def reply(self, messages: Sequence[Message]) -> AsyncGenerator[str, None]:
        return bounded(self._written(messages), self._settings.llm_max_tokens)

    async def _written(self, messages: Sequence[Message]) -> AsyncGenerator[str, None]:
        settings = self._settings
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
                    yield part.message.content or ""
                    if part.done:  # a server may keep the stream open
                        return
        except FAILURES as error:
            told = _sentence(error, settings, settings.llama_silence_seconds)
            raise settled(error, _status(error), _said(error), told) from error
        raise Unavailable(f"Ollama at {masked(settings.llama_endpoint)} broke off in the middle of a reply")

    async def probe(self) -> None:
        try:
            await self.warm_up()
        except FAILURES as error:
            raise Unavailable(_sentence(error, self._settings, self._settings.llama_load_seconds)) from error

    async def warm_up(self) -> None:
        """Have the server load the model; one that is loaded answers at once. Raises: FAILURES."""
        settings = self._settings
        async with asyncio.timeout(settings.llama_load_seconds):
            await _answered(self._loader.show(settings.llama_model))
            # An empty prompt only loads the model: otherwise a question would wait for it.
            options = {**_options(settings), "num_predict": 1}
            keep_alive = _keep_alive(settings)
            await _answered(self._loader.generate(settings.llama_model, "", keep_alive=keep_alive, options=options))

    async def close(self) -> None:
        await self._client.close()  # type: ignore[no-untyped-call]
        await self._loader.close()  # type: ignore[no-untyped-call]


def load(settings: LlmSettings) -> Ollama:
    """Have the server load the model. A server that is away, or busy, may come yet.

    Raises: StartError when no model is named, or the server does not have it, or will never answer with it.
    """
    if not settings.llama_model:
        raise StartError("LLAMA_MODEL is empty; name a model of the Ollama server, as `ollama list` shows it")
    try:
        asyncio.run(_warmed(connect(settings)))
    except FAILURES as error:
        told = _sentence(error, reached(settings), settings.llama_load_seconds)
        if _status(error) // 100 == 4 and _status(error) not in MAY_PASS:
            raise StartError(told) from error
        log.warning("engine_not_ready", reason=told)
    return connect(settings)


async def _warmed(engine: Ollama) -> None:
    try:
        await engine.warm_up()
    finally:
        await engine.close()


async def _answered(answer: Awaitable[object]) -> None:
    """Other servers of the protocol lack a route, or fields that are none of ours."""
    try:
        await answer
    except json.JSONDecodeError:
        raise
    except ValueError as error:
        log.debug("answer_incomplete", engine="ollama", error=_said(error))
    except ollama.ResponseError as error:
        if error.status_code != HTTPStatus.NOT_FOUND or _misses_model(error):
            raise


def connect(settings: LlmSettings) -> Ollama:
    """The engine, whatever state its server is in. Raises: StartError for an address that is none."""
    try:
        return Ollama(reached(settings))
    except (ValueError, httpx.InvalidURL) as error:
        why = "" if "@" in settings.llama_endpoint else f" ({error})"  # the error may quote a password
        raise StartError(
            f"LLAMA_ENDPOINT={masked(settings.llama_endpoint)} is no address{why}; one is http://localhost:11434"
        ) from error


def _client(settings: LlmSettings, silence: float) -> ollama.AsyncClient:
    timeout = httpx.Timeout(silence, connect=CONNECT_SECONDS)
    return ollama.AsyncClient(settings.llama_endpoint or None, timeout=timeout, event_hooks={"response": [bound]})


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


def _status(error: Exception) -> int:
    return error.status_code if isinstance(error, ollama.ResponseError) else 0


def _misses_model(error: ollama.ResponseError) -> bool:
    """Ollama says `model 'x' not found`; who has no such route says nothing of a model."""
    return error.status_code == HTTPStatus.NOT_FOUND and "model" in error.error.lower()


def _said(error: Exception) -> str:
    """What the server itself says, in one line."""
    return " ".join(str(error).split())[:300]


def _sentence(error: Exception, settings: LlmSettings, waited: float) -> str:
    where, model = masked(settings.llama_endpoint) or "its default address", settings.llama_model
    match error:
        case ollama.ResponseError() if _misses_model(error):
            return f"Ollama at {where} does not have {model}; run `ollama pull {model}`"
        case ollama.ResponseError(status_code=HTTPStatus.SERVICE_UNAVAILABLE | HTTPStatus.TOO_MANY_REQUESTS):
            return f"Ollama at {where} is busy ({_said(error)}); set LLM_CONCURRENCY to its OLLAMA_NUM_PARALLEL"
        case ollama.ResponseError(status_code=HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN):
            return f"Ollama at {where} does not let us in ({_said(error)}); set OLLAMA_API_KEY"
        case ollama.ResponseError():
            return f"Ollama at {where} refused {model}: {_said(error)}"
        case httpx.TimeoutException() | TimeoutError():
            return f"Ollama at {where} said nothing for {waited:g} s ({type(error).__name__}); see its log"
        case ConnectionError() | httpx.ConnectError():
            return f"no Ollama answers at {where}; start it with `ollama serve`, or set LLAMA_ENDPOINT"
        case httpx.HTTPError() | json.JSONDecodeError():
            return f"Ollama at {where} broke off: {error!r}"
        case _:
            return f"what answers at {where} does not speak as Ollama does ({_said(error)}); see LLAMA_ENDPOINT"
