"""`voicebus up`: it becomes ready, it answers, it mends itself, and it leaves nothing behind."""

import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.cli import ports
from tests.cli.commands import Started, alive, answer, run, started, until


@pytest.fixture(scope="module", name="up")
def _up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    with started(tmp_path_factory.mktemp("up"), "up") as command:
        command.until_ready()
        yield command


def test_its_one_line_on_stdout_says_how_to_talk_to_it(up: Started) -> None:
    (line,) = up.stdout.splitlines()

    assert up.url in line
    assert f"http://127.0.0.1:{up.env['PORT']}/" in line
    assert "voicebus say" in line


def test_every_service_is_a_process_of_its_own(up: Started) -> None:
    lines = up.family().values()

    for name in ("services.edge", "services.stt", "services.llm", "services.tts", "nats-server"):
        assert sum(name in line for line in lines) == 1, name


def test_its_log_is_json_where_nobody_looks(up: Started) -> None:
    events = [json.loads(line) for line in up.stderr.splitlines()]

    assert {event["service"] for event in events} >= {"up", "edge", "stt", "llm", "tts"}


@pytest.mark.parametrize("name", ["services.stt", "nats-server"])
def test_a_child_that_is_killed_is_started_again_and_said(up: Started, name: str) -> None:
    before = up.one(name)
    said = up.stderr.count("child_ended")
    readied = up.stderr.count('"child_ready"')
    os.kill(before, signal.SIGKILL)

    until(lambda: up.stderr.count("child_ended") > said, "the death is said")
    until(lambda: up.stderr.count('"child_ready"') > readied, "it is ready again", 30)

    assert "killed by SIGKILL" in up.stderr
    assert up.one(name) != before
    assert answer(up) == "One sentence. And another."


def test_two_run_side_by_side(up: Started, tmp_path: Path) -> None:
    with started(tmp_path, "up") as other:
        other.until_ready()

        assert answer(up) == answer(other) == "One sentence. And another."


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_it_and_leaves_no_process_and_no_port_behind(tmp_path: Path, number: signal.Signals) -> None:
    with started(tmp_path, "up") as command:
        command.until_ready()
        family = command.family()

        assert command.end(number) == 0
        assert alive(family) == {}
        assert not ports.taken(int(command.env["PORT"]))
        assert not ports.taken(int(command.env["NATS_PORT"]))
        assert "Traceback" not in command.stderr


def test_a_signal_while_it_starts_leaves_no_process_behind(tmp_path: Path) -> None:
    with started(tmp_path, "up") as command:
        until(lambda: any("services.tts" in line for line in command.family().values()), "the services were started")
        family = command.family()

        assert command.end(signal.SIGINT) == 0
        assert alive(family) == {}
        assert command.stdout == ""


def test_its_own_sudden_death_takes_its_children_along(tmp_path: Path) -> None:
    with started(tmp_path, "up") as command:
        command.until_ready()
        family = command.family()
        assert len(family) >= 6

        command.end(signal.SIGKILL)
        until(lambda: not alive(family), "every child is gone", 5)


def test_a_service_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    with started(tmp_path, "up", STOP_TIMEOUT=1) as command:
        command.until_ready()
        family = command.family()
        os.kill(command.one("services.llm"), signal.SIGSTOP)

        assert command.end(signal.SIGTERM) == 0
        assert alive(family) == {}


def test_a_second_ctrl_c_does_not_wait_for_a_service_that_does_not_stop(tmp_path: Path) -> None:
    with started(tmp_path, "up", STOP_TIMEOUT=60) as command:
        command.until_ready()
        family = command.family()
        os.kill(command.one("services.llm"), signal.SIGSTOP)
        command.process.send_signal(signal.SIGINT)
        until(lambda: "service_stopped" in command.stderr, "the others stop")
        assert command.process.poll() is None

        assert command.end(signal.SIGINT) == -signal.SIGINT
        until(lambda: not alive(family), "every child is gone", 5)


def test_without_its_leash_it_ends_rather_than_run_on_unwatched(tmp_path: Path) -> None:
    with started(tmp_path, "up") as command:
        command.until_ready()
        family = command.family()
        os.kill(command.one("leash.py"), signal.SIGKILL)

        assert command.process.wait(20) == 1
        assert command.stderr.splitlines()[-1].startswith("voicebus: the process that watches over the services")
        assert alive(family) == {}


def test_a_port_that_is_taken_is_said_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for name in ("PORT", "NATS_PORT"):
            done = run(tmp_path, "up", **{name: port})

            assert done.returncode == 1
            assert done.stdout == ""
            (sentence,) = done.stderr.splitlines()
            assert sentence.startswith(f"voicebus: port {port} is taken by another program")
            assert name in sentence
    assert not (tmp_path / "data" / "nats").exists()


def test_a_second_one_with_the_same_data_is_refused(up: Started) -> None:
    done = run(up.folder, "up")

    assert done.returncode == 1
    assert "VOICEBUS_DATA" in done.stderr


def test_a_broker_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    done = run(tmp_path, "up", NATS_URL=f"nats://127.0.0.1:{ports.free()}", NATS_CONNECT_SECONDS=1)

    assert done.returncode == 1
    assert "no broker answers" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_it_takes_the_broker_of_nats_url(tmp_path: Path, broker_url: str) -> None:
    with started(tmp_path, "up", NATS_URL=broker_url) as command:
        command.until_ready()

        assert not any("nats-server" in line for line in command.family().values())
        assert answer(command) == "One sentence. And another."


def test_a_service_that_cannot_start_ends_it_with_the_services_own_sentence(tmp_path: Path) -> None:
    done = run(tmp_path, "up", STT_ENGINE="", WHISPER_MODEL="/nowhere")

    assert done.returncode == 1
    assert "voicebus: stt cannot start:" in done.stderr
    assert "/nowhere" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_services_that_are_not_ready_in_time_are_named(tmp_path: Path) -> None:
    done = run(tmp_path, "up", START_TIMEOUT=0.2)

    assert done.returncode == 1
    assert "START_TIMEOUT" in done.stderr.splitlines()[-1]
    assert "stt: starting" in done.stderr.splitlines()[-1]


def test_every_bad_setting_of_every_service_is_told_before_anything_starts(tmp_path: Path) -> None:
    done = run(tmp_path, "up", STT_ENGINE="magic", LLM_MAX_TOKENS="-1", PORT="no")

    assert done.returncode == 2
    for name in ("STT_ENGINE", "LLM_MAX_TOKENS", "PORT"):
        assert f"{name}: " in done.stderr
    assert not (tmp_path / "data").exists()
