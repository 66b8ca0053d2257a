"""How a service runs: settings, logs, health, bus, stage, worker; from its start to the end of its drain."""

import asyncio
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any, NoReturn, TypeVar

import structlog
from msgspec import Struct

from bus_schemas import subjects

from . import announce, bus, garbage, health, log, offers, settings, threads, tracing, watchdog
from .announce import Card, Figures
from .bus import Bus, BusSettings
from .errors import SettingsError, VoicebusError
from .health import Readiness
from .log import LogSettings
from .settings import Port
from .stage import Stage
from .streams import CONSUMERS, EVENT_OF
from .tracing import TraceSettings
from .worker import Worker, WorkerSettings

logger = structlog.get_logger()


class RuntimeSettings(Struct, frozen=True):
    """What every service needs."""

    bus: BusSettings = BusSettings()
    log: LogSettings = LogSettings()
    worker: WorkerSettings = WorkerSettings()
    traces: TraceSettings = TraceSettings()
    health_host: str = "127.0.0.1"
    """Where a worker's health pages listen."""
    health_port: Port = 0
    """The port of a worker's health pages; 0: any free one, named in the log."""


S = TypeVar("S", bound=Struct)
OpenStage = Callable[[S, Bus], AbstractAsyncContextManager[Stage]]
Service = Callable[[S, asyncio.Event], Coroutine[Any, Any, None]]


def run(name: str, kind: type[S], service: Service[S]) -> int:
    """Run a service until SIGTERM or Ctrl-C; returns the exit code: 0 drained, 1 failed, 2 bad settings."""
    try:
        wanted = settings.load(kind)
    except SettingsError as error:
        print(f"voicebus {name}: {error}", file=sys.stderr)  # noqa: T201  # logs have no settings yet
        return 2
    log.configure(_log_settings(wanted), name)
    failures: list[VoicebusError] = []
    before = threads.awaited()
    try:
        with asyncio.Runner(loop_factory=event_loop) as runner:
            runner.run(_until_signal(name, wanted, service))
    except* VoicebusError as group:
        failures = _leaves(group)
    for failure in failures:
        logger.error("service_failed", error=str(failure), kind=type(failure).__name__)
    code = 2 if any(isinstance(failure, SettingsError) for failure in failures) else 1 if failures else 0
    if threads.awaited() - before:  # an engine hangs in one, and Python would wait for it
        os._exit(code)
    return code


def event_loop() -> asyncio.AbstractEventLoop:
    """What a service runs on: uvloop, where the extra of that name is installed, for a message costs less CPU on it."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def main(name: str, kind: type[S], open_stage: OpenStage[S]) -> int:
    """Run a worker service; *open_stage* loads its engine and gives its stage."""

    async def service(wanted: S, stopping: asyncio.Event) -> None:
        await work(name, wanted, runtime_of(wanted), open_stage, stopping)

    return run(name, kind, service)


async def work(
    name: str,
    wanted: S,
    runtime: RuntimeSettings,
    open_stage: OpenStage[S],
    stopping: asyncio.Event,
) -> None:
    """A worker service, from its start to its end.

    Raises: VoicebusError, alone or in a group.
    """
    readiness = Readiness()
    readiness.lack("bus", "connecting")
    readiness.lack("engine", "loading")
    async with health.listen(runtime.health_host, runtime.health_port, readiness) as port:
        logger.info("service_started", health_port=port)
        name_here = worker_name(runtime)
        async with bus.connect(runtime.bus, f"voicebus-{name}") as connection:
            readiness.have("bus")
            async with _unless_stopped(open_stage(wanted, connection), connection, stopping) as stage:
                if stage is None:
                    await _leave()
                readiness.have("engine")
                logger.info("service_ready", worker=name_here)
                worker = Worker(connection, stage, runtime.worker, readiness, name_here)
                async with announced(connection, stage, worker, name_here), watchdog.watched():
                    with garbage.seldom():
                        await _work(worker, connection, stopping)
    logger.info("service_stopped")


@asynccontextmanager
async def announced(connection: Bus, stage: Stage, worker: Worker, name: str) -> AsyncIterator[None]:
    """Say who works here and what, to whoever asks; tell what it does, to whoever watches."""
    card = Card(
        name=f"voicebus-{stage.name}",
        endpoint=stage.name,
        subject=subjects.every(EVENT_OF[stage.stream]),
        group=CONSUMERS[stage.stream],
        metadata={"stage": stage.name, "worker": name, **stage.runs},
    )

    def figures() -> Figures:
        now = worker.account.now
        return Figures(sum(now.outcomes.values()), now.failed, worker.account.seconds, now)

    offered = offers.told(connection.client, stage.name, stage.offer) if stage.offer else nullcontext()
    async with (
        connection.sightings.told(connection.client),
        announce.announced(connection.client, card, figures),
        offered,
    ):
        yield


async def _leave() -> NoReturn:
    """End at once: a model that still loads in a thread cannot be stopped, and nothing was taken yet."""
    logger.info("service_stopped", loading=True)
    await asyncio.sleep(0)  # the line is written by the end of this round
    os._exit(0)


async def _work(worker: Worker, connection: Bus, stopping: asyncio.Event) -> None:
    async with asyncio.TaskGroup() as group:
        lost = group.create_task(connection.lost(), name="bus-lost")
        await worker.run(stopping)
        lost.cancel()


@asynccontextmanager
async def _unless_stopped(
    opening: AbstractAsyncContextManager[Stage], connection: Bus, stopping: asyncio.Event
) -> AsyncIterator[Stage | None]:
    """The stage; None when the service was told to stop while its engine was still loading. Raises: BusLost."""
    stage = asyncio.create_task(connection.unless_lost(opening.__aenter__()), name="load-engine")
    stop = asyncio.create_task(stopping.wait(), name="stop-while-loading")
    await asyncio.wait({stage, stop}, return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    if not stage.done():
        stage.cancel()
        await asyncio.gather(stage, return_exceptions=True)
        yield None
        return
    opened = stage.result()
    try:
        yield opened
    finally:
        await opening.__aexit__(None, None, None)


async def _until_signal(name: str, wanted: S, service: Service[S]) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with tracing.on(runtime_of(wanted).traces, name):
        await service(wanted, stopping)


def runtime_of(wanted: Struct) -> RuntimeSettings:
    """The runtime's part of a service's settings."""
    runtime = getattr(wanted, "runtime", None)
    return runtime if isinstance(runtime, RuntimeSettings) else RuntimeSettings()


def _log_settings(wanted: Struct) -> LogSettings:
    return runtime_of(wanted).log


def worker_name(runtime: RuntimeSettings) -> str:
    """What a service calls itself in trails, logs and to who asks."""
    if runtime.worker.worker_name:
        return runtime.worker.worker_name
    return re.sub(r"[^A-Za-z0-9_-]", "-", f"{socket.gethostname()}-{os.getpid()}")


def _leaves(group: BaseExceptionGroup[VoicebusError]) -> list[VoicebusError]:
    found: list[VoicebusError] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found
