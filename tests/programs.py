"""Programs that the tests run: to their end, and `node` with the modules of a folder installed as its lock says."""

import asyncio
import fcntl
import shutil
import subprocess
from pathlib import Path

import pytest
from msgspec import Struct

RUN_SECONDS = 90
INSTALL_SECONDS = 300


class Ended(Struct, frozen=True):
    """How a program ended."""

    code: int
    output: str
    errors: str


def modules(folder: Path) -> str:
    """The `node` to run; the modules of *folder*'s package-lock.json are installed there."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("node is not installed: apt-get install nodejs npm")
    with (folder / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run in several processes, and one installs for all
        if not (folder / "node_modules").exists():
            _install(folder)
    return found


def _install(folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip(f"npm is not installed, nor is {folder}/node_modules there: apt-get install npm")
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    assert done.returncode == 0, f"npm ci in {folder} failed: {done.stderr}"


async def run(command: list[str], folder: Path) -> Ended:
    """Run a program in *folder* to its end."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, cwd=folder, stdout=pipe, stderr=pipe)
    try:
        async with asyncio.timeout(RUN_SECONDS):
            output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return Ended(process.returncode or 0, output.decode(), errors.decode())
