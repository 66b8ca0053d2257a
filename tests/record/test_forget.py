"""`voicebus forget`: afterwards nothing of the session is in a stream, in the bucket or in a file of the broker."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from bus_schemas import Dead, Event, Sentence, Speech, Transcript
from services.cli import broker as embedded
from services.llm.__main__ import open_stage as open_llm
from services.llm.settings import LlmSettings
from services.runtime import bus as buses
from services.runtime import streams
from services.runtime.bus import Bus, BusSettings
from services.runtime.streams import StreamSettings
from services.stt.__main__ import open_stage as open_stt
from services.stt.settings import SttSettings
from services.tts.__main__ import open_stage as open_tts
from services.tts.settings import TtsSettings
from tests.edge.asking import tone
from tests.fundamentals.conftest import REPLY
from tests.harness import free_port, listening, wait_until
from tests.record.conftest import Operator, asked, ended, question, settled
from tests.runtime.workers import working

SWEPT_SECONDS = 10.0


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "broker"


@pytest.fixture
async def bus(store: Path, stream_settings: StreamSettings) -> AsyncIterator[Bus]:
    """A broker of this test alone, whose files it may look into."""
    async with (
        embedded.start(free_port(), store) as broker,
        buses.connect(BusSettings(nats_url=broker.url), "test") as connection,
    ):
        assert await streams.setup(connection.jetstream, stream_settings) == []
        yield connection


@pytest.fixture
def operator(tmp_path: Path, bus: Bus) -> Operator:
    assert bus.client.connected_url
    return Operator(tmp_path, bus.client.connected_url.geturl())


@pytest.fixture
async def stages(bus: Bus) -> AsyncIterator[None]:
    """Each length of sound is heard as words of its own."""
    heard = SttSettings(stt_engine="scripted", scripted_transcript="I have said {samples} things.")
    async with AsyncExitStack() as running:
        for opening in (
            open_stt(heard, bus),
            open_llm(LlmSettings(llm_engine="scripted", scripted=REPLY), bus),
            open_tts(TtsSettings(tts_engine="scripted", scripted_tts_ms=0), bus),
        ):
            await running.enter_async_context(working(bus, await running.enter_async_context(opening)))
        yield


def noise(samples: int) -> bytes:
    """A WAV that no other recording has a piece of."""
    return tone(samples / 16_000)[:44] + os.urandom(2 * samples)


def pieces(events: list[Event], session: str) -> list[bytes]:
    """Of every text and sound of a session, what to look for."""
    found: set[bytes] = set()
    for event in [event for event in events if event.session == session]:
        if isinstance(event, Transcript | Sentence):
            found.add(event.text.encode())
        sound = getattr(event, event.PAYLOAD) if event.PAYLOAD else b""
        found.add(sound[2000:2200])
    return [piece for piece in found if piece]


def left(store: Path, wanted: list[bytes]) -> dict[str, int]:
    """How many of the pieces each file of the broker has."""
    files = {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}
    counts = {str(path.relative_to(store)): sum(piece in data for piece in wanted) for path, data in files.items()}
    return {name: count for name, count in counts.items() if count}


def swept(store: Path, wanted: list[bytes]) -> dict[str, int]:
    """What is left when the broker has had time to write a file anew, which it does once a second."""
    end = time.monotonic() + SWEPT_SECONDS
    while (found := left(store, wanted)) and time.monotonic() < end:
        time.sleep(0.2)
    return found


def letter(body: bytes) -> Dead:
    """Something of the session's that was given up."""
    return Dead(
        origin="kiosk",
        session="mine",
        turn="t3",
        stage="stt",
        code="crashed",
        reason="it broke",
        subject="voice.utterance.kiosk.mine",
        sequence=1,
        deliveries=2,
        body=body,
    )


async def stored(bus: Bus, subject: str) -> dict[str, int]:
    """How many messages each stream has on the subjects that end so."""
    counts = {}
    for info in await bus.jetstream.streams_info():
        name = str(info.config.name)
        told = await bus.jetstream.stream_info(name, subjects_filter=f"*.*.{subject}")
        deeper = await bus.jetstream.stream_info(name, subjects_filter=f"*.*.*.{subject}")
        counts[name] = len(told.state.subjects or {}) + len(deeper.state.subjects or {})
    return {name: count for name, count in counts.items() if count}


@pytest.mark.usefixtures("stages")
async def test_a_session_is_gone_from_every_stream_and_file_and_no_other_is(
    bus: Bus, operator: Operator, store: Path
) -> None:
    async with listening(bus, "voice.*.kiosk.*") as events:
        await asked(bus, question("t1", "mine", noise(16_001)))
        await asked(bus, question("t2", "other", noise(24_003)))
        await asked(bus, question("t3", "mine", noise(16_002)))
        await bus.publish(letter(noise(16_004)))
        await settled(bus)
        await wait_until(lambda: ended(events, "t3"), "all are answered")
    mine = [piece for piece in pieces(events, "mine") if piece not in pieces(events, "other")]
    other = pieces(events, "other")
    before = await asyncio.to_thread(left, store, mine)
    assert {name.split("/")[4] for name in before} >= {"VOICE_LOG", "VOICE_ANSWER", "VOICE_DEAD", "KV_voice_memory"}

    (counts,) = await operator.lines("forget", "--origin", "kiosk", "--session", "mine")

    recorded = sum(event.session == "mine" for event in events)
    assert counts == {
        "origin": "kiosk",
        "session": "mine",
        "record": recorded,
        "answers": 4,
        "dead_letters": 1,
        "queues": 0,
        "memory": 1,
    }
    assert await stored(bus, "kiosk.mine") == {}
    assert set(await stored(bus, "kiosk.other")) == {"VOICE_LOG", "VOICE_ANSWER", "KV_voice_memory"}
    assert await asyncio.to_thread(swept, store, mine) == {}
    assert await asyncio.to_thread(left, store, other) != {}
    assert [line["turn"] for line in await operator.lines("turns")] == ["t2"]


async def test_what_waits_in_the_queues_is_erased_too(bus: Bus, operator: Operator, store: Path) -> None:
    await bus.publish(question("t1", "mine", noise(16_001)))
    await bus.publish(question("t2", "other", noise(16_002)))
    await bus.publish(Transcript(origin="kiosk", session="mine", turn="t0", text="a secret of mine", seconds=1.0))

    told = await operator("forget", "--origin", "kiosk", "--session", "mine")

    assert [line.split(maxsplit=1) for line in told.splitlines()] == [
        ["2", "the record"],
        ["0", "answers"],
        ["0", "dead letters"],
        ["2", "work queues"],
        ["0", "memory"],
    ]
    assert await asyncio.to_thread(left, store, [b"a secret of mine"]) == {}
    assert (await bus.jetstream.stream_info(streams.UTTERANCE)).state.messages == 1


async def test_without_a_record_the_rest_is_erased_and_a_name_that_is_none_is_refused(
    bus: Bus, operator: Operator
) -> None:
    await streams.setup(bus.jetstream, StreamSettings(ack_wait=1.0))
    await bus.jetstream.delete_stream(streams.LOG)
    await bus.publish(Speech(origin="kiosk", session="mine", turn="t1", n=0, take="a", attempt="b"))

    (counts,) = await operator.lines("forget", "--origin", "kiosk", "--session", "mine")
    assert (counts["record"], counts["answers"]) == (0, 1)
    wrong = await operator.tries("forget", "--origin", "kiosk", "--session", "*")
    assert (wrong.returncode, "session '*' is not" in wrong.stderr) == (2, True)
