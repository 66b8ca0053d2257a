"""A disk that was full for a while: seen, said, and healed without a hand; a store that is gone is made again."""

import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.cli import disk
from services.runtime.streams import MIB, StreamSettings
from tests.cli.commands import QUESTION, Started, answer, run, started, until

SIZE = "64m"
LONG_SECONDS = 60.0
"""For what takes a few looks of some seconds each, on a slow machine."""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where data is kept: for root a small disk of its own."""
    data = tmp_path / "data"
    data.mkdir()
    if os.geteuid() != 0:
        yield tmp_path
        return
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(data)], check=True)
    try:
        yield tmp_path
    finally:
        subprocess.run(["umount", str(data)], check=True)


@contextlib.contextmanager
def no_room(up: Started) -> Iterator[None]:
    """Its broker can write nothing: the disk is full, or, for who may mount none, each of its files is."""
    filler = up.folder / "data" / "filler"
    if os.geteuid() != 0:
        _, hard = resource.prlimit(up.one("nats-server"), resource.RLIMIT_FSIZE)
        resource.prlimit(up.one("nats-server"), resource.RLIMIT_FSIZE, (1, hard))
        yield
        return
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(64 * 1024))
    yield
    filler.unlink()


def lacks(up: Started) -> str:
    """What `/readyz` of the edge says is missing; empty when it is ready."""
    try:
        urllib.request.urlopen(up.url.replace("ws", "http", 1).removesuffix("/ws") + "/readyz", timeout=5).close()
    except urllib.error.HTTPError as error:
        with error:
            return str(json.loads(error.read())["missing"])
    return ""


def test_a_disk_that_was_full_is_said_and_turns_are_answered_again_without_a_hand(folder: Path) -> None:
    """One write error ends a stream of the broker until somebody restarts it: `up` does, once there is room."""
    with started(folder, "up") as up:
        up.until_ready()
        assert answer(up)
        with no_room(up):
            failed = run(folder, "say", "--url", up.url, "--timeout", "5", QUESTION)
            assert failed.returncode != 0 or os.geteuid() != 0
            said = ("broker_in_trouble", "broker_restarted")
            until(lambda: any(word in up.stderr for word in said), "it is said", LONG_SECONDS)
            if os.geteuid() == 0:  # elsewhere only files are full, so that the broker is started again at once
                until(lambda: "the broker is not well" in lacks(up), "the edge is not ready", LONG_SECONDS)
        until(lambda: "broker_restarted" in up.stderr, "the broker is started again", LONG_SECONDS)
        until(lambda: not lacks(up), "the edge is ready again", LONG_SECONDS)
        assert answer(up)


def test_a_store_that_is_gone_after_a_restart_has_its_streams_again(tmp_path: Path) -> None:
    with started(tmp_path, "up") as up:
        up.until_ready()
        os.kill(up.one("nats-server"), signal.SIGSTOP)
        broker = up.one("nats-server")
        shutil.rmtree(tmp_path / "data" / "nats" / "streams")
        os.kill(broker, signal.SIGKILL)
        until(lambda: "child_ready" in up.stderr, "the broker is back", LONG_SECONDS)
        until(lambda: not lacks(up), "the edge is ready again", LONG_SECONDS)
        assert answer(up) == "One sentence. And another."


def test_a_disk_that_is_too_small_for_the_streams_is_told_before_they_are_made(tmp_path: Path) -> None:
    """What there is, what may be needed, and what to do."""
    room = disk.room(tmp_path / "not" / "there", StreamSettings(stream_answer_mib=1_000_000_000))
    assert not room.enough
    assert f"the streams may take {(1_000_000_000 * MIB + 1216 * MIB) // MIB} MiB more" in room.says
    assert disk.room(tmp_path, StreamSettings(stream_answer_mib=1, stream_utterance_mib=1, stream_dead_mib=1)).enough
