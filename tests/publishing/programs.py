"""The two examples of docs/publishing.md as programs, and the stages that answer them as processes."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from msgspec import Struct

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "docs" / "examples"
MODULES = EXAMPLES / "node_modules"
RUN_SECONDS = 45
STOP_SECONDS = 12
INSTALL_SECONDS = 300


class Ended(Struct, frozen=True):
    """How a program ended."""

    code: int
    output: str
    errors: str


def node() -> str:
    """The `node` to run, with the modules of the examples installed as their lock says."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("node is not installed; the JavaScript example needs it: apt-get install nodejs npm")
    if not MODULES.exists():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("npm is not installed, nor is docs/examples/node_modules there: apt-get install npm")
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=EXAMPLES, capture_output=True, text=True, timeout=INSTALL_SECONDS)
        assert done.returncode == 0, f"npm ci in docs/examples failed: {done.stderr}"
    return found


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


@asynccontextmanager
async def stages(nats_url: str, settings: Mapping[str, str]) -> AsyncIterator[None]:
    """stt, llm and tts with scripted engines, each a process; all must drain when they are told to stop."""
    scripted = {"STT_ENGINE": "scripted", "LLM_ENGINE": "scripted", "TTS_ENGINE": "scripted"}
    environment = {**os.environ, **scripted, "NATS_URL": nats_url, **settings}
    async with AsyncExitStack() as stack:
        for name in ("stt", "llm", "tts"):
            await stack.enter_async_context(_stage(name, environment))
        yield


@asynccontextmanager
async def _stage(name: str, environment: Mapping[str, str]) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", f"services.{name}", cwd=ROOT, env=environment)
    try:
        yield
        assert process.returncode is None, f"{name} ended with {process.returncode}; its log is above"
        process.terminate()
        async with asyncio.timeout(STOP_SECONDS):
            assert await process.wait() == 0, f"{name} did not drain"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
