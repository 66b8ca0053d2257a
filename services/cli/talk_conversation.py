"""A spoken conversation, without its devices: record, ask, play the answer as it comes, be interrupted."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Protocol

from bus_schemas.frames import Done, Restarted, Spoken

from . import console, telling
from .client import Client
from .dial import NoAnswer
from .part import Collected
from .talk_player import Play, Player

ENDS_SECONDS = 5.0
"""How long the end of an interrupted answer may take to come."""
SHORTEST = 44 + 2 * 4000
"""Bytes of a recording, a quarter of a second: a slip of the finger is no question."""
HINT = "Press Enter and speak; press it again when you are done. Enter interrupts an answer, Ctrl-C ends."

Enter = Callable[[], Awaitable[bool]]
"""Waits for the key; False when there will be no other."""


class Record(Protocol):
    """A microphone."""

    async def __call__(self, until: asyncio.Event, /) -> bytes:
        """Record from now until *until* is set; gives a WAV file. Raises: StartError."""
        ...


async def talk(client: Client, record: Record, play: Play, enter: Enter) -> None:
    """Converse until there is no key any more, or the link is gone. Raises: NoAnswer; StartError."""
    console.say(HINT)
    answering: Answering | None = None
    try:
        while await enter():
            if answering is not None:
                await answering.interrupt()
            question = await _recorded(record, enter)
            if answering is not None:
                await answering.end()
            if len(question) < SHORTEST:
                console.say("Nothing was recorded: press Enter, speak, press Enter.")
                answering = None
                continue
            answering = Answering(client, play, question)
        if answering is not None:
            await answering.task
    finally:
        if answering is not None:
            answering.task.cancel()
            await asyncio.gather(answering.task, return_exceptions=True)


async def _recorded(record: Record, enter: Enter) -> bytes:
    done = asyncio.Event()
    console.say("● recording")
    recording = asyncio.create_task(record(done), name="record")
    pressed = asyncio.ensure_future(enter())
    try:
        await asyncio.wait({recording, pressed}, return_when=asyncio.FIRST_COMPLETED)
        done.set()
        return await recording
    finally:
        for task in (recording, pressed):
            task.cancel()
        await asyncio.gather(recording, pressed, return_exceptions=True)


class Answering:
    """One answer, while it comes and is played."""

    def __init__(self, client: Client, play: Play, question: bytes) -> None:
        self._client = client
        self._question = question
        self._player = Player(play)
        self._silent = False
        self.task = asyncio.create_task(self._run(), name="answer")

    async def interrupt(self) -> None:
        """Stop the sound at once, and tell the edge how much was heard; what still comes is not told."""
        if not self.task.done():
            self._silent = True
            await self._client.interrupt(self._player.stop())

    async def end(self) -> None:
        """Its end has come: an interrupted one has it at once. Raises: NoAnswer; StartError."""
        await asyncio.wait({self.task}, timeout=ENDS_SECONDS)
        if self.task.done():
            self.task.result()

    async def _run(self) -> None:
        collected = Collected()
        try:
            async with self._player:
                async with aclosing(self._client.stream(self._question)) as parts:
                    async for part in parts:
                        if not self._silent:
                            telling.show(part, collected)
                            self._hear(part.frame, part.wav)
                        collected.add(part)
                        if isinstance(part.frame, Done):
                            _line(collected, cut=self._silent)
                await self._player.finished()
        except NoAnswer as error:
            if self._client.broken:
                raise
            console.error(error.message)

    def _hear(self, frame: object, wav: bytes) -> None:
        match frame:
            case Spoken():
                self._player.add(frame, wav)
            case Restarted(same=same):
                self._player.restart(same)


def _line(collected: Collected, *, cut: bool) -> None:
    """The end of what was printed of an answer."""
    if not collected.transcription and not cut:
        print("(nothing was heard)", flush=True)  # noqa: T201 - the command's result
    elif collected.wavs:
        print(" …" if cut else "", flush=True)  # noqa: T201 - the command's result
