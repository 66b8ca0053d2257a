"""What goes wrong in which order: the full run and the short one, each a list of phases."""

import asyncio
import signal
from collections.abc import Awaitable, Callable

from msgspec import Struct

from services.runtime.failpoint import POINTS

from . import faults
from .faults import Chaos
from .fleet import STAGES

Step = Callable[[Chaos], Awaitable[None]]
CALM = "calm"
SINGLE_KILLS = 7
"""A stage; each failpoint adds two."""
SHORT_POINTS = dict(zip(POINTS, ("stt", "llm", "tts", "stt"), strict=True))


class Phase(Struct, frozen=True):
    """Faults of one kind, with a pause after each; a turn counts to the phase in which it was asked."""

    name: str
    steps: list[Step]
    pause: float
    """Seconds."""
    answered: bool = False
    """Whether every turn that is asked now must be answered."""
    bounded: bool = False
    """Whether a turn that is asked now may be hit once only, so that its wait has a limit."""


class Scenario(Struct, frozen=True):
    """A run."""

    sockets: int
    outsiders: int
    workers: int
    """A stage."""
    ack_wait: float
    turns: int
    """It is no run when fewer were asked."""
    kills: int
    """SIGKILLs of each stage at least."""
    broker_kills: int
    phases: list[Phase]


def full() -> Scenario:
    """Everything, in about seven minutes."""
    singles = [_kill(stage) for _ in range(SINGLE_KILLS) for stage in STAGES]
    points = [_failpoint(stage, point) for point in POINTS for stage in STAGES]
    between = [_between(stage, number) for stage in ("stt", "llm") for number in (signal.SIGTERM, signal.SIGKILL)]
    phases = [
        Phase(CALM, [], 20.0, answered=True),
        Phase("a worker killed now and then", [_kill(stage) for stage in STAGES], 20.0, answered=True, bounded=True),
        Phase("calm again", [], 15.0, answered=True),
        Phase("workers killed", singles, 4.0, answered=True),
        Phase("killed at failpoints", points, 3.0, answered=True),
        Phase("broker killed", [faults.kill_broker] * 3, 6.0, answered=True),
        Phase("broker restarted before an ack", between, 5.0, answered=True),
        Phase("broker frozen for 5 s", [faults.freeze_broker] * 2, 10.0),
        Phase("services restarted gently", [faults.roll], 5.0),
        Phase("link cut and slow", [_cut(0.2), _cut(1.0), _cut(3.0), _slow(0.05, 10.0)], 6.0),
    ]
    return Scenario(16, 4, 2, 6.0, 300, 15, 5, phases)


def short() -> Scenario:
    """Every failpoint once, two kills a stage, one of the broker: a minute and a half."""
    points = [_failpoint(at, point) for point, at in SHORT_POINTS.items()]
    phases = [
        Phase("workers killed", [_kill(stage) for _ in range(2) for stage in STAGES], 1.5, answered=True),
        Phase("killed at failpoints", points, 1.5, answered=True),
        Phase("broker killed", [faults.kill_broker], 3.0, answered=True),
    ]
    return Scenario(16, 4, 2, 3.0, 40, 2, 1, phases)


async def run(phase: Phase, chaos: Chaos) -> None:
    """Do a phase, in an order of the dice."""
    steps = list(phase.steps)
    chaos.dice.shuffle(steps)
    for step in steps:
        await step(chaos)
        await asyncio.sleep(phase.pause)
    if not steps:
        await asyncio.sleep(phase.pause)


def _kill(stage: str) -> Step:
    return lambda chaos: faults.kill(chaos, stage)


def _failpoint(stage: str, point: str) -> Step:
    return lambda chaos: faults.failpoint(chaos, stage, point)


def _between(stage: str, number: signal.Signals) -> Step:
    return lambda chaos: faults.restart_broker_before_ack(chaos, stage, number)


def _cut(seconds: float) -> Step:
    return lambda chaos: faults.cut(chaos, seconds)


def _slow(seconds: float, lasting: float) -> Step:
    return lambda chaos: faults.delay(chaos, seconds, lasting)
