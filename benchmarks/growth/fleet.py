"""What is measured: a broker, its streams, and as many services as are asked for, each a process of its own."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from msgspec import Struct

from services.cli import broker, ports, readiness
from services.cli.processes import Processes, group
from services.runtime import bus, settings, streams
from services.runtime.bus import Bus, BusSettings
from services.runtime.errors import StartError
from services.runtime.streams import StreamSettings

from . import usage
from .usage import Used

READY_SECONDS = 60.0
STOP_SECONDS = 15.0
LOOK_SECONDS = 0.1

SCRIPTED = {
    "STT_ENGINE": "scripted",
    "LLM_ENGINE": "scripted",
    "TTS_ENGINE": "scripted",
    "SCRIPTED_TRANSCRIPT": "A question of {samples} samples.",
    "SCRIPTED_REPLY": "You asked {transcript}",
    "SCRIPTED_STT_MS": "0",
    "SCRIPTED_WORDS_PER_SECOND": "0",
    "SCRIPTED_TTS_MS": "0",
}
"""Engines that cost next to nothing: one sentence of 7 words, 2.8 s and 134 KB of sound."""


ONE_EACH = {"edge": 1, "stt": 1, "llm": 1, "tts": 1}


class Member(Struct, frozen=True):
    """A process of the fleet."""

    name: str
    role: str
    """`broker`, `edge`, `stt`, `llm` or `tts`."""
    pid: int
    port: int


class Fleet:
    """What runs; made by `running`."""

    def __init__(self, data: Path, nats_url: str, environ: Mapping[str, str], processes: Processes, own: Bus) -> None:
        self.nats_url = nats_url
        self.bus = own
        """The measurement's own connection."""
        self.members: list[Member] = []
        self._data = data
        self._environ = environ
        self._processes = processes
        self._stack = AsyncExitStack()

    async def add(self, role: str, count: int = 1) -> None:
        """Start *count* more of a service, and wait until they are ready."""
        began = [await self._start(role) for _ in range(count)]
        for member in began:
            await _ready(member)
        self.members += began

    async def run(self, name: str, command: Sequence[str]) -> asyncio.subprocess.Process:
        """Start another process, which ends with the fleet."""
        log = self._stack.enter_context((self._data / f"{name}.log").open("ab"))
        running = self._processes.run(command, {**os.environ, **self._environ}, log.fileno(), STOP_SECONDS)
        return await self._stack.enter_async_context(running)

    async def close(self) -> None:
        """Stop everything but the broker."""
        await self._stack.aclose()

    @property
    def urls(self) -> tuple[str, ...]:
        """Where the edges answer."""
        return tuple(f"ws://{ports.LOOPBACK}:{member.port}/ws" for member in self.members if member.role == "edge")

    def used(self) -> dict[str, Used]:
        """What each process has used, by its name."""
        return {member.name: usage.of(member.pid) for member in self.members}

    def by_role(self) -> dict[str, Used]:
        """What the processes of each role have used together."""
        roles = dict.fromkeys(member.role for member in self.members)
        return {
            role: usage.total(usage.of(member.pid) for member in self.members if member.role == role) for role in roles
        }

    async def _start(self, role: str) -> Member:
        name = f"{role}-{sum(member.role == role for member in self.members)}-{ports.free()}"
        port = ports.free()
        own = {"PORT": str(port)} if role == "edge" else {"HEALTH_PORT": str(port)}
        log = self._stack.enter_context((self._data / f"{name}.log").open("ab"))
        environ = {**os.environ, **self._environ, **own}
        command = [sys.executable, "-m", f"services.{role}"]
        process = await self._stack.enter_async_context(
            self._processes.run(command, environ, log.fileno(), STOP_SECONDS)
        )
        return Member(name, role, process.pid, port)


@asynccontextmanager
async def running(data: Path, wanted: Mapping[str, str], counts: Mapping[str, int]) -> AsyncIterator[Fleet]:
    """Start a broker and *counts* services of each role, with the settings *wanted* over those of `SCRIPTED`.

    Logs and streams are under *data*.
    """
    environ = {**SCRIPTED, "LOG_FORMAT": "json", **wanted}
    async with AsyncExitStack() as stack:
        processes = await stack.enter_async_context(group())
        started = await stack.enter_async_context(broker.start(ports.free(), data / "nats", group=processes.group))
        environ["NATS_URL"] = started.url
        own = await stack.enter_async_context(bus.connect(BusSettings(nats_url=started.url), "growth"))
        await streams.setup(own.jetstream, settings.load(StreamSettings, environ))
        fleet = Fleet(data, started.url, environ, processes, own)
        fleet.members.append(Member("broker", "broker", started.process.pid, 0))
        stack.push_async_callback(fleet.close)
        for role, count in counts.items():
            await fleet.add(role, count)
        yield fleet


async def _ready(member: Member) -> None:
    for _ in range(round(READY_SECONDS / LOOK_SECONDS)):
        missing = await readiness.missing(ports.LOOPBACK, member.port)
        if not missing:
            return
        await asyncio.sleep(LOOK_SECONDS)
    raise StartError(f"{member.name} was not ready after {READY_SECONDS:g} s: {missing}; its log says why")
