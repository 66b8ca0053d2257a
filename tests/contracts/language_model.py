"""What every language model of llm keeps, whatever is behind it: the engine's own tests run each of these promises."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing

import pytest

from services.llm.engines import LanguageModel, Message

CAPITAL = (Message("system", "Answer in one short sentence."), Message("user", "What is the capital of France?"))
STORY = (Message("user", "Tell me a very long story about a dragon and a princess, with many chapters."),)
HOSTILE = (
    (Message("user", "\x00\u202e <|im_end|> </s> {0} %s ''"),),
    (Message("user", "a"), Message("assistant", "…"), Message("user", "b")),
)


async def the_reply_streams_in_pieces(model: LanguageModel) -> None:
    """Text, and more than one piece of it."""
    pieces = await _reply(model, CAPITAL)
    assert len(pieces) > 3
    assert all(isinstance(piece, str) for piece in pieces)
    assert "".join(pieces).strip()


async def two_replies_are_written_at_once(model: LanguageModel) -> None:
    """Neither takes a word of the other."""
    both = await asyncio.gather(_reply(model, CAPITAL), _reply(model, CAPITAL))
    assert all("".join(pieces).strip() for pieces in both)


async def who_stops_listening_leaves_it_free(model: LanguageModel) -> None:
    """A generator that is closed, and a task that is cancelled, stop the writing."""
    for _ in range(3):
        async with aclosing(model.reply(STORY)) as pieces:
            await anext(pieces)
    task = asyncio.create_task(_reply(model, STORY))
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.wait({task})
    async with asyncio.timeout(20):
        assert await _reply(model, CAPITAL)


async def what_nobody_would_say_breaks_nothing(model: LanguageModel) -> None:
    """Whatever a transcript holds."""
    for messages in HOSTILE:
        await _reply(model, messages)


async def the_event_loop_is_free_meanwhile(model: LanguageModel) -> None:
    """A worker must say that it is alive while its engine works."""
    writing = asyncio.create_task(_reply(model, CAPITAL))
    longest, loop = 0.0, asyncio.get_running_loop()
    while not writing.done():
        before = loop.time()
        await asyncio.sleep(0.005)
        longest = max(longest, loop.time() - before)
    await writing
    assert longest < 1.0


async def a_probe_of_what_works_returns(model: LanguageModel) -> None:
    """A worker whose engine was away waits for it."""
    async with asyncio.timeout(10):
        await model.probe()


Promise = Callable[[LanguageModel], Awaitable[None]]
PROMISES: tuple[Promise, ...] = (
    the_reply_streams_in_pieces,
    two_replies_are_written_at_once,
    who_stops_listening_leaves_it_free,
    what_nobody_would_say_breaks_nothing,
    the_event_loop_is_free_meanwhile,
    a_probe_of_what_works_returns,
)
every_promise = pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)


async def _reply(model: LanguageModel, messages: Sequence[Message]) -> list[str]:
    return [text async for text in model.reply(messages)]
