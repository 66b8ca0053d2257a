"""How a chain by hand takes its work, with nats-py alone: both benches have it."""

import asyncio
from collections.abc import Awaitable, Callable

from nats.aio.msg import Msg
from nats.js import JetStreamContext

FETCH_SECONDS = 5.0


async def work(queue: JetStreamContext.PullSubscription, slots: int, hop: Callable[[Msg], Awaitable[None]]) -> None:
    """Fetch as many messages as there are free slots and do *hop* with each, until killed."""
    running: set[asyncio.Future[None]] = set()
    while True:
        while len(running) >= slots:
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        try:
            messages = await queue.fetch(slots - len(running), timeout=FETCH_SECONDS)
        except TimeoutError:  # nothing came
            continue
        for message in messages:
            task = asyncio.ensure_future(hop(message))
            running.add(task)
            task.add_done_callback(running.discard)
