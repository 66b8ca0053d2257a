"""A model behind any server of OpenAI's protocol: vLLM, llama-server, LM Studio, TGI; over the `openai` client."""

from collections.abc import AsyncGenerator, Sequence
from http import HTTPStatus
from typing import cast

import openai
import structlog
from openai.types.chat import ChatCompletionMessageParam

from services.llm.settings import LlmSettings
from services.runtime.errors import StartError, Unavailable
from services.runtime.settings import masked

from . import Message
from .servers import CONNECT_SECONDS, FORBIDDEN, WRONG_SHAPE, bounded, settled

FAILURES = (openai.APIError, *WRONG_SHAPE)
"""All that a server which is away, busy, restarted or cut off in a line makes of the client."""
WITHOUT_A_LIST = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED)
NO_KEY = "none"
"""The client insists on a key; a server without keys does not look at it."""

log = structlog.get_logger()


class OpenAI:
    """One server, one model."""

    def __init__(self, client: openai.AsyncOpenAI, settings: LlmSettings) -> None:
        self._client = client
        self._settings = settings

    def reply(self, messages: Sequence[Message]) -> AsyncGenerator[str, None]:
        return bounded(self._written(messages), self._settings.llm_max_tokens)

    async def _written(self, messages: Sequence[Message]) -> AsyncGenerator[str, None]:
        settings = self._settings
        finished = False
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
                    finished = finished or any(choice.finish_reason for choice in chunk.choices)
                    yield "".join(choice.delta.content or "" for choice in chunk.choices)
        except FAILURES as error:
            raise settled(error, _status(error), _said(error), _sentence(error, settings)) from error
        if not finished:
            raise Unavailable(f"the server at {masked(settings.openai_base_url)} broke off in the middle of a reply")

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


def _sentence(error: Exception, settings: LlmSettings) -> str:
    where, model = masked(settings.openai_base_url), settings.llama_model
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
