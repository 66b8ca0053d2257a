"""The whole pipeline on this machine: a broker, the streams, and the four services, one process each."""

import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

import structlog
from msgspec import Struct

from services.runtime import settings

from . import broker, console, machine, ports, progress, provisioning, readiness
from .children import Child, Relay, kept
from .health_port import HealthPort
from .own_broker import OwnBroker
from .processes import Processes, group

SERVICES = ("edge", "stt", "llm", "tts")

log = structlog.get_logger()


class Plan(Struct, frozen=True):
    """Where the pipeline is to run."""

    host: str
    """Where the edge is reached."""
    port: int
    nats_port: int
    nats_url: str
    """A broker that runs already; empty: one of our own on `nats_port`."""
    data: Path
    start_seconds: float
    stop_seconds: float
    cores: int = 0
    """Those to plan for; 0: those that there are."""
    tls: bool = False
    """The edge speaks TLS."""
    relay: Relay = console.relay
    """Takes what the services write."""

    @property
    def broker_url(self) -> str:
        """Where the services find the broker."""
        return self.nats_url or f"nats://{ports.LOOPBACK}:{self.nats_port}"

    @property
    def url(self) -> str:
        """Where a client talks to the edge."""
        return f"{'wss' if self.tls else 'ws'}://{self.host}:{self.port}/ws"

    @property
    def page(self) -> str:
        """Where a person talks to it."""
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}/"


@asynccontextmanager
async def running(plan: Plan) -> AsyncIterator[None]:
    """Start everything, begin when all is ready; at the end stop the services, then the broker.

    Raises: StartError, SettingsError, BusLost.
    """
    monitor = 0 if plan.nats_url else ports.free()
    environ = _environ(plan, monitor)
    async with AsyncExitStack() as stack:
        processes = await stack.enter_async_context(group())
        own = None if plan.nats_url else OwnBroker(plan.data / "nats", plan.nats_port, monitor, processes, environ)
        services = [_service(name, plan, processes, environ) for name in SERVICES]
        with progress.shown([*([own.child] if own else []), *services]):
            if own:
                await stack.enter_async_context(own.kept(plan.start_seconds))
            else:
                await provisioning.provide(environ)
            await stack.enter_async_context(kept(services, plan.start_seconds))
        yield


def _environ(plan: Plan, monitor: int) -> dict[str, str]:
    own = {"NATS_URL": plan.broker_url, "PORT": str(plan.port), "LOG_FORMAT": "json"}
    if monitor:
        own["NATS_HEALTH_URL"] = broker.health_url(monitor)
    given = settings.environment()
    cores, why = machine.cores(plan.cores)
    follows = machine.chosen(cores, given)
    log.info("planned", cores=cores, why=why, **{name.lower(): number for name, number in follows.items()})
    return given | follows | own


def _service(name: str, plan: Plan, processes: Processes, environ: Mapping[str, str]) -> Child:
    own = {**environ, "HEALTH_HOST": ports.LOOPBACK, "HEALTH_PORT": "0"}
    command = [sys.executable, "-m", f"services.{name}"]
    health = HealthPort(plan.relay)
    host = plan.host if name == "edge" else ports.LOOPBACK

    def open_process() -> AbstractAsyncContextManager[Process]:
        health.port = 0  # what its predecessor named may be somebody else's by now
        return processes.run(command, own, PIPE, plan.stop_seconds)

    async def missing() -> str:
        if not health.port:
            return "starting"
        return await readiness.missing(host, health.port, tls=plan.tls and name == "edge")

    return Child(name, open_process, missing, health.relay)
