"""What many tests need: waiting for a condition, free ports, collecting what is on the bus."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from nats.aio.client import Client
from nats.aio.msg import Msg

from bus_schemas import Event, codec
from services.cli import ports
from services.runtime.bus import Bus

STEP_SECONDS = 0.02

free_port = ports.free


async def wait_until(predicate: Callable[[], bool], description: str, seconds: float = 15.0) -> None:
    """Wait until *predicate* holds; fail with *description* when it does not within *seconds*."""
    end = time.monotonic() + seconds
    while not predicate():
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds:g} s in vain until {description}")
        await asyncio.sleep(STEP_SECONDS)


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
