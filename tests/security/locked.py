"""A broker that runs the very configuration of deploy/nats, and the ways to come in as each role."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from msgspec import Struct
from nats.aio.client import Client

from services.cli import broker as embedded
from services.runtime.access import BusSettings
from tests.harness import free_port

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "nats"
SERVICES = ("setup", "edge", "stt", "llm", "tts", "observer")
ROLES = (*SERVICES, "operator", "kiosk")
START_SECONDS = 15


class Locked(Struct, frozen=True):
    """A broker that knows its users."""

    port: int

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def settings(self, role: str) -> BusSettings:
        """How a service of *role* comes in."""
        return BusSettings(
            nats_url=self.url, nats_user=role, nats_password=password(role), nats_connect_seconds=5, nats_token=""
        )


def password(role: str) -> str:
    """The password of a role in these tests."""
    return f"secret-of-{role}"


def environment(store: Path) -> dict[str, str]:
    """What nats.conf reads from the environment."""
    return {"NATS_STORE": str(store), **{f"NATS_{role.upper()}_PASSWORD": password(role) for role in ROLES}}


def copy(directory: Path) -> Path:
    """The configuration in a folder where a test may change it as its comments say."""
    shutil.copytree(FOLDER, directory)
    return directory / "nats.conf"


def check(variables: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    """What the broker says of nats.conf and this environment, without starting."""
    command = [embedded.binary(), "-t", "-c", str(FOLDER / "nats.conf")]
    return subprocess.run(command, env=dict(variables), capture_output=True, text=True, timeout=30, check=False)


@contextmanager
def running(
    directory: Path, configuration: Path = FOLDER / "nats.conf", more: Mapping[str, str] | None = None
) -> Iterator[Locked]:
    """The broker with its streams and its log under *directory*; the two ports are given on the command line."""
    port, figures = free_port(), free_port()
    directory.mkdir(parents=True, exist_ok=True)
    log = directory / "nats.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [embedded.binary(), "-c", str(configuration), "-a", "127.0.0.1", "-p", str(port), "-m", str(figures)],
            env={**os.environ, **environment(directory / "streams"), **(more or {})},
            stdout=output,
            stderr=output,
        )
    try:
        _wait(port, process, log)
        yield Locked(port)
    finally:
        process.terminate()
        process.wait(10)


@asynccontextmanager
async def user(locked: Locked, role: str) -> AsyncIterator[tuple[Client, list[str]]]:
    """A connection of *role* with the plain NATS client, and what the broker has forbidden it."""
    forbidden: list[str] = []

    async def on_error(error: Exception) -> None:
        forbidden.append(str(error))

    client = Client()
    await client.connect(
        locked.url, user=role, password=password(role), inbox_prefix=f"_INBOX_{role}", error_cb=on_error
    )
    try:
        yield client, forbidden
    finally:
        await client.close()


def _wait(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise AssertionError(f"the broker did not start: {log.read_text()[-2000:]}")
