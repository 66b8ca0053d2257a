"""A pipeline is never called ready for what another one answers on its ports, taken since they were found free."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli import commands
from tests.cli.commands import Started
from tests.harness import free_port

STACK = """
import asyncio
from pathlib import Path
from services.cli import stack

async def main():
    async with stack.running(stack.Plan("127.0.0.1", {PORT}, {NATS_PORT}, "", Path("."), 30, 5)):
        print("ready")

asyncio.run(main())
"""


@pytest.fixture(scope="module", name="other")
def _other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    with commands.started(tmp_path_factory.mktemp("other"), "up") as command:
        command.until_ready()
        yield command


@pytest.mark.parametrize(
    ("taken", "said"), [("PORT", "edge cannot start: port"), ("NATS_PORT", "the broker did not come up on port")]
)
def test_a_port_of_another_pipeline_ends_the_start(other: Started, tmp_path: Path, taken: str, said: str) -> None:
    ports = {"PORT": free_port(), "NATS_PORT": free_port(), taken: int(other.env[taken])}
    command = [sys.executable, "-c", STACK.format(**ports)]
    ended = subprocess.run(
        command, cwd=tmp_path, env=commands.environ(tmp_path), capture_output=True, text=True, timeout=50, check=False
    )

    assert "ready" not in ended.stdout.splitlines()
    assert f"{said} {ports[taken]}" in ended.stderr
