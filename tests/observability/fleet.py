"""The four services as processes on a broker, and what each of them counts."""

import asyncio
import os
import sys
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from msgspec import Struct
from prometheus_client.parser import text_string_to_metric_families as families

from services.cli import readiness
from services.cli.processes import Processes, group
from tests.acceptance.pipeline import SCRIPTED
from tests.harness import free_port

SERVICES = ("edge", "stt", "llm", "tts")
READY_SECONDS = 60.0
STOP_SECONDS = 12.0

Series = tuple[str, frozenset[tuple[str, str]]]
"""A sample's name and its labels."""


class Fleet(Struct, frozen=True):
    """What runs."""

    ports: dict[str, int]
    """Where each service tells of itself."""
    logs: Path

    @property
    def url(self) -> str:
        """Where a client talks to the edge."""
        return f"ws://127.0.0.1:{self.ports['edge']}/ws"

    async def text(self, service: str) -> str:
        """Its /metrics."""
        return await asyncio.to_thread(_get, f"http://127.0.0.1:{self.ports[service]}/metrics")

    async def scrape(self) -> dict[Series, float]:
        """Every sample of every service; one that several have is added up."""
        found: dict[Series, float] = {}
        for service in self.ports:
            for family in families(await self.text(service)):
                for sample in family.samples:
                    series = sample.name, frozenset(sample.labels.items())
                    found[series] = found.get(series, 0.0) + sample.value
        return found


def total(samples: Mapping[Series, float], name: str, **labels: str) -> float:
    """All samples of *name* that have these *labels*, added up."""
    return sum(value for (found, has), value in samples.items() if found == name and labels.items() <= set(has))


@asynccontextmanager
async def running(
    nats_url: str, data: Path, common: Mapping[str, str], own: Mapping[str, Mapping[str, str]] | None = None
) -> AsyncIterator[Fleet]:
    """All four, ready, with scripted engines; *own* are the settings of one of them alone."""
    ports = {name: free_port() for name in SERVICES}
    settings = {**os.environ, **SCRIPTED, "NATS_URL": nats_url, "LOG_FORMAT": "json", "ACK_WAIT": "1", **common}
    async with group() as processes, AsyncExitStack() as stack:
        for name, port in ports.items():
            place = {"PORT": str(port)} if name == "edge" else {"HEALTH_PORT": str(port)}
            environ = {**settings, **place, **(own or {}).get(name, {})}
            await stack.enter_async_context(kept(processes, name, environ, data / f"{name}.log"))
        for name, port in ports.items():
            await _ready(name, port)
        yield Fleet(ports, data)


@asynccontextmanager
async def kept(processes: Processes, name: str, environ: Mapping[str, str], log: Path) -> AsyncIterator[None]:
    """A service that is started again when it ends."""

    async def keep() -> None:
        while True:
            with log.open("ab") as output:
                command = [sys.executable, "-m", f"services.{name}"]
                async with processes.run(command, environ, output.fileno(), STOP_SECONDS) as process:
                    await process.wait()

    task = asyncio.create_task(keep(), name=name)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _ready(name: str, port: int) -> None:
    missing = "starting"
    for _ in range(round(READY_SECONDS / 0.1)):
        missing = await readiness.missing("127.0.0.1", port)
        if not missing:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{name} was not ready after {READY_SECONDS:g} s: {missing}")


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())
