"""`voicebus say`: files in, answers out, one clear sentence when it cannot."""

import io
import json
import re
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.cli import ports
from tests.cli.commands import ROOT, Started, run, started

QUESTION = ROOT / "audios" / "question.wav"
REPLY = "Before: {previous}. Now: {transcript}."
HEARD = "What is the capital of France?"


@pytest.fixture(scope="module", name="up")
def _up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    with started(tmp_path_factory.mktemp("up"), "up", SCRIPTED_REPLY=REPLY) as command:
        command.until_ready()
        yield command


def seconds(wav: bytes) -> float:
    with wave.open(io.BytesIO(wav)) as sound:
        return float(sound.getnframes() / sound.getframerate())


def one_sentence(text: str) -> str:
    (line,) = text.splitlines()
    assert line.startswith("voicebus: ")
    return line


def test_it_prints_the_answer_and_writes_the_reply_here(up: Started, tmp_path: Path) -> None:
    done = run(tmp_path, "say", "--url", up.url, str(QUESTION))

    assert done.returncode == 0, done.stderr
    assert HEARD in done.stdout
    assert "reply.wav" in done.stdout
    assert done.stderr == ""
    assert seconds((tmp_path / "reply.wav").read_bytes()) > 1


def test_json_is_one_line_a_turn_and_several_files_are_one_conversation(up: Started, tmp_path: Path) -> None:
    done = run(tmp_path, "say", "--json", "--url", up.url, "--out", "replies/", str(QUESTION), str(QUESTION))

    first, second = (json.loads(line) for line in done.stdout.splitlines())
    assert first["llama"] == f"Before: . Now: {HEARD}."
    assert second["llama"] == f"Before: {HEARD}. Now: {HEARD}."
    assert first["transcription"] == HEARD
    assert first["session"] == second["session"]
    for turn in (first, second):
        assert seconds((tmp_path / turn["audio"]).read_bytes()) > 1
    assert first["audio"] != second["audio"]


def test_a_named_session_goes_on(up: Started, tmp_path: Path) -> None:
    words = ("say", "--json", "--url", up.url, "--session", "kitchen", str(QUESTION))
    run(tmp_path, *words)

    later = json.loads(run(tmp_path, *words).stdout)

    assert later["session"] == "kitchen"
    assert later["llama"].startswith(f"Before: {HEARD}")


def test_the_edge_of_port_is_the_default_and_a_dash_is_standard_input(up: Started, tmp_path: Path) -> None:
    done = run(tmp_path, "say", "--out", "x.wav", "-", given=QUESTION.read_bytes(), PORT=up.env["PORT"])

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "x.wav").exists()


def test_an_error_of_the_edge_is_its_sentence_and_leaves_no_file(up: Started, tmp_path: Path) -> None:
    (tmp_path / "no.wav").write_bytes(b"this is no sound at all, only some text that goes on for a while")

    done = run(tmp_path, "say", "--url", up.url, "no.wav")

    assert done.returncode == 1
    assert "not a WAV" in one_sentence(done.stderr)
    assert done.stdout == ""
    assert not (tmp_path / "reply.wav").exists()


def test_what_was_answered_before_an_error_is_printed(up: Started, tmp_path: Path) -> None:
    (tmp_path / "no.wav").write_bytes(b"nothing")

    done = run(tmp_path, "say", "--json", "--url", up.url, str(QUESTION), "no.wav")

    assert done.returncode == 1
    assert [json.loads(line)["transcription"] for line in done.stdout.splitlines()] == [HEARD]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("nowhere.wav",), "nowhere.wav cannot be read"),
        ((str(ROOT),), "cannot be read"),
        ((str(QUESTION), "--out", "/proc/x.wav"), "cannot be written"),
        ((str(QUESTION), "--url", "http://here"), "no WebSocket URL"),
        ((str(QUESTION), "--url", f"ws://127.0.0.1:{ports.free()}/ws"), "voicebus up"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    done = run(tmp_path, "say", *words)

    assert done.returncode == 1
    assert says in one_sentence(done.stderr)


@pytest.mark.parametrize(
    ("words", "says"),
    [(("--voice", "nobody"), "nobody"), (("--session", "a b"), "session"), (("--language", "?"), "lang")],
)
def test_a_wish_that_cannot_be_met_is_one_sentence(
    up: Started, tmp_path: Path, words: tuple[str, str], says: str
) -> None:
    done = run(tmp_path, "say", "--url", up.url, *words, str(QUESTION))

    assert done.returncode == 1
    assert says in one_sentence(done.stderr)


def test_a_timeout_is_told_by_its_length(up: Started, tmp_path: Path) -> None:
    done = run(tmp_path, "say", "--url", up.url, "--timeout", "0.01", str(QUESTION))

    assert done.returncode == 1
    assert re.search(r"0\.01 s|time was over", one_sentence(done.stderr))  # the edge or stt, whoever sees it first


def test_trace_draws_a_line_a_stage_beside_the_answer(up: Started, tmp_path: Path) -> None:
    done = run(tmp_path, "say", "--trace", "--url", up.url, str(QUESTION))

    assert done.returncode == 0, done.stderr
    assert HEARD in done.stdout
    assert [line.split()[0] for line in done.stderr.splitlines()] == ["stt", "llm", "tts", "edge"]
    assert all(" ms " in line for line in done.stderr.splitlines())


def test_streamed_words_are_printed_and_the_sound_is_in_one_file(up: Started, tmp_path: Path) -> None:
    """The same lines as without, and with --trace the time to the first sound."""
    done = run(tmp_path, "say", "--stream", "--trace", "--url", up.url, str(QUESTION))

    assert done.returncode == 0, done.stderr
    you, answer, file = done.stdout.splitlines()
    assert you.split(maxsplit=1) == ["you", HEARD]
    assert answer.split(maxsplit=1) == ["voicebus", f"Before: . Now: {HEARD}."]
    assert file.split()[0] == "reply.wav,"
    assert seconds((tmp_path / "reply.wav").read_bytes()) > 1
    assert re.search(r"first sound after \d+\.\d\d s", done.stderr)


def test_streamed_json_has_the_time_to_the_first_sound(up: Started, tmp_path: Path) -> None:
    done = run(tmp_path, "say", "--stream", "--json", "--url", up.url, "--out", "r/", str(QUESTION), str(QUESTION))

    first, second = (json.loads(line) for line in done.stdout.splitlines())
    assert second["llama"] == f"Before: {HEARD}. Now: {HEARD}."
    for turn in (first, second):
        assert 0 < turn["first_sound"] <= turn["seconds"]
        assert seconds((tmp_path / turn["audio"]).read_bytes()) > 1


def test_trace_as_json_has_queue_and_work_of_each_stage(up: Started, tmp_path: Path) -> None:
    done = run(tmp_path, "say", "--json", "--trace", "--url", up.url, str(QUESTION), str(QUESTION))

    for turn in map(json.loads, done.stdout.splitlines()):
        assert [step["stage"] for step in turn["trail"]] == ["stt", "llm", "tts"]
        spent = sum(step["queue_ms"] + step["service_ms"] for step in turn["trail"]) / 1000
        assert 0 < spent < turn["seconds"]
    assert done.stderr == ""
