"""`python -m benchmarks.bus`: every contender with 1, 16 and 64 callers, interleaved; writes results/bus.json."""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import structlog
from msgspec import Struct

from benchmarks import environments, results
from services.cli import broker, ports, processes
from services.runtime import bus as buses
from services.runtime import streams
from services.runtime.bus import Bus, BusSettings

from . import contenders, report
from .report import Cell, Figures


class Plan(Struct, frozen=True):
    """What to measure."""

    contenders: Sequence[str]
    callers: Sequence[int]
    rounds: int
    seconds: float
    """Of each cell, after a second of warming up."""
    kept: bool = True
    """Whether the figures replace those of the last run."""


async def run(plan: Plan, folder: Path) -> tuple[Cell, ...]:
    """Every cell of every round, on one broker of its own, which keeps its streams in *folder*."""
    cells: list[Cell] = []
    async with AsyncExitStack() as stack:
        group = await stack.enter_async_context(processes.group())
        server = await stack.enter_async_context(broker.start(ports.free(), folder, group=group.group))
        bus = await stack.enter_async_context(buses.connect(BusSettings(nats_url=server.url), "bench"))
        await streams.setup(bus.jetstream, streams.StreamSettings())
        for number in range(plan.rounds):
            turned = number % len(plan.contenders)
            for name in (*plan.contenders[turned:], *plan.contenders[:turned]):
                async with contenders.running(name, server, group, folder) as contender:
                    for callers in plan.callers:
                        await empty(bus)
                        cells.append(await contenders.cell(name, contender, server, callers, plan.seconds))
                        say(report.row(cells[-1:], []))
    return tuple(cells)


async def empty(bus: Bus) -> None:
    """No cell pays for what another has stored."""
    for name in sorted(set(streams.STREAM_OF.values())):
        await bus.jetstream.purge_stream(name)


def say(line: str) -> None:
    """To the terminal."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def plan(arguments: Sequence[str]) -> Plan:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bus", description=__doc__)
    parser.add_argument("--contenders", nargs="+", choices=contenders.NAMES, default=contenders.NAMES)
    parser.add_argument("--callers", nargs="+", type=int, default=[1, 16, 64])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--try", action="store_true", dest="trial", help="only show the table, and keep no figures")
    asked = parser.parse_args(arguments)
    return Plan(asked.contenders, asked.callers, asked.rounds, asked.seconds, kept=not asked.trial)


def main() -> None:
    """Measure, keep the figures, and show the table."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    wanted = plan(sys.argv[1:])
    if contenders.FASTSTREAM in wanted.contenders:
        environments.python(contenders.FASTSTREAM)
    with tempfile.TemporaryDirectory() as folder:
        figures = Figures(results.about(), asyncio.run(run(wanted, Path(folder))))
    say("\n" + report.TEXT + "\n".join(report.rows(figures)))
    if wanted.kept:
        say(f"\n{results.write('bus', figures)}")


if __name__ == "__main__":
    main()
