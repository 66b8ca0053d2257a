"""What goes wrong: each function does one thing to the fleet, and returns when it is done."""

import asyncio
import random
import signal
from collections import Counter
from pathlib import Path

from msgspec import Struct
from nats.errors import Error as NatsError

from tests.harness import wait_until

from .fleet import STAGES, Fleet, Kept

IDLE = "strikes at an idle stage"
HOLDING_SECONDS = 15.0
"""How long a strike waits until the stage holds work."""
RELEASE_SECONDS = 2.0
"""The ack comes before the worker has connected again, or after."""
FAILPOINT_SECONDS = 60.0
CREDIT = 2
"""Messages that a worker holds at most, when it has not just been started."""


class Chaos(Struct, frozen=True):
    """The fleet, the dice, and what was done to it."""

    fleet: Fleet
    dice: random.Random
    data: Path
    done: Counter[str]
    """SIGKILLs a stage and of the broker, and the other faults by name."""


async def kill(chaos: Chaos, stage: str, *, all_of_them: bool = False) -> None:
    """SIGKILL a worker that holds work; all of the stage's, when it cannot be told which one does."""
    workers = chaos.fleet.workers[stage]
    held = await _holding(chaos, stage)
    victims = workers if all_of_them or held <= CREDIT * (len(workers) - 1) else [chaos.dice.choice(workers)]
    for victim in victims:
        victim.send(signal.SIGKILL)
    chaos.done[stage] += 1


async def failpoint(chaos: Chaos, stage: str, point: str) -> None:
    """SIGKILL the stage's workers; the ones that come after them kill themselves, once, at *point*."""
    marker = _arm(chaos, stage, point)
    await kill(chaos, stage, all_of_them=True)
    await _happened(marker, f"{stage} reached {point}")
    _disarm(chaos, stage)
    chaos.done[stage] += 1
    chaos.done[f"{stage} at {point}"] += 1


async def kill_broker(chaos: Chaos) -> None:
    """SIGKILL the broker while every stage holds work of it."""
    await _holding(chaos, chaos.dice.choice(list(STAGES)))
    await _restart(chaos.fleet.broker, signal.SIGKILL)
    chaos.done["broker"] += 1


async def restart_broker_before_ack(chaos: Chaos, stage: str, number: signal.Signals) -> None:
    """Restart the broker between a worker's last PubAck and its ack."""
    marker = _arm(chaos, stage, "before-ack:1:pause")
    await kill(chaos, stage, all_of_them=True)
    await _happened(marker, f"{stage} held still before an ack")
    _disarm(chaos, stage)
    await _restart(chaos.fleet.broker, number)
    await asyncio.sleep(chaos.dice.uniform(0, RELEASE_SECONDS))
    await asyncio.to_thread(Path(f"{marker}.go").touch)
    chaos.done["broker"] += number == signal.SIGKILL
    chaos.done[f"broker {number.name} before {stage}'s ack"] += 1


async def freeze_broker(chaos: Chaos, seconds: float = 5.0) -> None:
    """SIGSTOP, and thaw."""
    chaos.fleet.broker.send(signal.SIGSTOP)
    await asyncio.sleep(seconds)
    chaos.fleet.broker.send(signal.SIGCONT)
    chaos.done["broker frozen"] += 1


async def roll(chaos: Chaos) -> None:
    """SIGTERM every service, one after the other, as a new version is rolled out."""
    for service in chaos.fleet.services:
        await _restart(service, signal.SIGTERM)
        await chaos.fleet.ready(service)
    chaos.done["rolling restart"] += 1


async def cut(chaos: Chaos, seconds: float) -> None:
    """Break the link between the broker and the services."""
    await chaos.fleet.link.cut(seconds)
    chaos.done["link cut"] += 1


async def delay(chaos: Chaos, delay: float, seconds: float) -> None:
    """Make the link slow for a while."""
    chaos.fleet.link.delay = delay
    await asyncio.sleep(seconds)
    chaos.fleet.link.delay = 0.0
    chaos.done["link delayed"] += 1


async def _restart(kept: Kept, number: signal.Signals) -> None:
    life = kept.lives
    kept.send(number)
    await kept.succeeded(life)


async def _holding(chaos: Chaos, stage: str) -> int:
    """Wait until *stage* holds work; how many messages. A strike at an idle stage is counted, and no proof."""
    try:
        async with asyncio.timeout(HOLDING_SECONDS):
            while True:
                try:
                    told = await chaos.fleet.bus.jetstream.consumer_info(STAGES[stage], stage, timeout=2)
                    if told.num_ack_pending:
                        return int(told.num_ack_pending)
                except (NatsError, TimeoutError, ConnectionError):
                    pass
                await asyncio.sleep(0.05)
    except TimeoutError:
        chaos.done[IDLE] += 1
        return 0


def _arm(chaos: Chaos, stage: str, point: str) -> Path:
    """Have the stage's next workers find *point* in their environment; returns the file that says it was reached."""
    marker = chaos.data / f"{stage}-{point.replace(':', '-')}-{sum(chaos.done.values())}"
    for worker in chaos.fleet.workers[stage]:
        worker.extra = {"VOICEBUS_FAILPOINT": point, "VOICEBUS_FAILPOINT_MARKER": str(marker)}
    return marker


def _disarm(chaos: Chaos, stage: str) -> None:
    for worker in chaos.fleet.workers[stage]:
        worker.extra = {}


async def _happened(marker: Path, what: str) -> None:
    await wait_until(marker.exists, what, FAILPOINT_SECONDS)
