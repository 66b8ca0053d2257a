"""`python -m tests.overload`: ten times what scripted workers can do, and an origin that floods; 1 when it fails."""

import argparse
import asyncio
import logging
import os
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import nats
import structlog
from msgspec import Struct

from services.cli import stack
from services.cli.stack import Plan
from tests.edge.asking import tone
from tests.harness import free_port

from . import memory, outsiders, sockets
from .sockets import Counts

PLACES = 2
"""Of each stage; the default of STT_CONCURRENCY."""
TIMES = 10
TIMEOUT = 10
"""Seconds that each turn of the flood on the sockets has."""
SOCKETS = 400
FLOOD, FEW = 500, 5
AT_MOST = 2.0
"""Times the wait of an empty system: what the few may wait behind the flood."""
SLOW_ENOUGH_MS = 100
"""Of engines that are quicker it is only told: turning the flood away takes longer than they do."""
QUICK = 0.5
"""Seconds within which nearly all are told `busy`."""
MOST_MEMORY = 512.0
"""MiB of any process."""
WAV = tone(1.0)


class Wanted(Struct, frozen=True):
    """How long and how often."""

    seconds: float
    rounds: int
    engines_ms: tuple[int, ...]


def environ(engine_ms: int) -> dict[str, str]:
    """Scripted engines of which each takes *engine_ms* for a turn of one sentence."""
    words = 6
    return {
        "STT_ENGINE": "scripted",
        "LLM_ENGINE": "scripted",
        "TTS_ENGINE": "scripted",
        "SCRIPTED_STT_MS": str(engine_ms),
        "SCRIPTED_TTS_MS": str(engine_ms),
        "SCRIPTED_REPLY": "The capital of France is Paris.",
        "SCRIPTED_WORDS_PER_SECOND": str(words * 1000 / engine_ms),
        "STT_CONCURRENCY": str(PLACES),
        "LLM_CONCURRENCY": str(PLACES),
        "TTS_CONCURRENCY": str(PLACES),
        "LOG_FORMAT": "json",
    }


@asynccontextmanager
async def pipeline(engine_ms: int) -> AsyncIterator[Plan]:
    """What `voicebus up` runs, with scripted engines."""
    os.environ.update(environ(engine_ms))
    with tempfile.TemporaryDirectory(prefix="voicebus-overload-") as data:
        plan = Plan("127.0.0.1", free_port(), free_port(), "", Path(data), 60, 15, relay=_quiet)
        async with stack.running(plan):
            yield plan


async def fairness(engine_ms: int, rounds: int) -> list[str]:
    """The few of one origin behind the flood of another, beside the same few in an empty system; what is wrong."""
    async with pipeline(engine_ms) as plan:
        client = await nats.connect(plan.broker_url)
        alone = [(await outsiders.last_answer(client, FEW, WAV))[0] for _ in range(rounds)]
        behind = [await outsiders.last_answer(client, FEW, WAV, FLOOD) for _ in range(rounds)]
        await client.close()
    empty = statistics.median(alone)
    ratios = sorted(seconds / empty for seconds, _ in behind)
    ends = sum((ends.codes for _, ends in behind), start=Counter[str]())
    waits = [wait for _, ends in behind for wait in ends.retry_after]
    say(f"{engine_ms} ms engines: the last of {FEW} answers comes after {empty:.2f} s in an empty system,")
    say(f"  after {', '.join(f'{seconds:.2f}' for seconds, _ in behind)} s behind {FLOOD} turns of another origin:")
    say(
        f"  {', '.join(f'{ratio:.1f}' for ratio in ratios)} times; the flood: {dict(ends)}, retry_after {_range(waits)}"
    )
    return [f"{AT_MOST:g} times is the most"] if statistics.median(ratios) > AT_MOST else []


