"""A child process that is kept running: started, watched until it is ready, started again when it dies."""

import asyncio
import signal
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import NoReturn

import msgspec
import structlog
from msgspec import Struct

from services.runtime.errors import SettingsError, StartError

from . import alone

LOOK_SECONDS = 0.1
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
HEALTHY_SECONDS = 60.0
"""A child that lived so long is started again after the first pause, not after the last one doubled; so is one that was
ready when it was killed from outside: turns wait for it."""
LAST_WORDS_SECONDS = 1.0
FAILED, BAD_SETTINGS = 1, 2
"""Exit codes of a service that says itself why it cannot start: trying again would say it again."""

log = structlog.get_logger()

Open = Callable[[], AbstractAsyncContextManager[Process]]
Missing = Callable[[], Awaitable[str]]
Relay = Callable[[str, str], None]
"""Takes a child's name and a line that it wrote."""


class _LogLine(Struct, frozen=True):
    error: str = ""


class Child:
    """A process, its successors when it dies, and how far the present one is."""

    def __init__(self, name: str, open_process: Open, missing: Missing, relay: Relay) -> None:
        self.name = name
        self.state = "starting"
        """What it still waits for, in words; empty when it is ready."""
        self.ready = asyncio.Event()
        """Set when it was ready once."""
        self.seconds = 0.0
        """How long it took to be ready."""
        self._open = open_process
        self._missing = missing
        self._relay = relay
        self._last_line = ""
        self._code = 0

    async def keep(self) -> NoReturn:
        """Run it again and again.

        Raises: StartError or SettingsError when it says that it cannot start, before it was ever ready.
        """
        pause = FIRST_PAUSE_SECONDS
        while True:
            began, self._code = time.monotonic(), 0
            reason = await self._life()
            killed_at_work = self._code < 0 and not self.state
            if killed_at_work or time.monotonic() - began > HEALTHY_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            self.state = f"{reason}; starts again"
            log.warning("child_ended", child=self.name, reason=reason, starts_again_in_s=pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _life(self) -> str:
        """Run it once; why it ended."""
        self.state = "starting"
        try:
            async with self._heard() as process:
                code = await process.wait()
        except StartError as error:
            if not self.ready.is_set():
                raise
            return str(error)
        self._code = code
        self._give_up(code)
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"

    @asynccontextmanager
    async def _heard(self) -> AsyncIterator[Process]:
        """Run it, listening until it is gone: a child whose last lines nobody reads could not end."""
        async with asyncio.TaskGroup() as group:
            tasks: list[asyncio.Task[None]] = []
            try:
                async with self._open() as process:
                    watch = group.create_task(self._until_ready(), name=f"{self.name}-ready")
                    if process.stdout:
                        tasks.append(group.create_task(self._read(process.stdout), name=f"{self.name}-output"))
                    try:
                        yield process
                    finally:
                        watch.cancel()
            finally:
                # A grandchild may hold the pipe open for longer than anybody wants to wait.
                await asyncio.wait(tasks, timeout=LAST_WORDS_SECONDS) if tasks else None
                for task in tasks:
                    task.cancel()

    def _give_up(self, code: int) -> None:
        if self.ready.is_set() or code not in (FAILED, BAD_SETTINGS):
            return
        kind = SettingsError if code == BAD_SETTINGS else StartError
        raise kind(f"{self.name} cannot start: {_sentence(self._last_line) or 'it does not say why'}")

    async def _until_ready(self) -> None:
        began = time.monotonic()
        while state := await self._missing():
            self.state = state
            await asyncio.sleep(LOOK_SECONDS)
        self.state = ""
        self.seconds = time.monotonic() - began
        tell = log.warning if self.ready.is_set() else log.info
        tell("child_ready", child=self.name, seconds=round(self.seconds, 1))
        self.ready.set()

    async def _read(self, output: asyncio.StreamReader) -> None:
        while True:
            try:
                line = await output.readline()
            except ValueError:  # a line longer than the reader's limit; what follows is still readable
                continue
            if not line:
                return
            text = line.decode(errors="replace").rstrip()
            self._last_line = text or self._last_line
            self._relay(self.name, text)


@asynccontextmanager
async def kept(children: Sequence[Child], seconds: float) -> AsyncIterator[None]:
    """Keep the children running; begin when each was ready, which may take *seconds*; stop all at the end.

    Raises: StartError, SettingsError.
    """
    with alone.raised():
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(child.keep(), name=child.name) for child in children]
            await _all_ready(children, seconds)
            yield
            for task in tasks:  # after an error the group does it; a second cancel would interrupt the cleaning up
                task.cancel()


async def _all_ready(children: Sequence[Child], seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            for child in children:
                await child.ready.wait()
    except TimeoutError:
        late = "; ".join(f"{child.name}: {child.state}" for child in children if not child.ready.is_set())
        raise StartError(f"not ready after {seconds:g} s ({late}): wait longer with START_TIMEOUT") from None


def _sentence(line: str) -> str:
    """What a last line says: a service logs its error as JSON, and Python's own is plain text."""
    try:
        return msgspec.json.decode(line, type=_LogLine).error or line
    except msgspec.DecodeError:
        return line
