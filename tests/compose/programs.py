"""Runs the programs of the trial: each bounded, and what it said last is in its error."""

import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Mapping
from pathlib import Path

TAIL = 3000
"""Characters of a failed program's words that are shown."""


class FailedError(Exception):
    """A step did not do what it must; the sentence says which and what to look at."""


async def run(*command: str, seconds: float, environment: Mapping[str, str], folder: Path | None = None) -> str:
    """What a program writes to its standard output. Raises: FailedError when it fails or takes longer."""
    words = " ".join(command)
    process = await asyncio.create_subprocess_exec(
        *command, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, cwd=folder, env=dict(environment), start_new_session=True
    )
    try:
        async with asyncio.timeout(seconds):
            out, err = await process.communicate()
    except TimeoutError:
        raise FailedError(f"`{words}` took longer than {seconds:.0f} s") from None
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if process.returncode:
        said = (out + err).decode(errors="replace")[-TAIL:]
        raise FailedError(f"`{words}` ended with {process.returncode}:\n{said}")
    return out.decode(errors="replace")


async def works(*command: str, seconds: float, environment: Mapping[str, str]) -> bool:
    """Whether a program is there and ends well."""
    try:
        await run(*command, seconds=seconds, environment=environment)
    except (FailedError, FileNotFoundError):
        return False
    return True
