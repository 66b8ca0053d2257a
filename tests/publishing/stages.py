"""The stages that answer the programs of docs/publishing.md, as processes."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
STOP_SECONDS = 12


@asynccontextmanager
async def running(nats_url: str, settings: Mapping[str, str]) -> AsyncIterator[None]:
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
