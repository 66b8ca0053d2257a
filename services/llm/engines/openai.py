"""A model behind any server of OpenAI's protocol: vLLM, llama-server, LM Studio, TGI; over the `openai` client."""

import json
from collections.abc import AsyncGenerator, Sequence
from http import HTTPStatus
from typing import cast

import openai
import structlog
from openai.types.chat import ChatCompletionMessageParam

from bus_schemas import codes
from services.llm.settings import LlmSettings
from services.runtime.errors import Refused, StartError, Unavailable

from . import CHUNKS_PER_TOKEN, Message

CONNECT_SECONDS = 5.0
FAILURES = (openai.APIError, json.JSONDecodeError, UnicodeDecodeError)
"""All that a server which is away, busy, restarted or cut off in a line makes of the client."""
TOO_LONG = ("exceed_context_size", "context_length_exceeded", "context length", "context size")
"""What llama-server, OpenAI and vLLM call a conversation that does not fit."""
FORBIDDEN = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
WITHOUT_A_LIST = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED)
NO_KEY = "none"
"""The client insists on a key; a server without keys does not look at it."""

log = structlog.get_logger()


class OpenAI:
    """One server, one model."""

    def __init__(self, client: openai.AsyncOpenAI, settings: LlmSettings) -> None:
        self._client = client
        self._settings = settings

    async def reply(self, messages: Sequence[Message]) -> AsyncGenerator[str, None]:
        settings = self._settings
        finished = False
        left = settings.llm_max_tokens * CHUNKS_PER_TOKEN
        try:
            stream = await self._client.chat.completions.create(
                model=settings.llama_model,
                messages=_messages(messages),
                stream=True,
                max_tokens=settings.llm_max_tokens,
                temperature=settings.llm_temperature,
            )
            async with stream:
                async for chunk in stream:
                    for choice in chunk.choices:
                        finished = finished or bool(choice.finish_reason)
                        if choice.delta.content:
                            yield choice.delta.content
                    left -= 1
                    if not left:
                        log.warning("reply_endless", engine="openai", chunks=settings.llm_max_tokens * CHUNKS_PER_TOKEN)
                        return
        except FAILURES as error:
            raise _settled(error, settings) from error
        if not finished:
            raise Unavailable(f"the server at {settings.openai_base_url} broke off in the middle of a reply")

    async def probe(self) -> None:
        try:
            await self._client.models.list()
        except FAILURES as error:
            if _status(error) not in WITHOUT_A_LIST:
                raise Unavailable(_sentence(error, self._settings)) from error

    async def close(self) -> None:
        await self._client.close()


def load(settings: LlmSettings) -> OpenAI:
    """Have the server load the model, with one token of an answer. A server that is away may come yet.

    Raises: StartError when no server or model is named, or the server does not have it or wants another key.
    """
    if not settings.openai_base_url or not settings.llama_model:
        raise StartError(
            "LLM_ENGINE=openai needs OPENAI_BASE_URL, such as http://localhost:8000/v1, and LLAMA_MODEL, one that its "
            "/models lists"
        )
    with openai.OpenAI(
        base_url=settings.openai_base_url,
        api_key=settings.openai_api_key or NO_KEY,
        timeout=_timeout(settings),
        max_retries=0,
    ) as client:
        try:
            client.chat.completions.create(
                model=settings.llama_model, messages=_messages([Message("user", "OK")]), max_tokens=1
            )
        except FAILURES as error:
            if _status(error) == HTTPStatus.NOT_FOUND or _status(error) in FORBIDDEN:
                raise StartError(_sentence(error, settings)) from error
            log.warning("engine_not_ready", reason=_sentence(error, settings))
    return connect(settings)


def connect(settings: LlmSettings) -> OpenAI:
    """The engine, whatever state its server is in. The worker's settle rules try again, so the client does not."""
    client = openai.AsyncOpenAI(
        base_url=settings.openai_base_url,
        api_key=settings.openai_api_key or NO_KEY,
        timeout=_timeout(settings),
        max_retries=0,
    )
    return OpenAI(client, settings)


def _messages(messages: Sequence[Message]) -> list[ChatCompletionMessageParam]:
    found = [{"role": message.role, "content": message.content} for message in messages]
    return cast(list[ChatCompletionMessageParam], found)


def _timeout(settings: LlmSettings) -> openai.Timeout:
    return openai.Timeout(settings.llama_silence_seconds, connect=CONNECT_SECONDS)


def _status(error: Exception) -> int:
    return error.status_code if isinstance(error, openai.APIStatusError) else 0


def _settled(error: Exception, settings: LlmSettings) -> Exception:
    """What the worker is to do about it: refuse what never fits, give up what is wrong, wait for the rest."""
    status, sentence = _status(error), _sentence(error, settings)
    if status in (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE):
        if any(mark in str(error).lower() for mark in TOO_LONG):
            return Refused(codes.TOO_LONG, f"The question is too long for the model: {_said(error)}")
        return RuntimeError(sentence)
    return Unavailable(sentence)


def _sentence(error: Exception, settings: LlmSettings) -> str:
    where, model = settings.openai_base_url, settings.llama_model
    status = _status(error)
    if status == HTTPStatus.NOT_FOUND:
        return f"{where} does not have {model} ({_said(error)}): see its /models, and set LLAMA_MODEL"
    if status in FORBIDDEN:
        return f"{where} does not take our key ({_said(error)}): set OPENAI_API_KEY, or OPENAI_API_KEY_FILE"
    if status:
        return f"{where} refused {model}: {status} {_said(error)}"
    if isinstance(error, openai.APITimeoutError):
        return f"{where} said nothing for {settings.llama_silence_seconds:g} s"
    if type(error.__cause__).__name__ == "ConnectError":  # of httpx or httpx2, whichever this client is made with
        return f"nobody answers at {where}; start the server, or set OPENAI_BASE_URL"
    return f"{where} broke off: {_said(error)}"


def _said(error: Exception) -> str:
    """What the server itself says, in one line."""
    body = getattr(error, "body", None)
    said = body.get("message") if isinstance(body, dict) else None
    return " ".join(str(said or error).split())[:300]
