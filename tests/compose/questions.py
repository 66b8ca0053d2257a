"""Spoken questions through the published port, as any client asks them."""

import asyncio
from pathlib import Path

from services.cli.client import Client, Turn

from .programs import FailedError

QUESTION = Path(__file__).parents[2] / "audios/question.wav"
HEARD = "capital of france"
ANSWER_SECONDS = 120.0


async def ask(port: int) -> Turn:
    """Ask the shipped question. Raises: FailedError when the answer is not one to it; NoAnswer."""
    wav = await asyncio.to_thread(QUESTION.read_bytes)
    async with Client(f"ws://127.0.0.1:{port}/ws", timeout=ANSWER_SECONDS, trace=True, mends=2) as client:
        turn = await client.ask(wav)
    if HEARD not in turn.transcription.lower() or not turn.llama or len(turn.wav) < 16_000:
        raise FailedError(
            f"not an answer to the question: {turn.transcription!r}, {turn.llama!r}, {len(turn.wav)} bytes"
        )
    return turn


async def ask_many(port: int, number: int) -> list[Turn]:
    """Ask so often at once, each in a conversation of its own."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(ask(port)) for _ in range(number)]
    return [task.result() for task in tasks]


def workers(turns: list[Turn], stage: str) -> set[str]:
    """Who worked on them in a stage."""
    return {step.worker for turn in turns for step in turn.trail if step.stage == stage}


def longest_wait(turns: list[Turn], stage: str) -> float:
    """Seconds that the unluckiest of them spent in the stage's queue."""
    return max(step.queue_ms for turn in turns for step in turn.trail if step.stage == stage) / 1000
