"""The outside client, with nats-py alone: `python -m benchmarks.bus.client URL CALLERS SECONDS NAME=PID+PID ...`.

Each caller has a conversation of its own: it publishes an utterance, waits for the PubAck and for the speech, and goes
on. With a URL of ws:// it asks through an edge instead. Prints one JSON object: the seconds measured, the latencies of
the turns that ended in them, and the CPU seconds that each group of processes used.
"""

import asyncio
import itertools
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

import nats
from nats.aio.msg import Msg
from websockets.asyncio.client import connect

from . import chain, loop

WARM_SECONDS = 1.0
TURN_SECONDS = 30.0
"""The first turn waits so long too: the stages may still be starting."""
TICK = os.sysconf("SC_CLK_TCK")

Ask = Callable[[], Awaitable[int]]
"""One turn; gives the bytes of its speech."""


@asynccontextmanager
async def bus_caller(url: str) -> AsyncIterator[Callable[[str], AbstractAsyncContextManager[Ask]]]:
    """Callers that share one connection to the broker."""
    client = await nats.connect(url)
    jetstream, wav, numbers = client.jetstream(), chain.recording(), itertools.count()
    waiting: dict[str, asyncio.Future[int]] = {}

    async def on_speech(message: Msg) -> None:
        answer = waiting.pop((message.headers or {})["Nats-Msg-Id"].split(".")[2], None)
        if answer is not None:
            answer.set_result(len(message.data))

    @asynccontextmanager
    async def caller(session: str) -> AsyncIterator[Ask]:
        async def ask() -> int:
            turn = f"{next(numbers):x}-{time.time_ns():x}"
            message_id = chain.message_id("utterance", session, turn)
            headers = {"Nats-Msg-Id": message_id, "Voice-Event": json.dumps({"turn": turn})}
            answer = waiting[turn] = asyncio.get_running_loop().create_future()
            subject = chain.subject("utterance", session)
            await jetstream.publish(subject, wav, timeout=TURN_SECONDS, headers=headers)
            size: int = await answer
            return size

        yield ask

    await client.subscribe(chain.subject("speech", "*"), cb=on_speech)
    await client.flush()
    try:
        yield caller
    finally:
        await client.close()


@asynccontextmanager
async def edge_caller(url: str) -> AsyncIterator[Callable[[str], AbstractAsyncContextManager[Ask]]]:
    """Callers with a socket each: a WAV in, a JSON frame and a WAV out."""
    wav = chain.recording()

    @asynccontextmanager
    async def caller(session: str) -> AsyncIterator[Ask]:
        async with connect(f"{url}?session={session}", max_size=None, compression=None) as socket:

            async def ask() -> int:
                await socket.send(wav)
                while isinstance(frame := await socket.recv(), str):
                    error = json.loads(frame).get("error")
                    if error and error["code"] != "busy":
                        raise RuntimeError(f"the edge says {frame}")
                    if error:  # it does not know yet how fast its workers are, and takes few until it does
                        await asyncio.sleep(error["retry_after"])
                        await socket.send(wav)
                return len(frame)

            yield ask

    yield caller


class Talk:
    """Callers that ask turn after turn until it is enough."""

    def __init__(self) -> None:
        self.enough = False
        self.turns: list[tuple[float, float]] = []
        """When each ended, and how long it took, seconds."""

    async def turn(self, ask: Ask) -> None:
        """Raises: TimeoutError."""
        began = time.perf_counter()
        async with asyncio.timeout(TURN_SECONDS):
            size = await ask()
        if size < chain.AUDIO_BYTES:
            raise RuntimeError(f"the speech has {size} bytes, not {chain.AUDIO_BYTES}")
        self.turns.append((time.perf_counter(), time.perf_counter() - began))

    async def go_on(self, ask: Ask) -> None:
        """Until it is enough: a cancel could be lost in nats-py's publish."""
        while not self.enough:
            await self.turn(ask)


def cpu_seconds(pids: list[str]) -> float:
    """User and system time of processes that run."""
    ticks = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rsplit(") ", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / TICK


def machine_seconds() -> float:
    """The time that all cores together were not idle."""
    with open("/proc/stat") as file:
        fields = [int(field) for field in file.readline().split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / TICK


def spent(groups: dict[str, list[str]]) -> dict[str, float]:
    """What each group of processes has used until now, and the whole machine."""
    return {name: cpu_seconds(pids) for name, pids in groups.items()} | {"machine": machine_seconds()}


async def measure(url: str, callers: int, seconds: float, groups: dict[str, list[str]]) -> None:
    """Talk, and print what it took."""
    talk, opened = Talk(), bus_caller(url) if url.startswith("nats") else edge_caller(url)
    async with AsyncExitStack() as stack:
        caller = await stack.enter_async_context(opened)
        asks = [await stack.enter_async_context(caller(f"s{number}")) for number in range(callers)]
        await talk.turn(asks[0])
        async with asyncio.TaskGroup() as group:
            for ask in asks:
                group.create_task(talk.go_on(ask))
            await asyncio.sleep(WARM_SECONDS)
            before, began = spent(groups), time.perf_counter()
            await asyncio.sleep(seconds)
            after, ended = spent(groups), time.perf_counter()
            talk.enough = True
    cpu = {name: after[name] - before[name] for name in before}
    latencies = [took for at, took in talk.turns if began <= at <= ended]
    sys.stdout.write(json.dumps({"seconds": ended - began, "latencies": latencies, "cpu": cpu}))


if __name__ == "__main__":
    named = dict(group.split("=") for group in sys.argv[4:])
    pids = {name: listed.split("+") for name, listed in named.items()} | {"client": [str(os.getpid())]}
    loop.run(measure(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), pids))
