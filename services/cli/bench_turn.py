"""One question to a WebSocket that answers questions, with the times that its caller feels.

It speaks with everything that takes a WAV as a binary frame: the program before voicebus, voicebus, and a server that
streams its answer as voicebus does with `?stream=1`.
"""

import asyncio
import time
from collections.abc import Mapping

import msgspec
from msgspec import Struct
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from bus_schemas.frames import Error

OPEN_SECONDS = 10.0
MAX_FRAME_BYTES = 64 * 1024 * 1024
WAV_HEADER_BYTES = 44
"""What is no longer is a WAV without a sample."""


class Timed(Struct, frozen=True):
    """A question, as its caller lived through it; seconds count from the moment the question was sent."""

    transcription: str = ""
    llama: str = ""
    first_audio: float = 0.0
    """To the first frame with sound; 0: no sound came."""
    full: float = 0.0
    """To the end of the answer."""
    problem: str = ""
    """Why there is no answer."""


class Frame(Struct, frozen=True):
    """What a text frame can say to us; other fields are not read."""

    transcription: str | None = None
    llama: str | None = None
    done: bool = False
    error: Error | None = None


class Failed(Exception):
    """The server answered with an error, or with what nobody understands."""


async def ask(url: str, wav: bytes, *, stream: bool, seconds: float, headers: Mapping[str, str]) -> Timed:
    """Connect, ask, hear the answer to its end; what goes wrong is a Timed with a problem.

    *stream*: the answer comes in pieces until a frame says `done`; otherwise it is one text and one WAV.
    *seconds*: the longest wait for the answer. The time to connect is not counted.
    """
    try:
        async with connect(
            url, open_timeout=OPEN_SECONDS, max_size=MAX_FRAME_BYTES, proxy=None, additional_headers=headers
        ) as connection:
            async with asyncio.timeout(seconds):
                return await _asked(connection, wav, stream)
    except TimeoutError:
        return Timed(problem=f"no answer within {seconds:g} s")
    except Failed as error:
        return Timed(problem=str(error))
    except (OSError, InvalidHandshake, ConnectionClosed, EOFError) as error:
        return Timed(problem=f"{type(error).__name__}: {error}"[:200])


async def _asked(connection: ClientConnection, wav: bytes, stream: bool) -> Timed:
    heard, said, first = "", [""], 0.0
    began = time.monotonic()
    await connection.send(wav)
    while True:
        data = await connection.recv()
        now = time.monotonic() - began
        if isinstance(data, bytes):
            first = first or (now if len(data) > WAV_HEADER_BYTES else 0.0)
            if not stream:
                return Timed(heard, "".join(said), first, now)
            continue
        frame = _read(data)
        heard = frame.transcription if frame.transcription is not None else heard
        if frame.done:
            return Timed(heard, (frame.llama or " ".join(said)).strip(), first, now)
        said.append(frame.llama or "")


def _read(text: str) -> Frame:
    try:
        frame = msgspec.json.decode(text, type=Frame)
    except msgspec.DecodeError as error:
        raise Failed(f"a text frame that is no answer: {text[:80]!r}") from error
    if frame.error:
        raise Failed(f"{frame.error.code}: {frame.error.message}")
    return frame
