"""The NATS clients of docs/clients in each language, run as they stand there against a real broker and real stages."""

import asyncio
import re
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from bus_schemas import Cancel, Event, Failed, Sentence, Speech, Transcript, Utterance
from services.runtime import wav
from services.runtime.bus import Bus, BusSettings
from services.runtime.wav import Sound
from tests import programs
from tests.harness import free_port, listening, wait_until
from tests.publishing import languages, stages
from tests.publishing.conftest import Ask
from tests.publishing.scripts import HEARD, REPLY, SETTINGS, tone


def seconds(folder: Path) -> float:
    """How long the saved reply is, in one file or in several."""
    return sum(lengths(folder))


def lengths(folder: Path) -> Iterator[float]:
    for path in folder.glob("reply*.wav"):
        with wave.open(str(path)) as sound:
            yield sound.getnframes() / sound.getframerate()


async def test_a_question_is_answered_with_text_and_speech(
    bus: Bus, bus_settings: BusSettings, ask: Ask, question: Path, tmp_path: Path
) -> None:
    """The whole pipeline, from a program that knows only NATS."""
    async with stages.running(bus_settings.nats_url, SETTINGS):
        ended = await ask(bus_settings.nats_url, question)
    assert ended.errors == ""
    assert ended.output.splitlines() == [f"heard: {HEARD}", f"answer: {REPLY}"]
    assert ended.code == 0
    assert 1.0 <= await asyncio.to_thread(seconds, tmp_path) <= 2.0, "sixteen words, ten a second"


async def test_what_is_no_wav_fails_with_a_sentence_and_silence_is_answered_with_silence(
    bus: Bus, bus_settings: BusSettings, ask: Ask, tmp_path: Path
) -> None:
    """An error is told where the answer would have been; silence is a result, no error."""
    wrong, silent = tmp_path / "wrong.wav", tmp_path / "silent.wav"
    await asyncio.to_thread(wrong.write_bytes, b"this is no WAV file, whatever it is called")
    await asyncio.to_thread(silent.write_bytes, wav.write(Sound(np.zeros(16_000, dtype=np.int16), 16_000)))
    async with stages.running(bus_settings.nats_url, SETTINGS):
        refused = await ask(bus_settings.nats_url, wrong, "1")
        quiet = await ask(bus_settings.nats_url, silent, "2")
    assert refused.code == 1
    assert refused.errors.startswith("failed: refused.not_wav: ")
    assert len(refused.errors.splitlines()) == 1
    assert (quiet.code, quiet.output, quiet.errors) == (0, "answer: \n", "")
    assert await asyncio.to_thread(seconds, tmp_path) == 0


async def test_a_full_queue_is_busy(bus: Bus, bus_settings: BusSettings, ask: Ask, question: Path) -> None:
    """The PubAck says so; a plain publish would have vanished."""
    for i in range(4):
        await bus.publish(Utterance(origin="kiosk-7", session="42", turn=str(i)))
    ended = await ask(bus_settings.nats_url, question)
    assert (ended.code, ended.errors) == (1, "busy: ask again in a moment\n")


async def test_a_broker_that_is_not_there_is_told_in_one_line(ask: Ask, question: Path) -> None:
    """No stack of calls for whoever started the program."""
    ended = await ask(f"nats://127.0.0.1:{free_port()}", question)
    assert ended.code == 1
    assert "failed: " in ended.errors.splitlines()[-1]
    assert "Traceback" not in ended.errors


def changed(language: str, folder: Path, pattern: str, replacement: str) -> Path:
    """The client that asks over NATS, one place of it written otherwise."""
    original = languages.source(language, "publish")
    text, replaced = re.subn(pattern, replacement, original.read_text(), flags=re.M)
    assert replaced == 1
    copy = folder / original.name
    copy.write_text(text)
    if language == "javascript":
        (folder / "node_modules").symlink_to(languages.JAVASCRIPT / "node_modules")
    return copy


SECONDS = r"^((?:const )?(?:SECONDS|wait) ?= ?)60"
"""How long each client waits."""
NAMES = r"^(\s*(?:const )?turn ?:?= ?)(?:uuid\.uuid4\(\)\.hex|randomUUID\(\)|fresh\(\)|\$\(od .*\))"
"""Where each client names its turn."""


