"""The edge service: `python -m services.edge`."""

import asyncio
import sys

import structlog

from services.runtime import bus as buses
from services.runtime import garbage, serve, streams, watchdog
from services.runtime.bus import Bus
from services.runtime.errors import Unavailable
from services.runtime.health import Readiness

from . import lines, open_files, presence, report, server
from .server import Edge
from .settings import EdgeSettings

LOOK_SECONDS = 5.0
"""Between two looks at the broker."""

log = structlog.get_logger()


async def run(settings: EdgeSettings, stopping: asyncio.Event) -> None:
    """Serve until *stopping*, then drain.

    Raises: VoicebusError, alone or in a group.
    """
    open_files.allow(settings.max_sockets)
    report.begin()
    readiness = Readiness()
    readiness.lack("streams", "not looked for yet")
    async with (
        buses.connect(settings.runtime.bus, "voicebus-edge", no_echo=True) as bus,
        server.listen(settings, bus, readiness) as edge,
        presence.announced(bus, edge, serve.worker_name(settings.runtime)),
        watchdog.watched(),
    ):
        log.info("service_ready", host=settings.host, port=edge.port, health_port=edge.port)
        with garbage.seldom():
            await _serve(edge, bus, readiness, stopping, settings.runtime.worker.drain_seconds)
    log.info("service_stopped")


async def _serve(edge: Edge, bus: Bus, readiness: Readiness, stopping: asyncio.Event, drain_seconds: float) -> None:
    async with asyncio.TaskGroup() as group:
        watch = [group.create_task(bus.lost()), group.create_task(_look(bus, readiness))]
        await stopping.wait()
        await edge.drain(drain_seconds)
        for task in watch:
            task.cancel()


async def _look(bus: Bus, readiness: Readiness) -> None:
    """Keep readiness true to whether the broker answers and has the streams."""
    while True:
        try:
            standing = await streams.standing(bus.jetstream)
            faults = streams.faults(standing)
            readiness.state("bus", bus.trouble)
            readiness.state("clock", bus.clock)
            readiness.state("streams", "; ".join(faults))
            await lines.look(bus, standing)
        except Unavailable as error:
            readiness.lack("bus", str(error))
            lines.forget()
        await asyncio.sleep(LOOK_SECONDS)


if __name__ == "__main__":
    sys.exit(serve.run("edge", EdgeSettings, run))
