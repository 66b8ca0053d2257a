"""The programs of a run: started together, and ended together whatever happens."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from msgspec import Struct

START_SECONDS = 180.0
STOP_SECONDS = 15.0


class Program(Struct, frozen=True):
    """What to start. It is ready when something listens on `port`, and its output holds `says`."""

    name: str
    command: tuple[str, ...]
    port: int
    environ: Mapping[str, str] = {}
    says: str = ""


class NotReady(Exception):
    """A program ended, or is not ready in time; its last lines are in the message."""


@contextmanager
def running(programs: Sequence[Program], logs: Path) -> Iterator[dict[str, int]]:
    """Start the programs side by side, begin when all are ready; name -> process id.

    SIGTERM ends this program as Ctrl-C does, so that nothing is left running.

    Raises: NotReady.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    started: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for program in programs:
            started[program.name] = _start(program, logs / f"{program.name}.log")
        for program in programs:
            _until_ready(program, started[program.name], logs / f"{program.name}.log")
        yield {name: process.pid for name, process in started.items()}
    finally:
        for process in started.values():
            process.terminate()
        for process in started.values():
            _end(process)


def _start(program: Program, log: Path) -> "subprocess.Popen[bytes]":
    with log.open("wb") as output:
        return subprocess.Popen(
            program.command,
            env={**os.environ, **program.environ},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _until_ready(program: Program, process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while not (_listens(program.port) and program.says in log.read_text(errors="replace")):
        if process.poll() is not None or time.monotonic() > end:
            last = "\n".join(log.read_text(errors="replace").splitlines()[-8:])
            raise NotReady(f"{program.name} is not ready (it is run as {' '.join(program.command)}):\n{last}")
        time.sleep(0.2)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Everything of its session is gone afterwards."""
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        pass
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
