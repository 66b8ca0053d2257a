"""Clients that ask while something is measured."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from .clients import Asked, Plan
from .fleet import Fleet

END_SECONDS = 30.0


class Load(Struct):
    """Clients at work; `asked` is there when they have ended."""

    pid: int
    asked: list[Asked] = []


@asynccontextmanager
async def asking(fleet: Fleet, plan: Plan, data: Path) -> AsyncIterator[Load]:
    """Run the clients of *plan*; at the end they finish their turns."""
    name = f"clients-{time.monotonic_ns()}"
    written, result = data / f"{name}.plan", data / f"{name}.json"
    written.write_bytes(msgspec.json.encode(plan))
    command = [sys.executable, "-m", "benchmarks.growth.clients", str(written), str(result)]
    process = await fleet.run(name, command)
    load = Load(process.pid)
    try:
        yield load
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(END_SECONDS):
            code = await process.wait()
    if code:
        raise RuntimeError(f"the clients ended with {code}; {data / name}.log says why")
    load.asked += msgspec.json.decode(result.read_bytes(), type=list[Asked])
