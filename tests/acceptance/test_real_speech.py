"""Real speech goes in, and what comes out is what was said: every service a process, real Whisper, real voices."""

import asyncio
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence

import pytest

from bus_schemas import Speech, Transcript, names
from services.cli.client import Client, Turn
from services.runtime import bus as buses
from services.runtime import wav
from services.runtime.bus import BusSettings
from tests.acceptance import speech
from tests.acceptance.pipeline import Pipeline, running
from tests.harness import listening, wait_until

pytestmark = pytest.mark.timeout(600)

Record = Callable[[str, object], None]

LOG_SHOWN = 20_000
"""Characters of what `voicebus up` logged, a minute of turns: a stall of it once left nothing to read."""
MOST_WRONG = 0.15
MOST_WRONG_BACK = 0.25
MAX_BYTES = 8 * 1024 * 1024


@pytest.fixture(scope="module")
def parrot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """Real Whisper and real voices around a scripted model that repeats what it is asked."""
    settings = {"LLM_ENGINE": "scripted", "SCRIPTED_REPLY": "{transcript}"}
    folder = tmp_path_factory.mktemp("parrot")
    with running(folder, settings) as pipeline:
        yield pipeline
    sys.stdout.write((folder / "up.log").read_text()[-LOG_SHOWN:])  # pytest shows it where a test failed


async def ask(pipeline: Pipeline, wavs: Sequence[bytes], language: str = "") -> list[Turn]:
    async with Client(pipeline.url, language=language, timeout=120) as client:
        return [await client.ask(wav) for wav in wavs]


async def test_english_sentences_are_heard_as_they_were_said(parrot: Pipeline, record_property: Record) -> None:
    wavs = await asyncio.to_thread(speech.record, speech.ENGLISH, "en")
    turns = await ask(parrot, wavs)
    rate = speech.error_rate(speech.ENGLISH, [turn.transcription for turn in turns])
    record_property("word error rate of 16 English sentences", f"{rate:.3f}")

    assert rate <= MOST_WRONG
    assert [turn.llama for turn in turns] == [turn.transcription for turn in turns]


async def test_portuguese_sentences_are_heard_as_they_were_said(parrot: Pipeline, record_property: Record) -> None:
    wavs = await asyncio.to_thread(speech.record, speech.PORTUGUESE, "pt")
    turns = await ask(parrot, wavs)
    rate = speech.error_rate(speech.PORTUGUESE, [turn.transcription for turn in turns])
    record_property("word error rate of 8 Portuguese sentences", f"{rate:.3f}")

    assert rate <= MOST_WRONG


async def test_replies_are_spoken_so_that_they_can_be_heard_again(parrot: Pipeline, record_property: Record) -> None:
    spoken = await replies(parrot)
    turns = await ask(parrot, spoken, language="en")
    rate = speech.error_rate(speech.REPLIES, [turn.transcription for turn in turns])
    record_property("word error rate of 8 spoken replies", f"{rate:.3f}")

    assert rate <= MOST_WRONG_BACK


async def replies(pipeline: Pipeline) -> list[bytes]:
    """Each fixed reply as voicebus speaks it: the scripted model repeats the transcript that is put on the bus."""
    async with buses.connect(BusSettings(nats_url=pipeline.nats_url), "test") as bus:
        async with listening(bus, "voice.speech.replies.*") as said:
            for number, text in enumerate(speech.REPLIES):
                turn = names.fresh()
                await bus.publish(
                    Transcript(origin="replies", session=str(number), turn=turn, text=text, seconds=3.0, language="en")
                )
            await wait_until(lambda: len(_whole(said)) == len(speech.REPLIES), "every reply is spoken", seconds=120)
        return [await asyncio.to_thread(wav.join, wavs, MAX_BYTES) for _, wavs in sorted(_whole(said).items())]


def _whole(said: Sequence[object]) -> dict[str, list[bytes]]:
    """The sound of every session whose last sentence has come, in order: a clause, then the rest of it."""
    spoken: dict[str, dict[tuple[int, int], Speech]] = {}
    for event in said:
        if isinstance(event, Speech):
            spoken.setdefault(event.session, {})[event.n, event.piece] = event
    return {
        session: [pieces[place].wav for place in sorted(pieces)]
        for session, pieces in spoken.items()
        if _is_whole(pieces)
    }


def _is_whole(pieces: Mapping[tuple[int, int], Speech]) -> bool:
    last = next((event.n for event in pieces.values() if event.last), None)
    ends = {event.n for event in pieces.values() if event.end}
    return last is not None and ends == set(range(last + 1))