async def test_a_question_whose_name_another_has_used_is_told_at_once(
    bus: Bus, bus_settings: BusSettings, language: str, question: Path, tmp_path: Path
) -> None:
    """The broker takes it for a repeat and keeps nothing: who waited for its answer would wait for ever."""
    program = await asyncio.to_thread(changed, language, tmp_path, NAMES, r'\g<1>"burnt"')
    command = await asyncio.to_thread(languages.command, language, program, tmp_path)
    burnt = {"Nats-Msg-Id": "kiosk-7.42.burnt.0.utterance"}
    await bus.jetstream.publish("voice.utterance.thief.x", b"x", headers=burnt)
    ended = await programs.run([*command, bus_settings.nats_url, str(question), "kiosk-7", "42"], tmp_path)
    assert (ended.code, ended.errors) == (1, "failed: the name of this question is taken: ask again\n")


async def test_a_turn_that_nobody_answers_ends_at_its_deadline_and_is_cancelled(
    bus: Bus, bus_settings: BusSettings, language: str, question: Path, tmp_path: Path
) -> None:
    """The stages may all be down: who asks owns a deadline too."""
    program = await asyncio.to_thread(changed, language, tmp_path, SECONDS, r"\g<1>1")
    command = await asyncio.to_thread(languages.command, language, program, tmp_path)
    async with listening(bus, "voice.*.kiosk-7.42") as events:
        words = [bus_settings.nats_url, str(question), "kiosk-7", "42"]
        ended = await programs.run([*command, *words], tmp_path)
        await wait_until(lambda: len(events) == 2, "the turn is cancelled")
    assert ended.code == 1
    assert ended.errors.startswith("failed: no answer within 1 s")
    asked, cancelled = events
    assert isinstance(asked, Utterance)
    assert (asked.timeout_ms, type(cancelled)) == (1000, Cancel)
    assert cancelled.turn == asked.turn


def speech(attempt: str, n: int, take: str, piece: int, seconds: float, *, end: bool = False) -> Speech:
    """A spoken piece; the second sentence is the last."""
    sound = tone(seconds)
    return Speech(attempt=attempt, n=n, take=take, piece=piece, end=end, last=n == 1, text="x", wav=sound)


def failed(attempt: str) -> Failed:
    """The end of an attempt."""
    return Failed(attempt=attempt, stage="llm", code="crashed", message="an old attempt")


DISORDER: tuple[Event, ...] = (
    Transcript(text=HEARD, seconds=1.0),
    speech("1-a", 0, "k0", 0, 0.5, end=True),
    speech("2-b", 1, "k3", 0, 0.3, end=True),
    Sentence(attempt="2-b", n=1, text="second", last=True, reply="first second"),
    failed("1-a"),
    speech("2-b", 0, "k1", 1, 0.5, end=True),
    speech("2-b", 0, "k2", 1, 0.2, end=True),
    speech("2-b", 1, "k3", 0, 0.3, end=True),
    speech("2-b", 0, "k1", 1, 0.5, end=True),
    speech("1-a", 1, "k9", 1, 0.5, end=True),
    Sentence(attempt="2-b", n=0, text="first"),
    speech("2-b", 0, "k2", 0, 0.1),
)
"""A turn as bad as the bus may make it: repeats, no order, an attempt that failed and takes that died. Of the second
attempt there is one take of each sentence with all its pieces: 0.1 and 0.2 s, and 0.3 s."""


async def test_an_answer_is_put_together_from_one_attempt_and_whole_takes_whatever_comes(
    bus: Bus, bus_settings: BusSettings, ask: Ask, question: Path, tmp_path: Path
) -> None:
    """The bus delivers at least once, in no promised order."""
    async with listening(bus, "voice.utterance.>") as asked:
        asking = asyncio.ensure_future(ask(bus_settings.nats_url, question))
        await wait_until(lambda: bool(asked), "the question is there")
        turn = asked[0].turn
        await bus.publish(replace(failed(""), origin="kiosk-7", session="42", turn="another"))
        for event in DISORDER:
            await bus.publish(replace(event, origin="kiosk-7", session="42", turn=turn))
        ended = await asking
    assert (ended.code, ended.errors) == (0, "")
    assert ended.output.splitlines() == [f"heard: {HEARD}", "answer: first second"]
    assert await asyncio.to_thread(seconds, tmp_path) == pytest.approx(0.1 + 0.2 + 0.3)
