"""`voicebus turns`: the turns on record, one a row."""

import argparse
import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
from msgspec import Struct
from rich.table import Table
from rich.text import Text

from services.runtime import bus as buses
from services.runtime import log, settings
from services.runtime.bus import Bus, BusSettings

from . import console, record, recorded_turns
from .recorded_turns import ANSWERED, CANCELLED, OPEN, SILENT, Turn

STYLES = {ANSWERED: "green", SILENT: "dim", CANCELLED: "yellow", OPEN: "cyan"}
"""Of an outcome; a failure is red."""
SHORT = 120
"""Characters of a text in a list on a terminal."""


class Listed(Struct, frozen=True):
    """What `--json` prints of a turn, one line each."""

    turn: str
    origin: str
    session: str
    run: int
    at: str
    """When it began, UTC."""
    outcome: str
    message: str
    """Of its failure."""
    language: str
    transcription: str
    reply: str
    seconds: float | None
    """From the question to the end of its answer, on the bus."""
    first_audio: float | None
    """From the question to the first sound of its answer, on the bus."""


def run(words: argparse.Namespace) -> int:
    """List the turns on record.

    Raises: VoicebusError.
    """
    log.configure(settings.load(log.LogSettings), "turns")
    console.quiet_on_terminal()
    return asyncio.run(_run(words, settings.load(BusSettings)))


async def _run(words: argparse.Namespace, broker: BusSettings) -> int:
    async with buses.connect(broker, "voicebus-turns") as bus:
        found = await bus.unless_lost(wanted(bus, words))
    if words.json:
        for turn in found:
            print(line(turn))  # noqa: T201 - the command's result
    elif found:
        _draw(found)
    else:
        console.say("no turns on record" + (" like that" if words.origin or words.session or words.since else ""))
    return 0


async def wanted(bus: Bus, words: argparse.Namespace) -> list[Turn]:
    """The turns on record that the words ask for, the oldest first. Raises: as `record.events`."""
    asked = record.Wanted(words.origin, words.session, words.since)
    with console.waiting("reading the record"):
        found = recorded_turns.turns(await record.events(bus, asked))
    return [turn for turn in found if not asked.since or turn.began >= asked.since.timestamp()]


def line(turn: Turn) -> str:
    """One line of JSON."""
    return msgspec.json.encode(listed(turn)).decode()


def listed(turn: Turn) -> Listed:
    """What is told of a turn in a list."""
    return Listed(
        turn=turn.turn,
        origin=turn.origin,
        session=turn.session,
        run=turn.run,
        at=datetime.fromtimestamp(turn.began, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        outcome=turn.outcome,
        message=turn.message,
        language=turn.language,
        transcription=turn.transcription,
        reply=turn.reply,
        seconds=turn.seconds,
        first_audio=turn.first_audio,
    )


def outcome(turn: Turn) -> Text:
    """How it ended, in its colour."""
    return Text(console.safe(turn.outcome), STYLES.get(turn.outcome, "red"))


def seconds(value: float | None) -> str:
    """To a hundredth; a dash for what never came."""
    return "-" if value is None else f"{value:.2f}"


def _draw(found: Sequence[Turn]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("began (UTC)", "outcome"):
        table.add_column(name, no_wrap=True)
    for name in ("first audio", "seconds"):
        table.add_column(name, no_wrap=True, justify="right")
    table.add_column("turn, origin, session: asked, answered", overflow="fold")
    for turn in found:
        table.add_row(
            f"{datetime.fromtimestamp(turn.began, UTC):%m-%d %H:%M:%S}",
            outcome(turn),
            seconds(turn.first_audio),
            seconds(turn.seconds),
            _texts(turn),
        )
    console.print_table(table)


def _texts(turn: Turn) -> Text:
    whose = f"{turn.origin}  {turn.session}" + (f"  run {turn.run}" if turn.run else "")
    said = [(turn.transcription, ""), (turn.reply, "cyan"), (turn.message, "red")]
    parts = [Text(_short(console.safe(text)), style) for text, style in said if text]
    return Text(console.between_lines()).join([Text(turn.turn, "bold"), Text(whose, "dim"), *parts])


def _short(text: str) -> str:
    """What a person reads of a list; `show` has the rest."""
    return text if len(text) <= SHORT or not console.stdout().is_terminal else f"{text[:SHORT]}…"
