"""Replies on their way out: a whole one as the old contract has it, and the frames of a streamed one."""

import asyncio

import structlog

from bus_schemas import codes, frames
from bus_schemas.frames import Error
from services.runtime import wav
from services.runtime.errors import Refused

from .actions import SendAnswer, SendError
from .dialogue import Outgoing
from .link import Link
from .streaming import Piece

SPOILED = Error(codes.CRASHED, "The spoken reply could not be read: ask again.")

log = structlog.get_logger()


async def reply(link: Link, action: SendAnswer | SendError, limit: int, *, trace: bool) -> tuple[str, str]:
    """Send a whole answer, its WAV brought below *limit* bytes where that is possible, or an error.

    Returns outcome and code when something else left than what was to leave.
    """
    if isinstance(action, SendError):
        await link.send(frames.encode(frames.ErrorFrame(action.error)))
        return "", ""
    answer = action.answer
    sound = await _joined(action.turn, answer.wavs, limit)
    if sound is None:
        await link.send(frames.encode(frames.ErrorFrame(SPOILED)))
        return "failed", codes.CRASHED
    await link.send(frames.encode(frames.Answer(answer.transcription, answer.reply)))
    await link.send(sound)
    if trace:
        await link.send(frames.encode(frames.Trail(answer.trail)))
    return "", ""


async def streamed(link: Link, frame: Outgoing, limit: int) -> None:
    """Send one frame of a streamed reply, and the WAV that belongs to it, as tts made it unless it is over *limit*."""
    if not isinstance(frame, Piece):
        await link.send(frames.encode(frame))
        return
    sound = frame.wav or wav.SILENCE
    if len(sound) > limit:
        sound = await _joined("", (sound,), limit) or wav.SILENCE
    await link.send(frames.encode(frame.frame))
    await link.send(sound)


async def _joined(turn: str, wavs: tuple[bytes, ...], limit: int) -> bytes | None:
    """One WAV of many; None when they cannot be read."""
    try:
        sound = await asyncio.to_thread(wav.join, wavs, limit)
    except Refused as error:
        log.error("reply_unreadable", turn=turn, error=error.message)
        return None
    if len(sound) > limit:
        log.warning("reply_too_large", turn=turn, bytes=len(sound), max_reply_bytes=limit)
    return sound
