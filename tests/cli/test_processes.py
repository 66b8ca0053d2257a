"""Child processes: what is in the group ends with it, and a child that dies is started again, ever more slowly."""

import asyncio
import os
import subprocess
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest

from services.cli import children, processes
from services.cli.children import Child, kept
from services.runtime.errors import SettingsError, StartError
from tests.harness import wait_until

ENVIRON = dict(os.environ)
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(100)"
)


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_grandchild_ends_with_the_group() -> None:
    command = ["sh", "-c", "sleep 100 & echo $!; sleep 100"]
    async with processes.group() as group, group.run(command, ENVIRON, PIPE, 2.0) as process:
        assert process.stdout
        grandchild = int(await process.stdout.readline())
        assert runs(grandchild)
    await wait_until(lambda: not runs(grandchild), "the grandchild is gone")


async def test_a_child_that_does_not_stop_is_killed() -> None:
    async with processes.group() as group:
        began = time.monotonic()
        async with group.run([sys.executable, "-c", STUBBORN], ENVIRON, PIPE, 0.3) as process:
            assert process.stdout
            await process.stdout.readline()
        assert process.returncode == -9
        assert time.monotonic() - began < 10


async def test_a_leash_that_is_killed_is_an_error() -> None:
    async def unleashed() -> None:
        async with processes.group() as group:
            group.leash.kill()
            await asyncio.sleep(5)

    with pytest.raises(StartError, match="start again"):
        await unleashed()


async def told(code: str, said: list[str], *, ready: bool, seconds: float = 5.0) -> None:
    """Keep a child that runs *code*, until something ends it."""
    async with processes.group() as group:

        def relay(_: str, line: str) -> None:
            said.append(line)

        async def missing() -> str:
            return "" if ready and said else "not yet"

        child = Child("x", lambda: group.run([sys.executable, "-c", code], ENVIRON, PIPE, 2.0), missing, relay)
        async with kept([child], seconds):
            await asyncio.sleep(60)


async def test_a_child_that_cannot_start_is_not_tried_again_and_its_last_line_is_the_reason() -> None:
    said: list[str] = []

    with pytest.raises(StartError, match="x cannot start: no model here"):
        await told("print('loading'); print('no model here'); raise SystemExit(1)", said, ready=False)

    assert said == ["loading", "no model here"]


def test_a_program_that_is_not_there_is_one_sentence_and_leaves_no_trace_of_the_others() -> None:
    """Those that were being started meanwhile are gone before the event loop is."""
    code = """
import asyncio, os, sys
from asyncio.subprocess import PIPE
from services.cli.children import Child, kept
from services.cli.processes import group

async def missing() -> str:
    return "not yet"

def child(processes, *command):
    return Child("x", lambda: processes.run(command, os.environ, PIPE, 1.0), missing, lambda name, line: None)

async def main():
    async with group() as processes:
        others = [child(processes, sys.executable, "-c", "import time; time.sleep(60)") for _ in range(4)]
        async with kept([*others[:2], child(processes, "/nowhere/nats-server"), *others[2:]], 10.0):
            pass

try:
    asyncio.run(main())
except Exception as error:
    print(f"{type(error).__name__}: {error}")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.startswith("StartError: /nowhere/nats-server cannot be started (No such file")
    assert done.stderr == ""


async def test_a_logged_error_is_told_as_its_sentence() -> None:
    code = """print('{"event": "service_failed", "error": "WHISPER_MODEL is wrong"}'); raise SystemExit(2)"""

    with pytest.raises(SettingsError, match=r"x cannot start: WHISPER_MODEL is wrong$"):
        await told(code, [], ready=False)


async def test_a_child_that_is_never_ready_is_named_with_what_it_waits_for() -> None:
    with pytest.raises(StartError, match=r"not ready after 0.5 s \(x: not yet\)"):
        await told("import time; time.sleep(100)", [], ready=False, seconds=0.5)


async def test_a_child_that_dies_again_and_again_rests_longer_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "FIRST_PAUSE_SECONDS", 0.1)
    monkeypatch.setattr(children, "LONGEST_PAUSE_SECONDS", 0.4)
    starts: list[float] = []

    async def missing() -> str:
        return ""

    async with processes.group() as group:

        @asynccontextmanager
        async def dying() -> AsyncIterator[Process]:
            starts.append(time.monotonic())
            async with group.run(["sh", "-c", "sleep 0.2; exit 3"], ENVIRON, PIPE, 2.0) as process:
                yield process

        async with kept([Child("x", dying, missing, lambda name, line: None)], 5.0):
            await wait_until(lambda: len(starts) == 5, "it was started five times")

    rests = [later - earlier for earlier, later in pairwise(starts)]
    assert [rest > least for rest, least in zip(rests, (0.1, 0.2, 0.4, 0.4), strict=True)] == [True] * 4


async def test_a_child_that_is_killed_while_it_works_never_rests_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """It did not fail: turns wait for it, and may not wait past their deadline."""
    monkeypatch.setattr(children, "FIRST_PAUSE_SECONDS", 0.5)
    starts: list[float] = []

    async def missing() -> str:
        return ""

    async with processes.group() as group:

        @asynccontextmanager
        async def killed() -> AsyncIterator[Process]:
            starts.append(time.monotonic())
            async with group.run(["sh", "-c", "sleep 0.3; kill -KILL $$"], ENVIRON, PIPE, 2.0) as process:
                yield process

        async with kept([Child("x", killed, missing, lambda name, line: None)], 5.0):
            await wait_until(lambda: len(starts) == 6, "it was started six times")

    assert max(later - earlier for earlier, later in pairwise(starts)) < 4.0  # doubled each time it is 8 s


async def test_a_line_of_any_length_does_not_stop_the_listening() -> None:
    said: list[str] = []
    code = "print('a' * 3_000_000); print('b'); raise SystemExit(1)"

    with pytest.raises(StartError, match="x cannot start: b"):
        await told(code, said, ready=False)

    assert said[-1] == "b"
