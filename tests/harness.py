"""What many tests need: waiting for a condition, free ports, collecting what is on the bus."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from nats.aio.client import Client
from nats.aio.msg import Msg

from bus_schemas import Event, codec
from services.cli import ports
from services.runtime.bus import Bus

STEP_SECONDS = 0.02
FREEZE_SECONDS = 15.0

free_port = ports.free


async def wait_until(predicate: Callable[[], bool], description: str, seconds: float = 15.0) -> None:
    """Wait until *predicate* holds; fail with *description* when it does not within *seconds*."""
    end = time.monotonic() + seconds
    while not predicate():
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds:g} s in vain until {description}")
        await asyncio.sleep(STEP_SECONDS)


async def freeze(process: asyncio.subprocess.Process) -> None:
    """Stop every thread of *process*; SIGSTOP returns before the last one stands still."""
    process.send_signal(signal.SIGSTOP)
    async with asyncio.timeout(FREEZE_SECONDS):
        while set(await asyncio.to_thread(thread_states, process.pid)) != {"T"}:  # noqa: ASYNC110  # the kernel tells nobody
            await asyncio.sleep(STEP_SECONDS)


def thread_states(pid: int) -> list[str]:
    """The state of each thread of a process, one letter each (proc(5)); T is stopped."""
    stats = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/stat")]
    return [stat.rpartition(") ")[2][0] for stat in stats]


@asynccontextmanager
async def listening(bus: Bus, subject: str = "voice.>") -> AsyncIterator[list[Event]]:
    """Every event published on *subject* meanwhile, in order."""
    events: list[Event] = []

    async def keep(message: Msg) -> None:
        events.append(codec.decode(message.subject, message.data, message.headers))

    subscription = await bus.client.subscribe(subject, cb=keep)
    await heard(bus.client)
    yield events
    await subscription.unsubscribe()


async def heard(client: Client) -> None:
    """Wait until the broker has all that *client* has sent.

    The PING of nats-py's `flush` overtakes what was sent just before it; the second one cannot.
    """
    await client.flush()
    await client.flush()
