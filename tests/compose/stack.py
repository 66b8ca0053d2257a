"""The CPU stack of docker-compose.yml under a project name of its own: built, up, scaled, killed, down."""

import asyncio
import os
import shutil
import signal
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.harness import free_port

from .engine import Engine
from .programs import FailedError, run

ROOT = Path(__file__).parents[2]
SENT = (
    "bus_schemas",
    "services",
    "audios",
    "requirements",
    "deploy",
    "pyproject.toml",
    "docker-compose.yml",
    ".dockerignore",
)
OLD_ENV = """PORT=8000
LLAMA_MODEL=nome_do_modelo_llama
LLAMA_ENDPOINT=http://localhost:11434
WHISPER_MODEL=base
WHISPER_DEVICE=cuda
DEBUG_MODE=true
VOICE_NAME=man
"""
"""The `.env` that the program before voicebus came with."""
CPU = ("deploy/compose.cpu.yml",)
CLUSTER = "deploy/compose.cluster.yml"
IMAGES = ("edge", "stt", "llm", "tts")
"""A service of each image of ours; passwords and setup run the edge's."""
POLICY_SECONDS = 10.0
"""How long an engine may take to start a container again by its restart policy."""


class Stack:
    """A copy of what the stack is made of, and what runs of it; on leaving nothing is left but the images."""

    def __init__(self, engine: Engine, *overrides: str) -> None:
        self._engine = engine
        self._files = [word for name in ("docker-compose.yml", *CPU, *overrides) for word in ("-f", name)]
        self.project = f"voicebus-trial-{os.getpid()}"
        self.port, nats = free_port(), free_port()
        self._environment = {
            **engine.environment,
            "COMPOSE_PROJECT_NAME": self.project,
            "VOICEBUS_IMAGE": "localhost/voicebus-trial",
            "PORT": str(self.port),
            "NATS_PORT": str(nats),
        }

    async def __aenter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix=f"{self.project}-"))
        for name in SENT:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
            copy(ROOT / name, self.folder / name)
        (self.folder / ".env").write_text(OLD_ENV, encoding="utf-8")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if await self.left():
            await self.down()
        shutil.rmtree(self.folder, ignore_errors=True)

    async def compose(self, *words: str, seconds: float) -> str:
        command = (*self._engine.compose, "-p", self.project, *self._files, *words)
        return await run(*command, seconds=seconds, environment=self._environment, folder=self.folder)

    async def build(self, service: str) -> None:
        await self.compose("build", service, seconds=1200)

    async def up(self) -> None:
        await self.compose("up", "-d", "--no-build", seconds=180)

    async def scale(self, service: str, number: int) -> None:
        words = ("up", "-d", "--no-build", "--no-deps", "--no-recreate", "--scale", f"{service}={number}", service)
        await self.compose(*words, seconds=120)

    async def down(self) -> None:
        await self.compose("down", "-v", "--remove-orphans", "-t", "15", seconds=240)

    async def left(self) -> list[str]:
        """Containers and volumes of this project that are there."""
        containers = await self._engine_says(
            "ps", "-a", "-q", "--filter", f"label=com.docker.compose.project={self.project}"
        )
        volumes = await self._engine_says("volume", "ls", "--format", "{{.Name}}")
        return containers + [name for name in volumes if name.startswith(f"{self.project}_")]

    async def containers(self, service: str) -> list[str]:
        mine = ("--filter", f"label=com.docker.compose.project={self.project}")
        return await self._engine_says(
            "ps", "-a", "-q", *mine, "--filter", f"label=com.docker.compose.service={service}"
        )

    async def ready(self, service: str, seconds: float = 90.0) -> None:
        """Until the health check of each of its containers succeeds. Raises: FailedError."""
        check = ("python", "-m", "services.cli.main", "ready", *(("edge",) if service == "edge" else ()))
        limit = time.monotonic() + seconds
        for container in await self.containers(service):
            while True:
                try:
                    await self._engine_says("exec", container, *check)
                    break
                except FailedError:
                    if time.monotonic() > limit:
                        raise
                await asyncio.sleep(1.0)

    async def kill(self, service: str) -> tuple[str, int]:
        """SIGKILL to the process of its container, from outside, so that the engine sees a death and no order."""
        (container,) = await self.containers(service)
        process = await self._process(container)
        os.kill(process, signal.SIGKILL)
        return container, process

    async def version(self, service: str) -> str:
        """What `voicebus --version` says in it."""
        container = (await self.containers(service))[0]
        return " ".join(await self._engine_says("exec", container, "python", "-m", "services.cli.main", "--version"))

    async def back(self, container: str, dead: int) -> str:
        """Wait until a container that died runs again; returns who started it."""
        began = time.monotonic()
        while time.monotonic() < began + POLICY_SECONDS:
            if await self._process(container) not in (0, dead):
                return f"its restart policy, after {time.monotonic() - began:.1f} s"
            await asyncio.sleep(0.2)
        await self._engine_says("start", container)
        return f"this trial, for {self._engine.program} did not within {POLICY_SECONDS:.0f} s"

    async def logs(self) -> str:
        """The last lines of every container."""
        told = []
        for service in (*IMAGES, "nats", "nats-2", "nats-3", "setup", "passwords"):
            for container in await self.containers(service):
                lines = await run(
                    "sh",
                    "-c",
                    f"{self._engine.program} logs --tail 15 {container} 2>&1",
                    seconds=30,
                    environment=self._environment,
                )
                told.append(f"--- {service} {container}\n{lines}")
        return "\n".join(told)

    async def _process(self, container: str) -> int:
        (found,) = await self._engine_says("inspect", "--format", "{{.State.Pid}}", container)
        return int(found)

    async def _engine_says(self, *words: str) -> list[str]:
        return (await run(self._engine.program, *words, seconds=60, environment=self._environment)).split()
