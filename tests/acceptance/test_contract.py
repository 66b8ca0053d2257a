"""A stock WebSocket client of the old program, against the whole pipeline with scripted engines."""

import asyncio
import io
import json
import os
import signal
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection, connect

from services.runtime import bus as buses
from services.runtime.bus import BusSettings
from tests.acceptance.pipeline import SCRIPTED, Pipeline, running
from tests.edge.asking import tone

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    settings = {**SCRIPTED, "SCRIPTED_REPLY": "First of all, hello. You said: {transcript}"}
    with running(tmp_path_factory.mktemp("scripted"), settings) as ready:
        yield ready


async def answer(client: ClientConnection) -> tuple[dict[str, str], bytes]:
    async with asyncio.timeout(30):
        text, sound = await client.recv(), await client.recv()
    assert isinstance(text, str)
    assert isinstance(sound, bytes)
    return json.loads(text), sound


async def test_a_wav_is_answered_with_one_json_frame_and_one_wav(pipeline: Pipeline) -> None:
    async with connect(pipeline.url) as client:
        await client.send(tone(2.0))
        told, sound = await answer(client)

    assert list(told) == ["transcription", "llama"]
    assert told["llama"] == f"First of all, hello. You said: {told['transcription']}"
    with wave.open(io.BytesIO(sound)) as file:
        assert file.getnframes() / file.getframerate() > 1


async def test_bad_input_between_good_is_told_and_the_socket_stays_open(pipeline: Pipeline) -> None:
    async with connect(pipeline.url) as client:
        await client.send(tone(1.0))
        await answer(client)
        await client.send(b"this is no sound")
        error = json.loads(await client.recv())["error"]
        await client.send(tone(1.0))
        told, _ = await answer(client)

    assert error["code"] == "refused.not_wav"
    assert told["transcription"]


async def test_two_conversations_at_once_hear_their_own_answers(pipeline: Pipeline) -> None:
    async def hold(language: str) -> list[str]:
        async with connect(f"{pipeline.url}?language={language}") as client:
            for _ in range(3):
                await client.send(tone(1.0))
            return [(await answer(client))[0]["llama"] for _ in range(3)]

    english, portuguese = await asyncio.gather(hold("en"), hold("pt"))

    assert len(english) == len(portuguese) == 3


async def test_a_turn_survives_the_death_of_the_worker_that_had_it(pipeline: Pipeline) -> None:
    """What the old program could not: a crash of a stage delays the answer and loses nothing."""
    async with buses.connect(BusSettings(nats_url=pipeline.nats_url), "test") as bus, connect(pipeline.url) as client:
        await client.send(tone(1.0))
        await answer(client)
        for victim in await asyncio.to_thread(_workers, pipeline, "services.llm"):
            os.kill(victim, signal.SIGKILL)
        await client.send(tone(1.0))
        told, _ = await answer(client)
        await bus.check()

    assert told["llama"]


def _workers(pipeline: Pipeline, module: str) -> list[int]:
    """The processes of one service of this pipeline."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            environment = (folder / "environ").read_bytes()
        except OSError:
            continue
        if module.encode() in words and pipeline.nats_url.encode() in environment:
            found.append(int(folder.name))
    assert found, f"no process runs {module}"
    return found
