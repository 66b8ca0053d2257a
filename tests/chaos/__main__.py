"""`python -m tests.chaos [--short] [--seed N]`: voicebus under faults, judged from outside; 1 when it fails."""

import argparse
import asyncio
import logging
import random
import secrets
import shutil
import sys
import tempfile
import time
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import structlog

from . import fleet as fleets
from . import scenarios, table
from .faults import Chaos
from .fleet import Fleet
from .scenarios import Scenario
from .table import Row, Told

VERDICT_SECONDS = 90.0
"""How long the last questions may take."""


async def run(scenario: Scenario, seed: int, data: Path) -> bool:
    """Run a scenario and print its table; whether every promise was kept."""
    done: Counter[str] = Counter()
    told: list[Told] = []
    async with fleets.running(data, seed, scenario.workers, scenario.ack_wait) as fleet:
        chaos = Chaos(fleet, random.Random(seed), data, done)
        async with asking(fleet, scenario, seed, data):
            for phase in scenario.phases:
                began = time.time()
                say(f"{phase.name} ...")
                await scenarios.run(phase, chaos)
                told.append(Told(phase, began, time.time()))
        surprises = [surprise for service in (fleet.broker, *fleet.services) for surprise in service.surprises]
    rows = msgspec.json.decode((data / "verdict.json").read_bytes(), type=list[Row])
    say(table.shown(scenario, told, rows, done))
    say(f"ended by themselves: {', '.join(surprises) or 'none'}")
    problems = list(table.wrong(scenario, told, rows, done))
    for problem in problems:
        say(f"WRONG: {problem}")
    return not problems


@asynccontextmanager
async def asking(fleet: Fleet, scenario: Scenario, seed: int, data: Path) -> AsyncIterator[None]:
    """The verdict's process, asking; at the end it may wait for its last answers."""
    numbers = [str(number) for number in (scenario.sockets, scenario.outsiders, seed)]
    command = [sys.executable, "-m", "tests.chaos.verdict", fleet.url, fleet.nats_url, *numbers]
    process = await asyncio.create_subprocess_exec(*command, str(data / "verdict.json"))
    try:
        yield
        process.terminate()
        async with asyncio.timeout(VERDICT_SECONDS):
            assert await process.wait() == 0, "the verdict's process failed; what it said is above"
    finally:
        await _end(process)


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.kill()
        await process.wait()


def say(text: str) -> None:
    """Tell the person who waits."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--short", action="store_true", help="the run of the tests: a minute and a half")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000), help="the dice of an earlier run")
    parser.add_argument("--data", type=Path, help="an empty folder for logs and streams; default: a temporary one")
    wanted = parser.parse_args()
    began = time.monotonic()
    scenario = scenarios.short() if wanted.short else scenarios.full()
    say(f"seed {wanted.seed}")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    data = wanted.data or Path(tempfile.mkdtemp(prefix="voicebus-chaos-"))
    kept = asyncio.run(run(scenario, wanted.seed, data))
    seconds = time.monotonic() - began
    if not kept:
        say(f"FAILED, in {seconds:.0f} s; the logs are in {data}")
        return 1
    say(f"every promise was kept, in {seconds:.0f} s")
    if not wanted.data:
        shutil.rmtree(data)
    return 0


if __name__ == "__main__":
    sys.exit(main())
