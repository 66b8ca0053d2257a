"""`voicebus demo`: one question, one JSON line, one WAV, nothing left behind."""

import json
import os
import pty
import signal
import socket
import subprocess
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.cli.stack import SERVICES
from tests.cli.commands import COMMAND, ROOT, STOP_SECONDS, Started, alive, environ, run, until

QUESTION = ROOT / "audios" / "question.wav"
ANSWER = {"transcription": "What is the capital of France?", "llama": "One sentence. And another."}


def spoken(path: Path) -> float:
    with wave.open(str(path)) as sound:
        return float(sound.getnframes() / sound.getframerate())


@contextmanager
def on_a_terminal(folder: Path, **settings: object) -> Iterator[Started]:
    """The demo with a terminal for its output."""
    env = environ(folder, TERM="xterm", **settings)
    ours, theirs = pty.openpty()
    with (folder / "stderr").open("wb") as err:
        process = subprocess.Popen([*COMMAND, "demo"], cwd=folder, env=env, stdout=theirs, stderr=err)
    os.close(theirs)
    try:
        yield Started(folder, process, env)
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(STOP_SECONDS)
        os.close(ours)


def test_it_prints_one_json_line_writes_the_reply_and_ends(tmp_path: Path) -> None:
    done = run(tmp_path, "demo")

    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    assert json.loads(line) == ANSWER
    assert spoken(tmp_path / "reply.wav") > 1
    assert str(tmp_path / "reply.wav") in done.stderr
    assert {path.name for path in (tmp_path / "data" / "logs").iterdir()} == {f"{n}.log" for n in SERVICES}


def test_on_a_terminal_it_stays_says_how_to_talk_to_it_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    with on_a_terminal(tmp_path) as demo:
        until(lambda: "Talk to it" in demo.stderr, "it says how to talk to it", 45)
        family = demo.family()
        said = run(tmp_path, "say", "--json", "--url", demo.url, str(QUESTION))

        assert json.loads(said.stdout)["llama"] == ANSWER["llama"]
        assert demo.end(signal.SIGINT) == 0
        assert alive(family) == {}


def test_demo_once_ends_on_a_terminal_too(tmp_path: Path) -> None:
    with on_a_terminal(tmp_path, DEMO_ONCE=1) as demo:
        assert demo.process.wait(50) == 0
        assert "Talk to it" not in demo.stderr


def test_ports_that_nobody_chose_and_another_program_has_are_gone_round(tmp_path: Path) -> None:
    """Port 8000 may be taken on this machine already: that serves as well."""
    with taken(8000), taken(4222):
        done = run(tmp_path, "demo", PORT="", NATS_PORT="")

    assert json.loads(done.stdout) == ANSWER, done.stderr
    assert "port 8000 is taken; the demo takes" in done.stderr
    assert "port 4222 is taken; the demo takes" in done.stderr


def test_a_port_that_was_chosen_is_not_gone_round(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = run(tmp_path, "demo", PORT=server.getsockname()[1])

    assert done.returncode == 1
    assert "is taken by another program" in done.stderr


@contextmanager
def taken(port: int) -> Iterator[None]:
    """Hold *port*, unless another program does so already."""
    try:
        server = socket.create_server(("127.0.0.1", port))
    except OSError:
        yield
        return
    with server:
        yield
