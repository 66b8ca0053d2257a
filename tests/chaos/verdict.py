"""The process that asks and judges: it sees the WebSocket and the subjects of one outsider, and nothing else.

`python -m tests.chaos.verdict WS_URL NATS_URL SOCKETS OUTSIDERS SEED FILE`: it asks until SIGTERM, waits for what is
still open, and writes its list of turns to FILE as JSON.
"""

import asyncio
import json
import random
import signal
import sys
from pathlib import Path

import msgspec
import nats

from . import sockets
from .outsider import Outsider
from .turns import Desk

LAST_LOOK_SECONDS = 2.0
"""After the last ending, for one that should not come."""


async def judge(url: str, nats_url: str, clients: int, outsiders: int, seed: int) -> Desk:
    """Ask until SIGTERM; returns all that was asked, once all has ended."""
    desk = Desk()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: setattr(desk, "closed", True))
    client = await nats.connect(nats_url, max_reconnect_attempts=-1, reconnect_time_wait=1, error_cb=_on_error)
    outsider = Outsider(desk, client, random.Random(seed))
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(outsider.read())
        async with asyncio.TaskGroup() as asking:
            for number in range(clients):
                asking.create_task(sockets.converse(desk, url, f"chaos-{number}", random.Random(seed + number)))
            for _ in range(outsiders):
                asking.create_task(outsider.converse())
            asking.create_task(outsider.provoke())
        await asyncio.sleep(LAST_LOOK_SECONDS)
        reading.cancel()
    await client.close()
    return desk


async def _on_error(_: Exception) -> None:
    """A connection that is cut is what this is about."""


def main(arguments: list[str]) -> None:
    """Judge, and write the list."""
    url, nats_url, clients, outsiders, seed, file = arguments
    desk = asyncio.run(judge(url, nats_url, int(clients), int(outsiders), int(seed)))
    rows = [{**msgspec.structs.asdict(turn), "outcome": turn.outcome} for turn in desk.turns]
    Path(file).write_text(json.dumps(rows), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
