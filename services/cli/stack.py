"""The whole pipeline on this machine: a broker, the streams, and the four services, one process each."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

import structlog
from msgspec import Struct

from services.runtime import access, bus, settings, streams
from services.runtime.errors import BusLost, StartError, Unavailable, VoicebusError
from services.runtime.heed import heed_cancel

from . import broker, console, machine, ports, progress, readiness
from .children import Child, Relay, kept
from .health_port import HealthPort
from .processes import Processes, group

LOOK_SECONDS = 1.0
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


@asynccontextmanager
async def running(plan: Plan) -> AsyncIterator[None]:
    """Start everything, begin when all is ready; at the end stop the services, then the broker.

    Raises: StartError, SettingsError, BusLost.
    """
    environ = _environ(plan)
    async with AsyncExitStack() as stack:
        processes = await stack.enter_async_context(group())
        own = [] if plan.nats_url else [_broker(plan, processes)]
        services = [_service(name, plan, processes, environ) for name in SERVICES]
        with progress.shown([*own, *services]):
            await stack.enter_async_context(kept(own, plan.start_seconds))
            for difference in await make_streams(environ):
                log.warning("stream_differs", difference=difference)
            await stack.enter_async_context(kept(services, plan.start_seconds))
        yield


async def make_streams(environ: Mapping[str, str]) -> list[str]:
    """Make the streams that are missing, turn the record on or off; what else stands differently is told, and left.

    Raises: StartError, SettingsError, BusLost.
    """
    connection = settings.load(bus.BusSettings, environ)
    limits = settings.load(streams.StreamSettings, environ)
    async with bus.connect(connection, "setup") as connected:
        try:
            differences = await connected.unless_lost(_made(connected, limits, connection))
        except BusLost as error:
            raise _explained(error) from error
        if limits.voicebus_record:
            log.warning("record_is_on", keeps="what is said and answered", days=limits.stream_record_days)
        return [*streams.too_small(connected.client), *differences]


def _explained(error: BusLost) -> VoicebusError:
    if "stream.update." not in str(error).lower():
        return error
    return StartError(
        f"the record is turned on or off, on streams that stand, by who may change them: {error}; "
        "run `voicebus setup` once as the broker's operator (NATS_USER, NATS_PASSWORD)"
    )


async def _made(connected: bus.Bus, limits: streams.StreamSettings, settings: bus.BusSettings) -> list[str]:
    """Wait for JetStream as long as for the broker: three brokers that start have no leader for some seconds."""
    reason = "it does not answer"
    try:
        async with asyncio.timeout(settings.nats_connect_seconds):
            while True:
                try:
                    return await streams.setup(connected.jetstream, limits)
                except Unavailable as error:
                    reason = str(error)
                    log.warning("streams_wait", reason=reason)
                heed_cancel()
                await asyncio.sleep(LOOK_SECONDS)
    except TimeoutError:
        raise StartError(
            f"the broker at {access.shown(settings)} has no JetStream to use after {settings.nats_connect_seconds:g} s "
            f"({reason}); do a majority of its cluster run, with `jetstream` in their configuration? "
            "NATS_CONNECT_SECONDS waits longer"
        ) from None


def _environ(plan: Plan) -> dict[str, str]:
    own = {"NATS_URL": plan.broker_url, "PORT": str(plan.port), "LOG_FORMAT": "json"}
    given = settings.environment()
    cores, why = machine.cores(plan.cores)
    follows = machine.chosen(cores, given)
    log.info("planned", cores=cores, why=why, **{name.lower(): number for name, number in follows.items()})
    return given | follows | own


def _broker(plan: Plan, processes: Processes) -> Child:
    @asynccontextmanager
    async def open_broker() -> AsyncIterator[Process]:
        async with broker.start(plan.nats_port, plan.data / "nats", group=processes.group) as started:
            yield started.process

    async def missing() -> str:
        return ""  # broker.start gives it when it answers

    return Child("broker", open_broker, missing, plan.relay)


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
