"""What llm does with a transcript: ask the model, speak as it writes, remember, finish.

The turn's entry in the memory is the commit. Sentences leave as they come; only when the entry is stored does the
last one follow, so an attempt can only be complete when it is the one that the session remembers.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import structlog
from msgspec.structs import replace

from bus_schemas import Sentence, Transcript, names
from services.runtime.errors import QueueFull, Unavailable

from . import memory as memories
from . import sentences
from .engines import LanguageModel, Message
from .memory import Entries, Entry, Memory, Stored
from .sentences.thoughts import Habits
from .settings import LlmSettings

COMMIT_PAUSES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0) + (2.0,) * 300
"""Seconds between tries to commit: ten minutes, the longest that a turn may last; its own deadline comes first."""
BYTES_PER_TOKEN = 1
"""A token of a byte-level vocabulary stands for a byte at least, so a conversation that is let through fits."""

log = structlog.get_logger()


async def handle(
    transcript: Transcript,
    *,
    model: LanguageModel,
    memory: Memory,
    settings: LlmSettings,
    habits: Habits | None = None,
) -> AsyncGenerator[Sentence, None]:
    """Answer a transcript with sentences, the final one `last` and with the whole reply.

    Raises: Unavailable when the memory or the engine is away; Refused from the engine.
    """
    attempt = names.fresh()
    if not transcript.text.strip():
        yield Sentence(n=0, attempt=attempt, text="", last=True)
        return
    stored = await _read(memory, transcript)
    answered = memories.find(stored.entries, transcript.turn, transcript.run)
    if answered:
        log.info("turn_answered_before", turn=transcript.turn, attempt=answered.attempt)
        for last in _last(answered, transcript):
            yield last
        return
    messages = conversation(transcript, memory.shown(stored.entries), settings)
    habit = (habits or Habits()).of(transcript.origin, transcript.session)
    n, text, reply, thought = 0, "", "", False
    async with (
        aclosing(model.reply(messages)) as written,
        aclosing(habit.heed(written)) as chunks,
        aclosing(sentences.pieces(chunks, settings.llm_max_sentences, thinks=settings.llm_thinks)) as pieces,
    ):
        async for piece in pieces:
            if piece.anew:  # what was said was a thought: an attempt that is never completed
                attempt, n, reply, thought = names.fresh(), 0, "", True
            reply += piece.raw
            if piece.last:
                text = piece.text
            else:
                yield Sentence(n=n, attempt=attempt, text=piece.text, transcription=transcript.text)
                n += 1
    habit.learn(thought)
    entry = _entry(transcript, Sentence(n=n, attempt=attempt, text=text, reply=reply.strip()))
    for last in _last(await _commit(memory, transcript, stored, entry), transcript):
        yield last


def _entry(transcript: Transcript, final: Sentence) -> Entry:
    """What the session remembers of a turn that ends with *final*."""
    if not final.reply:
        log.warning("reply_empty", turn=transcript.turn, advice="a model that only thought needs more LLM_MAX_TOKENS")
    log.debug("replied", turn=transcript.turn, attempt=final.attempt, reply=final.reply)
    return Entry(
        turn=transcript.turn,
        run=transcript.run,
        attempt=final.attempt,
        transcript=transcript.text[: memories.MAX_TRANSCRIPT],
        reply=final.reply,
        n=final.n,
        text=final.text,
        at=memories.now(),
    )


def conversation(transcript: Transcript, entries: Entries, settings: LlmSettings) -> list[Message]:
    """What the model is shown: the system prompt, as many of the latest turns as fit, the question."""
    question = Message("user", transcript.text)
    room = (settings.llm_context - settings.llm_max_tokens) * BYTES_PER_TOKEN
    room -= _size(settings.llm_system_prompt) + _size(question.content)
    turns: list[Message] = []
    for entry in reversed(entries):
        if entry.turn == transcript.turn:
            continue
        reply = memories.remembered(entry) or memories.CUT_OFF
        room -= _size(entry.transcript) + _size(reply)
        if room < 0:
            break
        turns[:0] = [Message("user", entry.transcript), Message("assistant", reply)]
    return [Message("system", settings.llm_system_prompt), *turns, question]


def _size(text: str) -> int:
    return len(text.encode())


async def _read(memory: Memory, transcript: Transcript) -> Stored:
    stored = await memory.read(transcript.origin, transcript.session)
    return replace(stored, entries=memories.interrupted(stored.entries, transcript.heard))


async def _commit(memory: Memory, transcript: Transcript, stored: Stored, entry: Entry) -> Entry:
    """Store the entry; give back the one that counts, which is another run's when that was first.

    A write without an answer may have been stored: the next one then finds our own entry. When the bucket is full, the
    reply is given and not remembered.
    """
    for pause in COMMIT_PAUSES:
        try:
            if await memory.commit(transcript.origin, transcript.session, stored, entry):
                return entry
            stored = await _read(memory, transcript)
            winner = memories.find(stored.entries, entry.turn, entry.run)
            if winner:
                return winner
        except QueueFull as error:
            log.error("memory_full", turn=entry.turn, error=str(error))
            return entry
        except Unavailable as error:
            log.warning("memory_away", turn=entry.turn, error=str(error), pause=pause)
        await asyncio.sleep(pause)
    raise Unavailable("the memory of the session could not be written; is the bucket there? Run `voicebus setup`")


def _last(entry: Entry, transcript: Transcript) -> list[Sentence]:
    """The end of the answer; none where the turn was interrupted: who did that knows, and nobody waits."""
    if entry.attempt == memories.INTERRUPTED:
        return []
    return [
        Sentence(
            n=entry.n,
            attempt=entry.attempt,
            text=entry.text,
            last=True,
            transcription=transcript.text,
            reply=entry.reply,
        )
    ]
