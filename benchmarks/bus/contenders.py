"""The contenders: three processes each, one a stage, on the same streams; and one cell of the table."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from msgspec import Struct

from benchmarks import environments, measure
from services.cli import ports
from services.cli.broker import Broker
from services.cli.processes import Processes

from . import chain
from .report import Cell

RAW, VOICEBUS, FASTSTREAM, MEMORY, EDGE = NAMES = ("raw", "voicebus", "faststream", "memory", "edge")
CORES = os.cpu_count() or 1
STOP_SECONDS = 10.0


class Running(Struct, frozen=True):
    """A contender that runs."""

    url: str
    """Where the client asks."""
    pids: list[int]


def command(name: str, stage: str, url: str) -> list[str]:
    """How one stage of a contender is started."""
    match name:
        case "raw":
            return [sys.executable, "-m", "benchmarks.bus.raw_stage", stage, url]
        case "faststream":
            return [str(environments.python(name)), "-m", "benchmarks.bus.faststream_stage", stage, url]
        case _:
            return [sys.executable, "-m", "benchmarks.bus.voicebus_stage", stage]


def environ(name: str, url: str, port: int) -> Mapping[str, str]:
    """A service's settings; logs are JSON at INFO."""
    found = os.environ | {"NATS_URL": url, "LOG_FORMAT": "json", "PORT": str(port)}
    return found | ({"BENCH_MEMORY": "1"} if name in (MEMORY, EDGE) else {})


@asynccontextmanager
async def running(name: str, broker: Broker, processes: Processes, folder: Path) -> AsyncIterator[Running]:
    """Start a contender; what it logs goes to a file in *folder*."""
    port = ports.free()
    commands = [command(name, stage, broker.url) for stage in chain.STREAMS]
    if name == EDGE:
        commands.append([sys.executable, "-m", "services.edge"])
    async with AsyncExitStack() as stack:
        log = stack.enter_context((folder / f"{name}.log").open("ab"))
        settings = environ(name, broker.url, port)
        pids = []
        for each in commands:
            child = processes.run(each, settings, log.fileno(), STOP_SECONDS)
            pids.append((await stack.enter_async_context(child)).pid)
        if name == EDGE:
            await _answers(port)
        yield Running(f"ws://127.0.0.1:{port}/ws" if name == EDGE else broker.url, pids)


async def _answers(port: int) -> None:
    async with asyncio.timeout(STOP_SECONDS):
        while True:
            try:
                _, writer = await asyncio.open_connection(ports.LOOPBACK, port)
            except OSError:
                await asyncio.sleep(0.1)
                continue
            writer.close()
            return


async def cell(name: str, contender: Running, broker: Broker, callers: int, seconds: float) -> Cell:
    """Ask with so many callers for so many seconds. Raises: RuntimeError when the client fails."""
    watched = [f"server={broker.process.pid}", "workers=" + "+".join(map(str, contender.pids))]
    client = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.bus.client", contender.url, str(callers), str(seconds), *watched),
        stdout=PIPE,
    )
    out, _ = await client.communicate()
    if client.returncode:
        raise RuntimeError(f"the client of {name} failed with {callers} callers: its error stands above")
    told = json.loads(out)
    cpu, turns = told["cpu"], len(told["latencies"])
    times = measure.spread([1000 * took for took in told["latencies"]])
    return Cell(
        contender=name,
        callers=callers,
        turns=turns,
        turns_per_second=turns / told["seconds"],
        p50_ms=times.p50,
        p95_ms=times.p95,
        server_ms=1000 * cpu["server"] / turns,
        workers_ms=1000 * cpu["workers"] / turns,
        client_ms=1000 * cpu["client"] / turns,
        foreign=max(0.0, 2 * cpu["machine"] - sum(cpu.values())) / told["seconds"] / CORES,
    )
