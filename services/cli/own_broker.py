"""The broker that `up` and `demo` start: made ready with its streams, looked after, and healed where that can be."""

import asyncio
import shutil
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from services.runtime import broker_health, settings, streams
from services.runtime.errors import VoicebusError

from . import broker, disk, provisioning
from .children import Child, kept
from .processes import Processes

LOOK_SECONDS = 2.0
"""Between two looks at the broker's health."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 5.0, 300.0
"""Between two restarts of a broker that is still not well after one; doubled each time."""

log = structlog.get_logger()


class OwnBroker:
    """A broker whose streams stand whenever it is ready."""

    def __init__(self, folder: Path, port: int, monitor: int, processes: Processes, environ: Mapping[str, str]) -> None:
        self._folder = folder
        self._port = port
        self._monitor = monitor
        self._processes = processes
        self._environ = environ
        self._process: Process | None = None
        self._provided = False
        """Whether its streams were made since it was started."""
        self.child = Child("broker", self._open, self._missing, lambda name, line: None)

    @asynccontextmanager
    async def kept(self, seconds: float) -> AsyncIterator[None]:
        """Keep it running and well; begin when it is ready, which may take *seconds*.

        Raises: StartError, SettingsError, BusLost.
        """
        await asyncio.to_thread(self._check_disk)
        async with kept([self.child], seconds):
            looking = asyncio.create_task(self._look(), name="broker-look")
            try:
                yield
            finally:
                looking.cancel()
                await asyncio.gather(looking, return_exceptions=True)

    def _check_disk(self) -> None:
        limits = settings.load(streams.StreamSettings, self._environ)
        room = disk.room(self._folder, limits)
        if not room.enough:
            log.warning("disk_is_small", **{"what": room.says, "advice": disk.ADVICE})

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[Process]:
        self._provided = False
        async with broker.start(
            self._port, self._folder, monitor=self._monitor, group=self._processes.group
        ) as started:
            self._process = started.process
            yield started.process

    async def _missing(self) -> str:
        """Empty when its streams stand; an empty store after a restart is filled again."""
        if not self._provided:
            try:
                await provisioning.provide(self._environ)
            except VoicebusError as error:
                if not self.child.ready.is_set():
                    raise
                return f"streams: {error}"
            self._provided = True
        return ""

    async def _look(self) -> None:
        """Restart it when it is not well and its disk has room: after a write error nothing else helps."""
        pause, before = FIRST_PAUSE_SECONDS, ""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            trouble = await self._trouble()
            again = bool(trouble and before)  # one that starts may not be well yet
            if trouble and not again:
                log.warning("broker_in_trouble", why=trouble, advice="it is started again when its disk has room")
            elif again and await asyncio.to_thread(self._has_room):
                log.warning("broker_restarted", why=trouble, disk="it has room")
                await self._restart()
                await asyncio.sleep(pause)
                trouble = await self._trouble()
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS) if trouble else FIRST_PAUSE_SECONDS
            before = trouble

    async def _trouble(self) -> str:
        """Why it is not well; empty while it is not ready either, which whoever keeps it sees to."""
        return "" if self.child.state else await broker_health.trouble(broker.health_url(self._monitor))

    async def _restart(self) -> None:
        """End it; whoever keeps it starts it again."""
        if self._process is not None:
            await broker.stop(self._process)

    def _has_room(self) -> bool:
        usage = shutil.disk_usage(self._folder)
        return usage.free >= min(disk.ROOM_TO_WRITE, usage.total // 4)
