"""Child processes that never outlive their parent, however it ends.

They live in one process group, led by `leash.py`. Grandchildren are in it too, a terminal's Ctrl-C does not reach it,
and nothing has to be remembered: what is in the group when it is closed is killed.
"""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from msgspec import Struct

from services.runtime.errors import StartError

from . import alone

LEASH = Path(__file__).with_name("leash.py")


class Processes(Struct, frozen=True):
    """A group of child processes that is open."""

    leash: Process

    @property
    def group(self) -> int:
        """The process group's id: what is started with it as `process_group` ends with the others."""
        return self.leash.pid

    def kill(self) -> None:
        """End every process at once, by force."""
        with suppress(ProcessLookupError):
            os.killpg(self.group, signal.SIGKILL)

    async def lost(self) -> None:
        """Return never; raise StartError when the leash is gone, and the children with nobody to end them."""
        await self.leash.wait()
        raise StartError("the process that watches over the services was killed: start again")

    @asynccontextmanager
    async def run(
        self, command: Sequence[str], environ: Mapping[str, str], output: int, stop_seconds: float
    ) -> AsyncIterator[Process]:
        """Run a child; at the end ask it to stop, and kill it when it has not after *stop_seconds*.

        *output* is a file descriptor for what it writes, or `subprocess.PIPE`.

        Raises: StartError when there is no such program, or it must not be run.
        """
        process = await born(
            asyncio.create_subprocess_exec(
                *command,
                env=environ,
                stdin=DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                process_group=self.group,
            ),
            command[0],
        )
        try:
            yield process
        finally:
            await stop(process, stop_seconds)


@asynccontextmanager
async def group() -> AsyncIterator[Processes]:
    """Open a group; at the end kill what is still in it.

    Raises: StartError when the leash is killed.
    """
    # A background process that writes to the terminal is stopped where the user has set `stty tostop`.
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    leash = await asyncio.create_subprocess_exec(sys.executable, "-I", "-S", str(LEASH), stdin=PIPE, process_group=0)
    processes = Processes(leash)
    try:
        with alone.raised():
            async with asyncio.TaskGroup() as tasks:
                watch = tasks.create_task(processes.lost(), name="leash")
                try:
                    yield processes
                finally:
                    watch.cancel()
    finally:
        processes.kill()
        await leash.wait()


async def born(starting: Coroutine[None, None, Process], program: str) -> Process:
    """The process, once it runs. Who is cancelled meanwhile leaves none behind that outlives the event loop.

    Raises: StartError.
    """
    birth = asyncio.create_task(starting, name=f"start {program}")
    try:
        return await asyncio.shield(birth)
    except OSError as error:
        raise StartError(f"{program} cannot be started ({error.strerror}): install voicebus again") from error
    except asyncio.CancelledError:
        await asyncio.wait({birth})
        if birth.exception() is None:
            process = birth.result()
            await stop(process, 0)
            # Nobody reads its output: on Python 3.11.2 the pipe may be open still, and would be closed after the loop.
            process._transport.close()  # type: ignore[attr-defined]
        raise


async def stop(process: Process, seconds: float) -> None:
    """Ask a process to stop, kill it when it has not after *seconds*; return when it is gone."""
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(seconds):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
