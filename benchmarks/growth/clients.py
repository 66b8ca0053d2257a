"""The clients, in a process of their own: `python -m benchmarks.growth.clients PLAN RESULT`, until SIGTERM.

PLAN is a file with a `Plan` as JSON; RESULT is written at the end: a list of `Asked`.
"""

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from functools import cache
from itertools import count
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from bus_schemas.frames import Answer, ErrorFrame, Taken
from services.runtime import wav
from services.runtime.wav import Sound

SAMPLES = 57_600
"""Of a question, 16 kHz: 3.6 s, 115 KB. Each socket's is one longer than the one before, so that the transcript tells
whose question was answered."""
TURN_SECONDS = 30.0
LAST_SECONDS = 10.0
"""How long the running turns may go on after SIGTERM."""
PAUSE_SECONDS = 0.3
"""Before a socket that broke is opened again."""
ANSWERED = "answered"
BROKEN = (OSError, ConnectionClosed, InvalidHandshake, TimeoutError)


class Plan(Struct, frozen=True):
    """What the clients do."""

    urls: tuple[str, ...]
    """The edges; the sockets are spread evenly."""
    sockets: int
    think_s: float = 0.0
    """Between an answer and the next question of a socket."""
    turns_a_socket: int = 0
    """After so many turns a socket ends, each time in another way, and a new session begins; 0: it stays."""


class Asked(Struct, frozen=True, array_like=True):
    """A question and how it ended; times are seconds since 1970."""

    began: float
    ended: float
    outcome: str
    """`answered`, the code of an error, `wrong` for somebody else's answer, `lost` for none, or how a socket ended."""


@cache
def question(number: int) -> bytes:
    """The question of one socket."""
    return made(number)


def made(number: int) -> bytes:
    """Question *number*: a WAV whose length is its own."""
    samples = np.arange(SAMPLES + number) * 977 % 4001 - 2000
    return wav.write(Sound(samples.astype(np.int16), wav.RATE))


async def ask(socket: ClientConnection, number: int) -> Asked:
    """Ask a socket's question once. Raises: ConnectionClosed."""
    began = time.time()
    try:
        async with asyncio.timeout(TURN_SECONDS):
            await socket.send(question(number))
            outcome = await _ending(socket, number)
    except TimeoutError:
        outcome = "lost"
    return Asked(began, time.time(), outcome)


async def _ending(socket: ClientConnection, number: int) -> str:
    told = await socket.recv()
    with contextlib.suppress(msgspec.DecodeError):
        return msgspec.json.decode(told, type=ErrorFrame).error.code
    answer = msgspec.json.decode(told, type=Answer)
    speech = await socket.recv()
    mine = f" {SAMPLES + number} " in answer.transcription and isinstance(speech, bytes)
    return ANSWERED if mine else "wrong"


async def _leave(socket: ClientConnection, _: str, __: int) -> str:
    await socket.close()
    return "left"


async def _vanish(socket: ClientConnection, _: str, number: int) -> str:
    """In the middle of a turn: the edge cancels it."""
    await socket.send(question(number))
    await asyncio.sleep(0.02)
    socket.transport.abort()
    return "vanished"


async def _annoy(socket: ClientConnection, _: str, number: int) -> str:
    """With what is no WAV."""
    await socket.send(b"RIFF, or so")
    return await _ending(socket, number)


async def _come_back(socket: ClientConnection, url: str, number: int) -> str:
    """To a turn whose link broke."""
    await socket.close()
    async with connect(f"{url}?turns=1", max_size=None, proxy=None, compression=None) as first:
        await first.send(question(number))
        turn = msgspec.json.decode(await first.recv(), type=Taken).turn
        first.transport.abort()
        session = first.response.headers["Voicebus-Session"] if first.response else ""
    again = f"{url}?session={session}&resume={turn}"
    async with connect(again, max_size=None, proxy=None, compression=None) as second:
        return f"resumed: {await _ending(second, number)}"


WAYS: tuple[Callable[[ClientConnection, str, int], Awaitable[str]], ...] = (_leave, _vanish, _annoy, _come_back)


async def converse(plan: Plan, number: int, asked: list[Asked], stopping: asyncio.Event) -> None:
    """Ask again and again, on one socket after the other, until *stopping*."""
    url = plan.urls[number % len(plan.urls)]
    for life in count(number):
        if stopping.is_set():
            return
        try:
            async with connect(url, max_size=None, proxy=None, compression=None) as socket:
                await _talk(socket, plan, number, asked, stopping)
                began = time.time()
                async with asyncio.timeout(TURN_SECONDS):
                    outcome = await WAYS[life % len(WAYS)](socket, url, number)
                asked.append(Asked(began, time.time(), outcome))
        except BROKEN as error:
            if not stopping.is_set():
                asked.append(Asked(time.time(), time.time(), f"broken: {type(error).__name__}"))
            await asyncio.sleep(PAUSE_SECONDS)


async def _talk(socket: ClientConnection, plan: Plan, number: int, asked: list[Asked], stopping: asyncio.Event) -> None:
    for turn in count(1):
        asked.append(await ask(socket, number))
        await asyncio.sleep(plan.think_s)
        if stopping.is_set() or turn == plan.turns_a_socket:
            return


async def main(plan: Plan) -> list[Asked]:
    """Everything that was asked until SIGTERM."""
    stopping, asked = asyncio.Event(), list[Asked]()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    async with asyncio.TaskGroup() as group:
        clients = [group.create_task(converse(plan, number, asked, stopping)) for number in range(plan.sockets)]
        await stopping.wait()
        for client in (await asyncio.wait(clients, timeout=LAST_SECONDS))[1]:
            client.cancel()
    return asked


if __name__ == "__main__":
    wanted = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Plan)
    Path(sys.argv[2]).write_bytes(msgspec.json.encode(asyncio.run(main(wanted))))
