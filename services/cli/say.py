"""`voicebus say`: ask a running voicebus; several files are the turns of one conversation."""

import argparse
import asyncio
import sys
import time
from pathlib import Path

import msgspec
from msgspec import UNSET, Struct, UnsetType

from bus_schemas import Step
from services.runtime.errors import StartError

from . import caller, console, reply_files, say_progress, telling, waterfall
from .client import Client

STDIN = "-"


class Said(Struct, frozen=True):
    """What `--json` prints for a turn."""

    transcription: str
    llama: str
    audio: str
    """The file of the spoken reply; empty when nothing was spoken."""
    seconds: float
    """From the question to the end of the answer."""
    session: str
    first_sound: float | UnsetType = UNSET
    """With `--stream`: from the question to the first sound of its answer."""
    trail: tuple[Step, ...] | UnsetType = UNSET
    """With `--trace`: what each stage spent, milliseconds."""


def run(words: argparse.Namespace) -> int:
    """Ask each file in turn, print each answer, write each reply.

    Raises: StartError for a file that cannot be read or written; NoAnswer.
    """
    questions = [(name, _read(name)) for name in words.files]
    replies = reply_files.choose(words.out, len(questions))
    client = caller.of(words, stream=words.stream, trace=words.trace)
    converse = _listen if words.stream else _converse
    asyncio.run(converse(client, [wav for _, wav in questions], replies, words.json))
    return 0


async def _converse(client: Client, questions: list[bytes], replies: list[Path], as_json: bool) -> None:
    async with client:
        for question, path in zip(questions, replies, strict=True):
            began = time.monotonic()
            with say_progress.shown(client, len(question)):
                turn = await client.ask(question)
            seconds = round(time.monotonic() - began, 3)
            await asyncio.to_thread(reply_files.write, path, turn.wav)
            said = Said(turn.transcription, turn.llama, str(path), seconds, client.session, trail=turn.trail or UNSET)
            print(_line(said) if as_json else _text(said), flush=True)  # noqa: T201 - the command's result
            if turn.trail and not as_json:
                console.draw(waterfall.lines(turn.trail, seconds))


async def _listen(client: Client, questions: list[bytes], replies: list[Path], as_json: bool) -> None:
    """The same, told as it comes."""
    async with client:
        for question, path in zip(questions, replies, strict=True):
            began = time.monotonic()
            heard = await telling.tell(client, question, path, aloud=not as_json)
            seconds, first = round(time.monotonic() - began, 3), heard.first_sound
            sound = UNSET if first is None else round(first, 3)
            said = Said(
                heard.transcription, heard.llama, str(path), seconds, client.session, sound, heard.trail or UNSET
            )
            print(_line(said) if as_json else telling.end(said.transcription, path, seconds), flush=True)  # noqa: T201 - the command's result
            if heard.trail and not as_json:
                console.draw(waterfall.lines(heard.trail, seconds))
                console.say(f"first sound after {first:.2f} s" if first is not None else "nothing was to be heard")


def _line(said: Said) -> str:
    return msgspec.json.encode(said).decode()


def _text(said: Said) -> str:
    if not said.transcription:
        return f"(nothing was heard)   {said.audio}"
    return f"you       {said.transcription}\nvoicebus  {said.llama}\n          {said.audio}, after {said.seconds:.1f} s"


def _read(name: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if name == STDIN else Path(name).read_bytes()
    except OSError as error:
        raise StartError(
            f"{name} cannot be read ({error.strerror}): name a WAV file, or - for standard input"
        ) from error