async def overload(engine_ms: int, seconds: float) -> list[str]:
    """Ten times what the workers can do, from sockets; gives what is wrong."""
    rate = TIMES * PLACES * 1000 / engine_ms
    start: dict[str, float] = {}
    most: dict[str, float] = {}
    async with pipeline(engine_ms) as plan:
        url = f"{plan.url}?timeout={TIMEOUT}"
        pids = await asyncio.to_thread(memory.processes, os.getpid())
        watching = asyncio.create_task(memory.watch(pids, start, most))
        async with sockets.opened(url, SOCKETS) as clients:
            counts = await sockets.offer(clients, WAV, rate, seconds, TIMEOUT)
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
    _tell(counts, seconds, rate / TIMES)
    say("  memory, MiB, at the start and at most: " + _memory(start, most))
    return list(_wrong(counts, most, seconds * rate / TIMES))


def _tell(counts: Counts, seconds: float, capacity: float) -> None:
    asked = (
        f"{counts.asked} turns in {seconds:g} s, {counts.asked / seconds / capacity:.1f} times {capacity:g} a second"
    )
    say(f"{asked} ({counts.skipped} not asked: no socket was idle)")
    say(f"  answered {len(counts.answered)}, after {_range(counts.answered)} s of {TIMEOUT:g} s that each has")
    say(f"  busy {len(counts.busy)}, half of them in {_part(counts.busy, 0.5) * 1000:.0f} ms, 99 % in ", end="")
    say(f"{_part(counts.busy, 0.99) * 1000:.0f} ms; retry_after {_range(counts.retry_after)}")
    say(f"  all else: {counts.failed or 'nothing'}")


def _wrong(counts: Counts, most: dict[str, float], capacity: float) -> Iterator[str]:
    if counts.failed:
        yield f"turns that were taken ended with {counts.failed}"
    if len(counts.answered) < capacity / 2:
        yield f"{len(counts.answered)} were answered; half of what the workers can do is {capacity / 2:.0f}"
    if _part(counts.busy, 0.99) > QUICK:
        yield f"99 % of busy took {_part(counts.busy, 0.99):.2f} s, not {QUICK:g} s"
    if 0.0 in counts.retry_after:
        yield "a busy said nothing of when to ask again"
    if max(most.values(), default=0.0) > MOST_MEMORY:
        yield f"a process had more than {MOST_MEMORY:g} MiB"


async def run(wanted: Wanted) -> list[str]:
    """Everything; gives what is wrong."""
    problems = await overload(wanted.engines_ms[0], wanted.seconds) if wanted.seconds else []
    for engine_ms in wanted.engines_ms if wanted.rounds else ():
        found = await fairness(engine_ms, wanted.rounds)
        problems += found if engine_ms >= SLOW_ENOUGH_MS else []
    return problems


def _memory(start: dict[str, float], most: dict[str, float]) -> str:
    return ", ".join(f"{name} {start[name]:.0f} {most[name]:.0f}" for name in sorted(most))


def _part(values: list[float], part: float) -> float:
    return sorted(values)[int(part * (len(values) - 1))] if values else 0.0


def _range(values: list[float]) -> str:
    return f"{min(values):.1f} to {max(values):.1f}" if values else "none"


def _quiet(name: str, line: str) -> None:
    """Only what went wrong is for people; that an origin floods is what was wanted."""
    if '"level":"error"' in line.replace(" ", ""):
        say(f"{name}: {line}")


def say(text: str, end: str = "\n") -> None:
    """Tell the person who waits."""
    sys.stdout.write(f"{text}{end}")
    sys.stdout.flush()


def main() -> int:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m tests.overload", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the sockets ask")
    parser.add_argument("--rounds", type=int, default=5, help="how often the flood and the few are tried")
    parser.add_argument("--engines", default="100,50", help="milliseconds that each engine takes")
    words = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    wanted = Wanted(words.seconds, words.rounds, tuple(int(text) for text in words.engines.split(",")))
    problems = asyncio.run(run(wanted))
    for problem in problems:
        say(f"WRONG: {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
