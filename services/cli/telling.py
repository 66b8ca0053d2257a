"""`voicebus say --stream`: the words on the terminal as they come, the sound in a file when all of it is there."""

import asyncio
from contextlib import AsyncExitStack, ExitStack, aclosing
from pathlib import Path

from bus_schemas.frames import Restarted, Spoken, Transcription
from services.runtime import wav

from . import reply_files, say_progress
from .client import Client
from .dial import MAX_FRAME_BYTES
from .part import Collected, Part

YOU, VOICEBUS = "you       ", "voicebus  "
AGAIN = "          (once more:)"


async def tell(client: Client, question: bytes, path: Path, *, aloud: bool) -> Collected:
    """Ask, print the words as they come where they are to be told *aloud*, write the reply. Raises: as `stream`."""
    collected = Collected()
    async with AsyncExitStack() as stack:
        waiting = stack.enter_context(ExitStack())
        waiting.enter_context(say_progress.shown(client, len(question)))
        parts = await stack.enter_async_context(aclosing(client.stream(question)))
        async for part in parts:
            if aloud:
                waiting.close()  # two cannot write on one line
                show(part, collected)
            collected.add(part)
    sound = await asyncio.to_thread(wav.join, collected.wavs, MAX_FRAME_BYTES)
    await asyncio.to_thread(reply_files.write, path, sound)
    if aloud and collected.wavs:
        print()  # noqa: T201 - the command's result
    return collected


def end(transcription: str, path: Path, seconds: float) -> str:
    """The last line about an answer."""
    return f"          {path}, after {seconds:.1f} s" if transcription else f"(nothing was heard)   {path}"


def show(part: Part, before: Collected) -> None:
    """Print what a person is to read of *part*, of an answer of which there was *before*."""
    match part.frame:
        case Transcription(transcription) if transcription:
            text = f"{YOU}{transcription}\n"
        case Spoken(llama=str() as llama):
            text = f" {llama}" if before.wavs else f"{VOICEBUS}{llama}"
        case Restarted():
            text = f"\n{AGAIN}\n"
        case _:
            return
    print(text, end="", flush=True)  # noqa: T201 - the command's result
