"""The WebSocket clients of docs/clients in each language, as programs, against a real edge."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from bus_schemas import Event, Utterance
from services.edge.settings import EdgeSettings
from services.runtime.bus import Bus, BusSettings
from tests.edge.asking import answering, edge, length, speech, two_sentences
from tests.harness import free_port
from tests.publishing.conftest import Ask

KEY = "0123456789abcdef"
PROGRAMS = pytest.mark.parametrize("program", ["ask", "stream"])


@pytest.fixture
async def url(bus: Bus, bus_settings: BusSettings) -> AsyncIterator[str]:
    async with edge(bus_settings, EdgeSettings()) as (server, _):
        yield f"ws://127.0.0.1:{server.port}/ws"


async def sound(folder: Path) -> list[tuple[int, float]]:
    """Rate and seconds of what was saved, in order."""
    wavs = await asyncio.to_thread(lambda: [path.read_bytes() for path in sorted(folder.glob("reply*.wav"))])
    return [length(wav) for wav in wavs]


async def test_an_answer_is_printed_and_saved(bus: Bus, url: str, client: Ask, question: Path, tmp_path: Path) -> None:
    async with answering(bus, two_sentences):
        ended = await client("ask", url, str(question))

    assert (ended.code, ended.errors) == (0, "")
    assert ended.output.splitlines() == ["heard: 1 s", "answer: The reply."]
    assert await sound(tmp_path) == [(24_000, 1.0)]


async def test_the_words_are_printed_as_they_come(
    bus: Bus, url: str, client: Ask, question: Path, tmp_path: Path
) -> None:
    """And the sound is saved, in one file or a file a piece."""
    async with answering(bus, two_sentences):
        ended = await client("stream", url, str(question))

    assert (ended.code, ended.errors) == (0, "")
    assert ended.output.splitlines() == [
        "heard: 1 s",
        "sentence 0: Sentence 0.",
        "sentence 1: Sentence 1.",
        "answer: The reply.",
    ]
    assert await sound(tmp_path) in ([(24_000, 1.0)], [(24_000, 0.5)] * 2)


async def test_what_does_not_count_is_forgotten(
    bus: Bus, url: str, client: Ask, question: Path, tmp_path: Path
) -> None:
    async def anew(_: Utterance) -> AsyncGenerator[Event, None]:
        yield speech(0, last=False)
        yield replace(speech(0, last=True), attempt="b")

    async with answering(bus, anew):
        await client("stream", url, str(question))

    assert await sound(tmp_path) == [(24_000, 0.5)]


@PROGRAMS
async def test_what_the_edge_refuses_is_told_in_one_line(url: str, client: Ask, program: str, tmp_path: Path) -> None:
    """The code and the sentence; where nobody listens too."""
    await asyncio.to_thread((tmp_path / "wrong.wav").write_bytes, b"no WAV")
    refused = await client(program, url, "wrong.wav")
    nobody = await client(program, f"ws://127.0.0.1:{free_port()}/ws", "wrong.wav")

    assert (refused.code, nobody.code) == (1, 1)
    assert refused.errors.startswith("failed: refused.not_wav: ")
    assert nobody.errors.startswith("failed: ")
    assert len(refused.errors.splitlines()) == len(nobody.errors.splitlines()) == 1


async def test_a_key_is_sent_where_there_is_one(
    bus: Bus, bus_settings: BusSettings, client: Ask, question: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In VOICEBUS_KEY; without it the handshake is refused."""
    async with (
        edge(bus_settings, EdgeSettings(api_keys=f"kiosk:{KEY}")) as (server, _),
        answering(bus, two_sentences),
    ):
        words = ("ask", f"ws://127.0.0.1:{server.port}/ws", str(question))
        refused = await client(*words)
        monkeypatch.setenv("VOICEBUS_KEY", KEY)
        ended = await client(*words)

    assert (refused.code, refused.errors[:8]) == (1, "failed: ")
    assert (ended.code, ended.output.splitlines()[-1]) == (0, "answer: The reply.")
