"""An engine that is down: nothing is pulled for it, it is probed, and who waits for it is told when it works again."""

import asyncio
from collections.abc import Awaitable, Callable

from .errors import Unavailable
from .health import Readiness
from .pull import Pull

FIRST_PAUSE = 0.25
LONGEST_PAUSE = 5.0
"""Between two probes, seconds."""


class Recovery:
    """One worker's engine, as far as it works or not."""

    def __init__(self, probe: Callable[[], Awaitable[None]], pull: Pull, readiness: Readiness) -> None:
        self._probe = probe
        self._pull = pull
        self._readiness = readiness
        self._works = asyncio.Event()
        self._works.set()
        self._probing: asyncio.Task[None] | None = None

    def look(self, group: asyncio.TaskGroup) -> None:
        """Probe once, in *group*: an engine's server may have been away when the engine was loaded."""
        self._probing = group.create_task(self._look(), name="engine-probe")

    def down(self, reason: str, group: asyncio.TaskGroup) -> None:
        """The engine failed because of *reason*: pull nothing until a probe, run in *group*, succeeds."""
        self._lack(reason)
        if self._probing is None or self._probing.done():
            self._probing = group.create_task(self._recover(), name="engine-probe")

    async def wait(self) -> None:
        """Return when the engine works."""
        await self._works.wait()

    def stop(self) -> None:
        """Probe no more."""
        if self._probing is not None:
            self._probing.cancel()

    def _lack(self, reason: str) -> None:
        self._works.clear()
        self._pull.pause(True)
        self._readiness.lack("engine", reason)

    async def _look(self) -> None:
        try:
            await self._probe()
        except Unavailable as error:
            self._lack(str(error))
        if not self._works.is_set():  # an event may have found it down meanwhile
            await self._recover()

    async def _recover(self) -> None:
        pause = FIRST_PAUSE
        while True:
            await asyncio.sleep(pause)
            try:
                await self._probe()
            except Unavailable as error:
                self._readiness.lack("engine", str(error))
                pause = min(pause * 2, LONGEST_PAUSE)
                continue
            self._works.set()
            self._readiness.have("engine")
            self._pull.pause(False)
            return
