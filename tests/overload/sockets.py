"""Clients of the WebSocket that ask on and on, at a set rate, whatever they are told."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from msgspec import Struct, field
from websockets.asyncio.client import ClientConnection, connect

GRACE_SECONDS = 5.0
"""What is answered so long after its time is lost."""
CONNECT_AT_ONCE = 32


class Counts(Struct):
    """What became of the turns; seconds from asking."""

    asked: int = 0
    skipped: int = 0
    """Not asked: every socket waited for an answer."""
    answered: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)
    retry_after: list[float] = field(default_factory=list)
    failed: dict[str, int] = field(default_factory=dict)


@asynccontextmanager
async def opened(url: str, count: int) -> AsyncIterator[list[ClientConnection]]:
    """So many sockets."""
    places = asyncio.Semaphore(CONNECT_AT_ONCE)
    async with AsyncExitStack() as stack:

        async def one() -> ClientConnection:
            async with places:
                return await stack.enter_async_context(connect(url, max_size=None, proxy=None, ping_interval=None))

        yield list(await asyncio.gather(*(one() for _ in range(count))))


async def offer(sockets: list[ClientConnection], wav: bytes, rate: float, seconds: float, patience: float) -> Counts:
    """Ask *rate* turns a second for *seconds*, each on a socket that waits for nothing."""
    counts, idle, running = Counts(), list(sockets), set[asyncio.Task[None]]()

    async def one(socket: ClientConnection) -> None:
        await _ask(socket, wav, patience, counts)
        idle.append(socket)

    began = time.monotonic()
    while (passed := time.monotonic() - began) < seconds:
        for _ in range(round(passed * rate) - counts.asked - counts.skipped):
            if idle:
                counts.asked += 1
                task = asyncio.create_task(one(idle.pop(0)))
                running.add(task)
                task.add_done_callback(running.discard)
            else:
                counts.skipped += 1
        await asyncio.sleep(1 / rate)
    await asyncio.gather(*running)
    return counts


async def _ask(socket: ClientConnection, wav: bytes, patience: float, counts: Counts) -> None:
    began = time.monotonic()
    try:
        async with asyncio.timeout(patience + GRACE_SECONDS):
            await socket.send(wav)
            told = json.loads(await socket.recv())
            if "error" not in told:
                await socket.recv()
    except TimeoutError:
        told = {"error": {"code": "lost"}}
    passed, error = time.monotonic() - began, told.get("error", {})
    if not error:
        counts.answered.append(passed)
    elif error["code"] == "busy":
        counts.busy.append(passed)
        counts.retry_after.append(error.get("retry_after", 0.0))
    else:
        counts.failed[error["code"]] = counts.failed.get(error["code"], 0) + 1
