"""`voicebus dead requeue`: letters on their way again, and, with `--wait`, what becomes of them."""

import argparse
import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import UNSET, Struct, UnsetType

from bus_schemas import Event, Failed, Utterance
from bus_schemas.events import DEFAULT_TIMEOUT_MS
from services.edge.answer import Answer
from services.runtime import dead, requeue, wav
from services.runtime.bus import Bus
from services.runtime.dead import Letter
from services.runtime.errors import Unavailable, VoicebusError

from . import console, outcome, reply_files
from .client import NoAnswer

GRACE_SECONDS = 5.0
"""The stages say `deadline` first."""


class Requeued(Struct, frozen=True):
    """What `--json` prints for a letter."""

    number: int
    subject: str
    turn: str | UnsetType = UNSET
    """Left out where the message went back as it was."""
    run: int | UnsetType = UNSET
    transcription: str | UnsetType = UNSET
    """With `--wait`, as the next three."""
    llama: str | UnsetType = UNSET
    audio: str | UnsetType = UNSET
    seconds: float | UnsetType = UNSET


async def run(bus: Bus, numbers: Sequence[int], words: argparse.Namespace) -> int:
    """Requeue one letter after the other; 1 when one of them was refused, or found no answer.

    Raises: StartError when the reply cannot be written.
    """
    await bus.check()  # it tells how far the clocks are apart, too
    replies = await asyncio.to_thread(reply_files.choose, words.out, len(numbers)) if words.wait and numbers else []
    failed = False
    for at, number in enumerate(numbers):
        try:
            done = await _requeue(bus, await dead.letter(bus, number), replies[at] if replies else None, words)
        except VoicebusError as error:
            console.error(str(error))
            failed = True
            continue
        print(_line(done) if words.json else _text(done), flush=True)  # noqa: T201 - the command's result
    if not numbers:
        console.say("no dead letters like that")
    return 1 if failed else 0


async def _requeue(bus: Bus, letter: Letter, reply: Path | None, words: argparse.Namespace) -> Requeued:
    if words.as_it_is:
        await requeue.requeue(bus, letter, requeue.as_it_is(letter))
        await _forget(bus, letter, words)
        return Requeued(letter.number, letter.dead.subject)
    event = requeue.again(letter, bus.time(), words.timeout)
    done = Requeued(letter.number, letter.dead.subject, event.turn, event.run)

    async def put() -> None:
        await requeue.requeue(bus, letter, requeue.written(letter, event))
        await _forget(bus, letter, words)

    if reply is None:
        await put()
        return done
    began = time.monotonic()
    with console.waiting(f"letter {letter.number} runs again, waiting for its answer"):
        ended = await outcome.of(bus, event, put, _patience(event, words.timeout))
    return await _answered(done, ended, reply, time.monotonic() - began)


async def _answered(done: Requeued, ended: Answer | Failed, reply: Path, seconds: float) -> Requeued:
    if isinstance(ended, Failed):
        message = f"letter {done.number}: {ended.stage} says {ended.code}: {ended.message}"
        raise NoAnswer(ended.code, message)
    await asyncio.to_thread(lambda: reply_files.write(reply, wav.join(ended.wavs, reply_files.ANY_SIZE)))
    return msgspec.structs.replace(
        done, transcription=ended.transcription, llama=ended.reply, audio=str(reply), seconds=round(seconds, 3)
    )


async def _forget(bus: Bus, letter: Letter, words: argparse.Namespace) -> None:
    """The broker has the message: its letter has done its work."""
    if words.keep:
        return
    try:
        await dead.remove(bus, letter.number)
    except Unavailable as error:
        console.say(f"letter {letter.number} runs again, but it is still listed ({error}); drop it later")


def _patience(event: Event, timeout: float | None) -> float:
    """Seconds that the run may take; of an utterance, those that it says itself."""
    if isinstance(event, Utterance):
        return event.timeout_ms / 1000 + GRACE_SECONDS
    return (timeout or DEFAULT_TIMEOUT_MS / 1000) + GRACE_SECONDS


def _line(done: Requeued) -> str:
    return msgspec.json.encode(done).decode()


def _text(done: Requeued) -> str:
    if done.turn is UNSET:
        return f"letter {done.number} is back on {done.subject}, as it was"
    if done.audio is UNSET:
        return f"letter {done.number}: turn {done.turn} of {done.subject} runs again, as run {done.run}"
    if not done.transcription and not done.llama:
        return f"(nothing was heard)   {done.audio}"
    return f"heard     {done.transcription}\nvoicebus  {done.llama}\n          {done.audio}, after {done.seconds:.1f} s"
