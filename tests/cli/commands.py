"""The `voicebus` command as a person runs it: a process of its own, in a folder of its own, with scripted engines."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.harness import free_port

ROOT = Path(__file__).parents[2]
QUESTION = str(ROOT / "audios" / "question.wav")
COMMAND = [sys.executable, "-m", "services.cli.main"]
START_SECONDS = 45.0
STOP_SECONDS = 15.0
STEP_SECONDS = 0.05


def environ(folder: Path, **settings: object) -> dict[str, str]:
    """The environment of a command that keeps everything in *folder* and loads no model."""
    own = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PYTHONPATH": str(ROOT),
        "PORT": str(free_port()),
        "NATS_PORT": str(free_port()),
        "VOICEBUS_DATA": str(folder / "data"),
        "VOICES_DIR": str(ROOT / "audios"),
        "STT_ENGINE": "scripted",
        "LLM_ENGINE": "scripted",
        "TTS_ENGINE": "scripted",
        "SCRIPTED_REPLY": "One sentence. And another.",
        "SCRIPTED_TTS_MS": "0",
    }
    return own | {name: str(value) for name, value in settings.items()}


def run(folder: Path, *words: str, given: bytes = b"", **settings: object) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    done = subprocess.run(
        [*COMMAND, *words], cwd=folder, env=environ(folder, **settings), input=given, capture_output=True, timeout=50
    )
    return subprocess.CompletedProcess(words, done.returncode, done.stdout.decode(), done.stderr.decode())


class Started:
    """A command that runs on, its output in files."""

    def __init__(self, folder: Path, process: "subprocess.Popen[bytes]", env: Mapping[str, str]) -> None:
        self.folder = folder
        self.process = process
        self.env = env
        self.url = f"ws://127.0.0.1:{env['PORT']}/ws"

    @property
    def stdout(self) -> str:
        return (self.folder / "stdout").read_text()

    @property
    def stderr(self) -> str:
        return (self.folder / "stderr").read_text()

    def until_ready(self) -> None:
        """Wait for the line that says so."""
        until(lambda: "ready on" in self.stdout or self.process.poll() is not None, "it is ready", START_SECONDS)
        assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{self.stderr}"

    def family(self) -> dict[int, str]:
        """Every process below it: id and command line."""
        return dict(_descendants(self.process.pid))

    def one(self, name: str) -> int:
        """The id of the one process below it with *name* in its command line."""
        (found,) = (pid for pid, line in self.family().items() if name in line)
        return found

    def end(self, number: signal.Signals) -> int:
        """Send a signal, wait for the end; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(STOP_SECONDS)


@contextmanager
def started(folder: Path, *words: str, **settings: object) -> Iterator[Started]:
    """Start a command; at the end it and all below it are gone, whatever the test found."""
    folder.mkdir(exist_ok=True)
    env = environ(folder, **settings)
    with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
        process = subprocess.Popen(
            [*COMMAND, *words], cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=err
        )
    try:
        yield Started(folder, process, env)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(STOP_SECONDS)


def answer(up: Started) -> str:
    """Ask it the shipped question."""
    done = run(up.folder, "say", "--json", "--url", up.url, QUESTION)
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout)["llama"])


def until(predicate: Callable[[], bool], description: str, seconds: float = 15.0) -> None:
    """Wait until *predicate* holds; fail with *description* when it does not within *seconds*."""
    end = time.monotonic() + seconds
    while not predicate():
        assert time.monotonic() < end, f"waited {seconds:g} s in vain until {description}"
        time.sleep(STEP_SECONDS)


def alive(pids: Mapping[int, str]) -> dict[int, str]:
    """Those of *pids* that still run the same command."""
    return {pid: line for pid, line in pids.items() if _state(pid) not in ("", "Z") and _line(pid) == line}


def _descendants(pid: int) -> Iterator[tuple[int, str]]:
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield int(child), _line(int(child))
            yield from _descendants(int(child))


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def _line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except OSError:
        return ""
