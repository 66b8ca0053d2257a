"""Everything that is killed: a broker, an edge and several workers a stage, each started again as soon as it ends."""

import asyncio
import os
import random
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from msgspec import Struct

from services.cli import broker, readiness
from services.cli.processes import Processes, group
from services.runtime import bus, streams
from services.runtime.bus import Bus, BusSettings
from services.runtime.streams import StreamSettings
from tests.harness import free_port, wait_until

from . import words
from .link import Link

STAGES = {"stt": streams.UTTERANCE, "llm": streams.TRANSCRIPT, "tts": streams.SENTENCE}
STOP_SECONDS = 15.0
READY_SECONDS = 60.0
RESTART_SECONDS = 0.1
LOOK_SECONDS = 0.1
SCRIPTED = {
    "STT_ENGINE": "scripted",
    "SCRIPTED_TRANSCRIPT": words.TRANSCRIPT,
    "SCRIPTED_STT_MS": "1200",
    "LLM_ENGINE": "scripted",
    "SCRIPTED_WORDS_PER_SECOND": "40",
    "TTS_ENGINE": "scripted",
    "SCRIPTED_TTS_MS": "300",
    "SCRIPTED_TTS_WORDS_PER_SECOND": str(words.TTS_WORDS_PER_SECOND),
}
"""Each stage is busy about half of the time, so that it holds work when it is killed."""


class Kept:
    """A process, and its successors."""

    def __init__(self, name: str, processes: Processes, command: list[str], environ: Callable[[int], dict[str, str]]):
        self.name = name
        self.lives = 0
        self.process: Process | None = None
        self.surprises: list[str] = []
        """How it ended when nobody had told it to."""
        self.extra: dict[str, str] = {}
        """What its next life finds in its environment."""
        self._doomed: set[int] = set()
        self._processes = processes
        self._command = command
        self._environ = environ

    async def keep(self, log: Path) -> None:
        """Run it for ever."""
        while True:
            environ = {**self._environ(self.lives), **self.extra}
            with log.open("ab") as output:
                running = self._processes.run(self._command, environ, output.fileno(), STOP_SECONDS)
                async with running as self.process:
                    self.lives += 1
                    code = await self.process.wait()
            if self.process.pid not in self._doomed and "VOICEBUS_FAILPOINT" not in environ:
                self.surprises.append(f"{self.name} ended by itself with {code}")
            await asyncio.sleep(RESTART_SECONDS)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to what runs now."""
        if self.process is not None and self.process.returncode is None:
            if number in (signal.SIGKILL, signal.SIGTERM):
                self._doomed.add(self.process.pid)
            self.process.send_signal(number)

    async def succeeded(self, life: int) -> None:
        """Wait until the life after *life* has begun."""
        await wait_until(lambda: self.lives > life, f"{self.name} was started again", READY_SECONDS)


class Fleet(Struct, frozen=True):
    """What runs."""

    broker: Kept
    edge: Kept
    workers: dict[str, list[Kept]]
    link: Link
    bus: Bus
    """The harness's own connection, straight to the broker."""
    url: str
    nats_url: str
    health: dict[str, int]
    """Where each service tells whether it is ready."""

    @property
    def services(self) -> list[Kept]:
        """All but the broker."""
        return [self.edge, *(worker for workers in self.workers.values() for worker in workers)]

    async def ready(self, *services: Kept) -> None:
        """Wait until *services*, or all, are ready."""
        for service in services or self.services:
            await _ready(self.health[service.name], service.name)


@asynccontextmanager
async def running(data: Path, seed: int, workers: int, ack_wait: float) -> AsyncIterator[Fleet]:
    """Start everything, with logs and streams under *data*; begin when all is ready."""
    port, nats_port, link_port = free_port(), free_port(), free_port()
    nats_url = f"nats://127.0.0.1:{nats_port}"
    names = ["edge", *(f"{stage}-{n}" for stage in STAGES for n in range(workers))]
    health = {name: port if name == "edge" else free_port() for name in names}
    common = {**os.environ, **SCRIPTED, "NATS_URL": f"nats://127.0.0.1:{link_port}", "PORT": str(port)}
    common |= {"ACK_WAIT": str(ack_wait), "LOG_FORMAT": "json"}
    async with AsyncExitStack() as stack:
        processes = await stack.enter_async_context(group())
        keep = await stack.enter_async_context(_keeping())
        kept = Kept("broker", processes, _broker_command(data / "nats", nats_port), lambda _: dict(os.environ))
        keep(kept, data / "broker.log")
        settings = BusSettings(nats_url=nats_url, nats_connect_seconds=30)
        own = await stack.enter_async_context(bus.connect(settings, "chaos"))
        await streams.setup(own.jetstream, StreamSettings(ack_wait=ack_wait))
        link = await stack.enter_async_context(Link(link_port, nats_port))
        services = {name: _service(name, processes, common, health[name], seed) for name in names}
        for service in services.values():
            keep(service, data / f"{service.name}.log")
        staff = {stage: [services[f"{stage}-{n}"] for n in range(workers)] for stage in STAGES}
        fleet = Fleet(kept, services["edge"], staff, link, own, f"ws://127.0.0.1:{port}/ws", nats_url, health)
        await fleet.ready()
        yield fleet


@asynccontextmanager
async def _keeping() -> AsyncIterator[Callable[[Kept, Path], None]]:
    """Keeps processes until the end of the block."""
    async with asyncio.TaskGroup() as group:
        tasks: list[asyncio.Task[None]] = []
        try:
            yield lambda kept, log: tasks.append(group.create_task(kept.keep(log), name=kept.name))
        finally:
            for task in tasks:
                task.cancel()


def _broker_command(directory: Path, port: int) -> list[str]:
    directory.mkdir(parents=True)
    configuration = directory / "nats.conf"
    configuration.write_text(broker.configured(directory, port))
    return [broker.binary(), "-c", str(configuration)]


def _service(name: str, processes: Processes, common: Mapping[str, str], health: int, seed: int) -> Kept:
    module = name.split("-")[0]

    def environ(life: int) -> dict[str, str]:
        sentences = random.Random(f"{seed} {name} {life}").randint(words.FEWEST, words.MOST)
        reply = words.script(f"{name}x{life}", sentences)
        return {**common, "SCRIPTED_REPLY": reply, "HEALTH_HOST": "127.0.0.1", "HEALTH_PORT": str(health)}

    return Kept(name, processes, [sys.executable, "-m", f"services.{module}"], environ)


async def _ready(port: int, name: str) -> None:
    for _ in range(round(READY_SECONDS / LOOK_SECONDS)):
        missing = await readiness.missing("127.0.0.1", port)
        if not missing:
            return
        await asyncio.sleep(LOOK_SECONDS)
    raise AssertionError(f"{name} was not ready after {READY_SECONDS:g} s: {missing}")
