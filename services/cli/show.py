"""`voicebus show`: one turn on record, with where its time went, every event, and its sound as files."""

import argparse
import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec
from msgspec import Struct
from rich.text import Text

from bus_schemas import Cancel, Dead, Event, Failed, Sentence, Speech, Step, Transcript, Utterance
from services.runtime import bus as buses
from services.runtime import log, settings, wav
from services.runtime.bus import Bus, BusSettings

from . import console, record, recorded_turns, reply_files, turns, waterfall
from .record import Recorded
from .recorded_turns import Turn
from .turns import Listed

STAGES: dict[type[Event], str] = {Utterance: "edge", Transcript: "stt", Sentence: "llm", Speech: "tts", Cancel: "edge"}
"""Whose colour an event has."""


class Told(Struct, frozen=True):
    """What `--json` prints of one event."""

    event: str
    ms: float
    """After the turn's beginning."""
    bytes: int
    fields: Event
    """As it was on the bus, without its sound."""


class Shown(Struct, frozen=True):
    """What `--json` prints of a turn."""

    turn: Listed
    question: str
    """The file of the question; empty when its sound is not on record."""
    reply: str
    """The file of the spoken reply; empty when nothing was spoken."""
    trail: tuple[Step, ...]
    events: list[Told]


def run(words: argparse.Namespace) -> int:
    """Show one turn.

    Raises: VoicebusError.
    """
    log.configure(settings.load(log.LogSettings), "show")
    console.quiet_on_terminal()
    words.since = None
    return asyncio.run(_run(words, settings.load(BusSettings)))


async def _run(words: argparse.Namespace, broker: BusSettings) -> int:
    async with buses.connect(broker, "voicebus-show") as bus:
        return await bus.unless_lost(_show(bus, words))


async def _show(bus: Bus, words: argparse.Namespace) -> int:
    turn = recorded_turns.named(await turns.wanted(bus, words), words.turn)
    question = await record.sound(bus, turn.utterance) if turn.utterance else b""
    reply = await recorded_reply(bus, turn)
    said, spoken = await asyncio.to_thread(_save_both, words.out, turn.turn, question, reply)
    if words.json:
        told = [Told(one.event.NAME, _after(turn, one), one.size, one.event) for one in turn.events]
        shown = Shown(turns.listed(turn), said, spoken, turn.trail, told)
        print(msgspec.json.encode(shown).decode())  # noqa: T201 - the command's result
    else:
        for text in _lines(turn, said, spoken):
            console.stdout().print(text)
    return 0


async def recorded_reply(bus: Bus, turn: Turn) -> bytes:
    """What was spoken in answer, as one WAV; empty when nothing was. Raises: Unavailable."""
    pieces = [await record.sound(bus, one) for one in recorded_turns.spoken(turn)]
    return await asyncio.to_thread(wav.join, pieces, reply_files.ANY_SIZE) if any(pieces) else b""


def _save_both(folder: str, turn: str, question: bytes, reply: bytes) -> tuple[str, str]:
    """Write what there is of the two sounds; gives their files, empty for none. Raises: StartError."""
    return (
        reply_files.save(folder, f"{turn}-question.wav", question),
        reply_files.save(folder, f"{turn}-reply.wav", reply),
    )


def _lines(turn: Turn, question: str, reply: str) -> Iterator[Text]:
    began = datetime.fromtimestamp(turn.began, UTC)
    again = f", run {turn.run}" if turn.run else ""
    yield Text(
        f"turn {turn.turn} of {turn.origin}, session {turn.session}, {began:%Y-%m-%d %H:%M:%S} UTC{again}", "bold"
    )
    yield Text.assemble("you       ", console.safe(turn.transcription), (f"   {question}", "dim"))
    yield Text.assemble("voicebus  ", console.safe(turn.reply), (f"   {reply}", "dim"))
    yield Text.assemble(turns.outcome(turn), f" {_times(turn)}", (f" {console.safe(turn.message)}", "red"))
    if turn.trail and turn.seconds is not None:
        yield Text()
        yield from waterfall.lines(turn.trail, turn.seconds)
    yield Text()
    for one in turn.events:
        yield _line(turn, one)


def _times(turn: Turn) -> str:
    end = "" if turn.seconds is None else f"after {turn.seconds:.2f} s"
    return end if turn.first_audio is None else f"{end}, first audio after {turn.first_audio:.2f} s".removeprefix(", ")


def _line(turn: Turn, one: Recorded) -> Text:
    name = one.event.NAME
    return Text.assemble(
        f"{_after(turn, one):>9.0f} ms  ",
        (f"{name:<11}", console.COLOURS.get(STAGES.get(type(one.event), ""), "red")),
        f"{one.size:>9,} B  ",
        (console.safe(_said(one.event)), "dim"),
    )


def _said(event: Event) -> str:
    """What tells an event from the others of its turn."""
    match event:
        case Transcript():
            return event.text
        case Sentence() | Speech():
            piece = f", piece {event.piece}" if isinstance(event, Speech) else ""
            return f"{event.n}{piece}{', last' if event.last else ''}: {event.text}"
        case Failed():
            return f"{event.stage} says {event.code}: {event.message}"
        case Dead():
            return f"{event.stage} gave it up, {event.code}: {event.reason}"
        case Utterance() if event.heard:
            return f"interrupts {event.heard.turn} after {event.heard.sentences} sentences"
    return ""


def _after(turn: Turn, one: Recorded) -> float:
    """Milliseconds from the turn's beginning."""
    return round((one.at - turn.began) * 1000, 1)
