"""The wheel, installed into a fresh environment, works from a directory that holds nothing of the repository."""

import os
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy import bootstrap, pinned_uv
from services.cli import broker
from tests.harness import free_port

ROOT = Path(__file__).parents[2]
START_SECONDS = 45.0

pytestmark = pytest.mark.timeout(120)


def run(*command: str | Path, folder: Path, **more: str) -> str:
    """What a command says, in a folder, with nothing of this environment but the way to the broker."""
    bare = {"HOME": str(folder), "PATH": f"{Path(broker.binary()).parent}:/usr/bin:/bin", **more}
    done = subprocess.run(command, cwd=folder, env=bare, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment that has the wheel, and its dependencies from the one of these tests."""
    folder = tmp_path_factory.mktemp("wheel")
    uv, environment = str(pinned_uv.ensure(bootstrap.TOOLS)), folder / "env"
    run(uv, "build", "--offline", "--wheel", "--out-dir", folder / "dist", ROOT, folder=folder)
    run(uv, "venv", "--no-project", "--python", sys.executable, environment, folder=folder)
    (wheel,) = (folder / "dist").glob("*.whl")
    into = ("--offline", "--no-deps", "--python", environment / "bin/python")
    run(uv, "pip", "install", *into, wheel, folder=folder)
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return environment / "bin"


@pytest.fixture
def up(installed: Path, tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """A `voicebus up` of the wheel, in an empty directory; its port and its log."""
    port, log = free_port(), tmp_path / "up.log"
    environment = {
        "HOME": str(tmp_path),
        "PATH": f"{Path(broker.binary()).parent}:/usr/bin:/bin",
        "PORT": str(port),
        "NATS_PORT": str(free_port()),
        "VOICES_DIR": str(ROOT / "audios"),
        **dict.fromkeys(("STT_ENGINE", "LLM_ENGINE", "TTS_ENGINE"), "scripted"),
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [installed / "voicebus", "up"], cwd=tmp_path, env=environment, stdout=output, stderr=output
        )
    try:
        yield port, log
    finally:
        process.terminate()
        assert process.wait(30) == 0, log.read_text()


def test_the_command_and_both_packages_are_those_of_the_wheel(installed: Path, tmp_path: Path) -> None:
    assert run(installed / "voicebus", "--version", folder=tmp_path).startswith("voicebus ")
    where = "import services.cli.main as a, bus_schemas as b; print(a.__file__, b.__file__)"
    found = run(installed / "python", "-c", where, folder=tmp_path).split()
    assert all(Path(path).is_relative_to(installed.parent) for path in found)


def test_it_answers_a_question_from_another_directory(installed: Path, up: tuple[int, Path], tmp_path: Path) -> None:
    """All services of the wheel; only the voices are named, for they are no part of it."""
    port, log = up
    limit = time.monotonic() + START_SECONDS
    while "ready" not in log.read_text() or "ws://" not in log.read_text():
        assert time.monotonic() < limit, log.read_text()
        time.sleep(0.2)
    say = ("say", "--url", f"ws://127.0.0.1:{port}/ws", "--json", ROOT / "audios/question.wav")
    assert '"llama"' in run(installed / "voicebus", *say, folder=tmp_path)
    assert (tmp_path / "reply.wav").stat().st_size > 1000
    assert not os.path.exists(tmp_path / "services")
