"""What the engines that ask a server have in common: how much of an answer is read, and what becomes of a refusal."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from http import HTTPStatus

import httpx
import structlog

from bus_schemas import codes
from services.runtime.errors import Refused, Unavailable

CONNECT_SECONDS = 5.0
CHUNKS_PER_TOKEN = 4
CHARACTERS_PER_TOKEN = 64
"""A server sends a chunk a token, of a few characters. One that sends LLM_MAX_TOKENS times so many never ends."""
LONGEST_ANSWER = 16 * 1024 * 1024
"""Bytes that are read of one answer; the clients collect a line, or an answer that is no stream, as a whole."""
TOO_LONG = ("exceed_context_size", "context_length_exceeded", "context length", "context size")
"""What llama-server, OpenAI and vLLM call a conversation that does not fit."""
WRONG_SHAPE = (ValueError, TypeError, AttributeError)
"""What the clients raise of bytes that are no UTF-8, no JSON, or not the object that they trust to find."""
FORBIDDEN = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)

log = structlog.get_logger()


async def bounded(texts: AsyncGenerator[str, None], tokens: int) -> AsyncGenerator[str, None]:
    """*texts* as far as *tokens* can reach, those without a character counted too; the rest is not read."""
    chunks, characters = tokens * CHUNKS_PER_TOKEN, tokens * CHARACTERS_PER_TOKEN
    async with aclosing(texts):
        async for text in texts:
            if text:
                yield text[:characters]
            chunks -= 1
            characters -= len(text)
            if chunks <= 0 or characters <= 0:
                log.warning("reply_endless", tokens=tokens, chunks_left=chunks, characters_left=characters)
                return


def settled(error: Exception, status: int, said: str, sentence: str) -> Exception:
    """What the worker is to do about *error*: refuse what never fits, give up what is wrong, wait for the rest.

    *said* are the server's words, *sentence* is ours.
    """
    if status not in (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE):
        return Unavailable(sentence)
    if any(mark in str(error).lower() for mark in TOO_LONG):
        return Refused(codes.TOO_LONG, f"The question is too long for the model: {said}")
    return RuntimeError(sentence)


async def bound(response: httpx.Response) -> None:
    """Read no more than LONGEST_ANSWER of *response*: a hook of an httpx client."""
    response.stream = _Bounded(response)


class _Bounded(httpx.AsyncByteStream):
    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self._stream = response.stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = LONGEST_ANSWER
        assert isinstance(self._stream, httpx.AsyncByteStream)
        async for chunk in self._stream:
            left -= len(chunk)
            if left < 0:
                raise httpx.ReadError(f"more than {LONGEST_ANSWER} bytes", request=self._response.request)
            yield chunk

    async def aclose(self) -> None:
        assert isinstance(self._stream, httpx.AsyncByteStream)
        await self._stream.aclose()
