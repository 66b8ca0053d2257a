"""The two examples of a streaming client, as programs, against a real edge."""

import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from bus_schemas import Event, Utterance
from services.edge.settings import EdgeSettings
from services.runtime.bus import Bus, BusSettings
from tests.edge.asking import answering, edge, length, speech, tone, two_sentences
from tests.programs import Ended, run
from tests.publishing.conftest import EXAMPLES

PYTHON = [sys.executable, str(EXAMPLES / "stream.py")]


@pytest.fixture
async def url(bus: Bus, bus_settings: BusSettings) -> AsyncIterator[str]:
    async with edge(bus_settings, EdgeSettings()) as (server, _):
        yield f"ws://127.0.0.1:{server.port}/ws"


async def ask(command: list[str], url: str, folder: Path, question: bytes) -> Ended:
    await asyncio.to_thread((folder / "question.wav").write_bytes, question)
    return await run([*command, url, "question.wav"], folder)


async def sound(path: Path) -> tuple[int, float]:
    return length(await asyncio.to_thread(path.read_bytes))


async def test_python_prints_the_words_as_they_come_and_saves_the_sound(bus: Bus, url: str, tmp_path: Path) -> None:
    async with answering(bus, two_sentences):
        ended = await ask(PYTHON, url, tmp_path, tone(1))

    assert ended.errors == ""
    assert [line.split(": ")[-1] for line in ended.output.splitlines()] == [
        "1 s",
        "Sentence 0.",
        "Sentence 1.",
        "The reply.",
    ]
    assert await sound(tmp_path / "reply.wav") == (24_000, 1.0)


async def test_python_forgets_what_does_not_count(bus: Bus, url: str, tmp_path: Path) -> None:
    async def anew(_: Utterance) -> AsyncGenerator[Event, None]:
        yield speech(0, last=False)
        yield replace(speech(0, last=True), attempt="b")

    async with answering(bus, anew):
        await ask(PYTHON, url, tmp_path, tone(1))

    assert await sound(tmp_path / "reply.wav") == (24_000, 0.5)


async def test_python_says_what_the_edge_refused(url: str, tmp_path: Path) -> None:
    ended = await ask(PYTHON, url, tmp_path, b"no WAV")

    assert ended.code == 1
    assert ended.errors.startswith("failed: refused.not_wav: ")


async def test_javascript_does_the_same(bus: Bus, url: str, node: str, tmp_path: Path) -> None:
    command = [node, str(EXAMPLES / "stream.mjs")]
    async with answering(bus, two_sentences):
        ended = await ask(command, url, tmp_path, tone(1))

    assert ended.errors == ""
    assert ended.output.splitlines() == [
        "heard: 1 s",
        "sentence 0: Sentence 0.",
        "sentence 1: Sentence 1.",
        "answer: The reply.",
    ]
    assert [await sound(tmp_path / f"reply-{n}.wav") for n in (1, 2)] == [(24_000, 0.5)] * 2
    refused = await ask(command, url, tmp_path, b"no WAV")
    assert refused.errors.startswith("failed: refused.not_wav: ")
