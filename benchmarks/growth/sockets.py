"""Thousands of idle sockets on one edge: what each takes of memory, and what a turn takes meanwhile."""

import asyncio
import sys
import time
from asyncio.subprocess import Process
from pathlib import Path

import msgspec
from msgspec import Struct

from benchmarks import results
from benchmarks.results import About

from . import fleet as fleets
from . import point
from .clients import Plan
from .fleet import Fleet
from .idle import Opened
from .point import Point
from .usage import Used

NAME = "sockets"
SECONDS = 12.0
"""Of asking without them, with them, and without them again."""
IDLE = 5000
SETTINGS = {"MAX_SOCKETS": str(IDLE + 100)}
"""MAX_SOCKETS_PER_ADDRESS and TURNS_PER_MINUTE are no limits unless set; the edge asks for its open files itself."""
OPEN_SECONDS = 240.0
REST_SECONDS = 25.0
"""Of doing nothing, to see what the idle sockets cost by themselves: each is sent a ping in 20 s."""


class Sockets(Struct, frozen=True):
    """A run."""

    about: About
    settings: dict[str, str]
    idle: int
    open_s: float
    """To open all of them."""
    close_s: float
    """From the word to close them until the edge had let go of the last one's client."""
    kib_a_socket: dict[str, float]
    """By role: what each socket added to its memory."""
    idle_cores: dict[str, float]
    """What each role used while all sockets were open and nobody asked."""
    without: Point
    meanwhile: Point
    after: Point


async def measure(data: Path, seconds: float) -> Sockets:
    """Ask with one client, alone and beside IDLE sockets."""
    async with fleets.running(data, SETTINGS, fleets.ONE_EACH) as fleet:
        asker = Plan(fleet.urls, 1)
        without = await point.quietest(fleet, 0, asker, data, seconds)
        empty = fleet.by_role()
        process, opened = await _open(fleet, data)
        rest = [fleet.by_role()]
        await asyncio.sleep(REST_SECONDS)
        rest.append(fleet.by_role())
        meanwhile = await point.quietest(fleet, IDLE, asker, data, seconds)
        began = time.monotonic()
        process.terminate()
        await process.wait()
        closed = time.monotonic() - began
        after = await point.quietest(fleet, 0, asker, data, seconds)
    return Sockets(
        about=results.about(),
        settings=SETTINGS,
        idle=opened.sockets,
        open_s=round(opened.seconds, 1),
        close_s=round(closed, 1),
        kib_a_socket=_each(empty, rest[0], opened.sockets),
        idle_cores={
            role: round((used.cpu_s - rest[0][role].cpu_s) / REST_SECONDS, 3) for role, used in rest[1].items()
        },
        without=without,
        meanwhile=meanwhile,
        after=after,
    )


def _each(before: dict[str, Used], after: dict[str, Used], sockets: int) -> dict[str, float]:
    return {role: round((used.rss_kib - before[role].rss_kib) / sockets, 2) for role, used in after.items()}


async def _open(fleet: Fleet, data: Path) -> tuple[Process, Opened]:
    told = data / "opened.json"
    command = [sys.executable, "-m", "benchmarks.growth.idle", fleet.urls[0], str(IDLE), str(told)]
    process = await fleet.run("idle", command)
    async with asyncio.timeout(OPEN_SECONDS):
        while not told.exists() or not told.stat().st_size:
            if process.returncode is not None:
                raise RuntimeError(f"the idle sockets could not be opened; {data / 'idle.log'} says why")
            await asyncio.sleep(0.1)
    return process, msgspec.json.decode(told.read_bytes(), type=Opened)
