"""`voicebus bench`: figures of a running deployment, and of whatever else has such a `/ws`."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve

from services.cli import bench_turn, ports
from tests.cli.commands import ROOT, Started, run, started

QUESTION = ROOT / "audios" / "question.wav"
HEARD = "What is the capital of France?"
SOUND = b"RIFF" + bytes(100)


@pytest.fixture(scope="module", name="up")
def _up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    with started(tmp_path_factory.mktemp("up"), "up", SCRIPTED_REPLY="One sentence.") as command:
        command.until_ready()
        yield command


def test_off_a_terminal_it_prints_the_figures_as_json(up: Started, tmp_path: Path) -> None:
    done = run(tmp_path, "bench", "--url", up.url, "--callers", "1,3", "--turns", "2")

    assert done.returncode == 0, done.stderr
    one, three = json.loads(done.stdout)
    assert (one["callers"], one["answered"], three["callers"], three["answered"]) == (1, 2, 3, 6)
    assert one["answers"] == {f"{HEARD} -> One sentence.": 2}
    for cell in (one, three):
        assert 0 < cell["first_audio"]["p50"] <= cell["first_audio"]["p95"] <= cell["full"]["p95"] < cell["seconds"] + 1
        assert cell["turns_a_minute"] == pytest.approx(60 * cell["answered"] / cell["seconds"])
        assert cell["problems"] == {}


def test_what_is_not_answered_is_counted_with_its_reason_and_fails(up: Started, tmp_path: Path) -> None:
    (tmp_path / "no.wav").write_bytes(b"this is no sound at all")

    done = run(tmp_path, "bench", "--url", up.url, "--callers", "2", "--turns", "1", "--wav", "no.wav")

    assert done.returncode == 1
    (cell,) = json.loads(done.stdout)
    assert (cell["answered"], cell["first_audio"]) == (0, None)
    ((problem, count),) = cell["problems"].items()
    assert problem.startswith("refused.not_wav: ")
    assert count == 2


def test_nobody_there_is_a_problem_of_each_turn_and_no_traceback(tmp_path: Path) -> None:
    done = run(tmp_path, "bench", "--url", f"ws://127.0.0.1:{ports.free()}/ws", "--callers", "1", "--turns", "1")

    assert done.returncode == 1
    assert "ConnectionRefusedError" in done.stdout
    assert "Traceback" not in done.stderr


def test_an_address_that_is_no_websocket_is_one_sentence(tmp_path: Path) -> None:
    done = run(tmp_path, "bench", "--url", "http://127.0.0.1:8000/ws", "--callers", "1", "--turns", "1")

    assert done.returncode == 1
    assert "name one such as ws://127.0.0.1:8000/ws with --url" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_recording_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    done = run(tmp_path, "bench", "--wav", "nowhere.wav")

    assert done.returncode == 1
    assert done.stderr.startswith("voicebus: nowhere.wav cannot be read")


async def asked(frames: Sequence[str | bytes], pause: float, *, stream: bool) -> bench_turn.Timed:
    """A question to a server that answers with these frames, each after *pause* seconds."""

    async def answer(socket: ServerConnection) -> None:
        await socket.recv()
        for frame in frames:
            await asyncio.sleep(pause)
            await socket.send(frame)
        await socket.wait_closed()

    async with serve(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        return await bench_turn.ask(f"ws://127.0.0.1:{port}/ws", b"?", stream=stream, seconds=5, headers={})


async def test_first_audio_is_the_first_frame_with_sound_and_the_end_is_the_last_frame() -> None:
    frames: list[str | bytes] = [
        '{"transcription":"a"}',
        '{"llama":"b","n":0}',
        bytes(44),
        SOUND,
        '{"done":true,"llama":"b c"}',
    ]
    turn = await asked(frames, 0.05, stream=True)

    assert (turn.transcription, turn.llama, turn.problem) == ("a", "b c", "")
    assert 0.2 <= turn.first_audio < turn.full
    assert turn.full - turn.first_audio >= 0.04


async def test_a_whole_answer_ends_with_its_sound() -> None:
    turn = await asked(['{"transcription":"a","llama":"b"}', SOUND], 0.01, stream=False)

    assert (turn.transcription, turn.llama, turn.problem) == ("a", "b", "")
    assert turn.first_audio == turn.full > 0


@pytest.mark.parametrize(
    ("frame", "says"), [('{"error":{"code":"busy","message":"later"}}', "busy: later"), ("hello", "no answer")]
)
async def test_an_error_and_what_is_no_answer_are_problems(frame: str, says: str) -> None:
    assert says in (await asked([frame], 0, stream=True)).problem
