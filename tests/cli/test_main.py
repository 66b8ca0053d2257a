"""The command line itself: words, versions, exit codes."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from services.cli import main
from services.runtime import bus
from services.runtime.bus import BusSettings
from tests.cli.commands import ROOT, run
from tests.conftest import remove_streams


def test_version_is_told_on_stdout_before_anything_heavy_is_loaded(tmp_path: Path) -> None:
    code = (
        "import atexit, sys; atexit.register(lambda: print(*sys.modules)); from services.cli import main; main.main()"
    )

    out = subprocess.run(
        [sys.executable, "-c", code, "--version"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout

    assert out.startswith("voicebus ")
    assert not {"numpy", "nats", "rich", "websockets", "structlog"} & set(out.split())


@pytest.mark.parametrize("words", [[], ["fly"], ["say"], ["say", "x.wav", "--timeout", "0"], ["up", "--now"]])
def test_words_that_make_no_sense_exit_with_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main.main(words)

    assert exit_.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "usage: voicebus" in captured.err


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main.main(["--help"])

    text = capsys.readouterr().out
    for command in ("up", "demo", "edge", "stt", "llm", "tts", "setup", "say", "config", "doctor"):
        assert f"\n    {command} " in text


def test_bad_settings_exit_with_2_and_name_the_variable(tmp_path: Path) -> None:
    done = run(tmp_path, "stt", STT_CONCURRENCY="many", NATS_URL="nats://127.0.0.1:1")

    assert done.returncode == 2
    assert "STT_CONCURRENCY" in done.stderr


def test_a_single_service_without_a_broker_exits_with_1(tmp_path: Path) -> None:
    done = run(tmp_path, "llm", NATS_URL="nats://127.0.0.1:1", NATS_CONNECT_SECONDS=1)

    assert done.returncode == 1
    assert "no broker answers" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def empty_broker(broker_url: str) -> str:
    """The tests' broker without the streams of an earlier test."""

    async def clear() -> None:
        async with bus.connect(BusSettings(nats_url=broker_url), "test") as connection:
            await remove_streams(connection)

    asyncio.run(clear())
    return broker_url


def test_setup_makes_the_streams_and_says_so_again(tmp_path: Path, empty_broker: str) -> None:
    for _ in range(2):
        done = run(tmp_path, "setup", NATS_URL=empty_broker)

        assert (done.returncode, done.stdout) == (0, "streams stand\n")


def test_setup_tells_what_stands_differently_and_leaves_it(tmp_path: Path, empty_broker: str) -> None:
    run(tmp_path, "setup", NATS_URL=empty_broker)

    for _ in range(2):
        done = run(tmp_path, "setup", NATS_URL=empty_broker, STREAM_UTTERANCES=7)

        assert done.stdout == "streams stand, with differences\n"
        assert "VOICE_UTTERANCE: max_msgs is 1000, the table says 7" in done.stderr
