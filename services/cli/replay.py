"""`voicebus replay`: turns on record run again through other engines, both answers side by side.

Nothing is put on the bus: the recordings are read, and the stages' own `handle` functions run in this process.
"""

import argparse
import asyncio
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, aclosing, contextmanager

from msgspec.structs import replace
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from services.runtime import bus as buses
from services.runtime import log, settings, wav
from services.runtime.bus import Bus, BusSettings
from services.runtime.errors import SettingsError, VoicebusError

from . import (
    console,
    record,
    recorded_turns,
    replay_engines,
    replay_report,
    replay_turn,
    reply_files,
    show,
    word_errors,
)
from .recorded_turns import NoTurn, Turn
from .replay_engines import Engines
from .replay_report import Compared
from .replay_turn import Case, Replayed, Side


def run(words: argparse.Namespace) -> int:
    """Run each turn again, print what came of it both ways; 1 when one of them failed the second time.

    Raises: VoicebusError.
    """
    log.configure(settings.load(log.LogSettings), "replay")
    console.quiet_on_terminal()
    if not (words.stt or words.llm or words.tts):
        raise SettingsError("say what is to run again: --stt, --llm, --tts, or several of them, each with an engine")
    if not (words.turns or words.origin or words.session or words.since or words.all):
        raise SettingsError("name turns as `voicebus turns` shows them, or say --session, --origin, --since or --all")
    if words.stt:
        word_errors.rate([], [])  # whether it can be counted is known before any work
    return asyncio.run(_run(words, settings.load(BusSettings)))


async def _run(words: argparse.Namespace, broker: BusSettings) -> int:
    async with buses.connect(broker, "voicebus-replay") as bus, AsyncExitStack() as stack:
        with console.waiting("reading the record"):
            events = await bus.unless_lost(record.events(bus, record.Wanted(words.origin, words.session)))
        found = recorded_turns.turns(events)
        chosen = _chosen(found, words)
        with console.waiting("loading the engines"):
            opening = replay_engines.opened(words.stt, words.llm, words.tts)
            engines = await stack.enter_async_context(opening)
        compared = await bus.unless_lost(_all(bus, chosen, found, engines, words))
    if len(compared) > 1 and not words.json:
        print(replay_report.summary(compared, engines.runs))  # noqa: T201 - the command's result
    return 1 if any(one.error for one in compared) else 0


def _chosen(found: Sequence[Turn], words: argparse.Namespace) -> list[Turn]:
    """The turns that are meant. Raises: NoTurn for one that has not what is to run again; SettingsError."""
    named = [recorded_turns.named(found, name) for name in dict.fromkeys(words.turns)]
    for turn in named:
        if not _can_run(turn, words):
            raise NoTurn(f"turn {turn.turn} has no {'question' if words.stt else 'transcript'} on record")
    since = words.since.timestamp() if words.since else 0.0
    chosen = named or [turn for turn in found if turn.began >= since and _can_run(turn, words)]
    if not chosen:
        raise NoTurn("there is no turn like that on record; `voicebus turns` lists those there are")
    return chosen


def _can_run(turn: Turn, words: argparse.Namespace) -> bool:
    return turn.utterance is not None if words.stt else bool(turn.transcription)


async def _all(
    bus: Bus, chosen: Sequence[Turn], found: Sequence[Turn], engines: Engines, words: argparse.Namespace
) -> list[Compared]:
    compared: list[Compared] = []
    with _progress(len(chosen) * len(engines.runs)) as bar:
        for turn in chosen:
            one = await _again(bus, turn, _before(turn, found), engines, bar, words.out)
            bar.stop()  # a result may go to the same terminal
            if words.json:
                print(replay_report.line(one, engines.runs), flush=True)  # noqa: T201 - the command's result
            else:
                console.print_table(replay_report.table(one, engines.runs))
            bar.start()
            compared.append(one)
    return compared


async def _again(
    bus: Bus, turn: Turn, earlier: Sequence[Turn], engines: Engines, bar: Progress, folder: str
) -> Compared:
    question = await record.sound(bus, turn.utterance) if turn.utterance else b""
    answer = await show.recorded_reply(bus, turn)
    before = replace(replay_turn.recorded(turn), speech=replay_turn.seconds_of([answer]) if answer else None)
    made, error = await _rerun(Case(turn, question, earlier), before, engines, bar)
    after = made[-1]
    wrong = word_errors.rate([before.transcription], [after.side.transcription]) if engines.stt and made[1:] else None
    sound = await asyncio.to_thread(wav.join, after.wavs, reply_files.ANY_SIZE) if folder and after.wavs else b""
    audio = await asyncio.to_thread(reply_files.save, folder, f"{turn.turn}-replay.wav", sound)
    return Compared(turn, before, after.side, None if wrong is None else round(wrong, 4), error, audio)


async def _rerun(case: Case, before: Side, engines: Engines, bar: Progress) -> tuple[list[Replayed], str]:
    """What there was before, and after each stage; and why the next one failed, where one did."""
    made, error = [Replayed(before)], ""
    try:
        async with aclosing(replay_turn.again(case, before, engines)) as stages:
            async for so_far in stages:
                made.append(so_far)
                bar.advance(bar.task_ids[0])
    except Exception as problem:  # an engine raises what it likes, and the other turns go on
        error = str(problem) if isinstance(problem, VoicebusError) else repr(problem)
        bar.advance(bar.task_ids[0], len(engines.runs) - len(made) + 1)
    return made, error


def _before(turn: Turn, found: Sequence[Turn]) -> list[Turn]:
    """The turns of its session that were there before it."""
    whose = (turn.origin, turn.session)
    return [other for other in found if (other.origin, other.session) == whose and other.began < turn.began]


@contextmanager
def _progress(total: int) -> Iterator[Progress]:
    bar = Progress(
        TextColumn("replaying"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("stages"),
        TimeElapsedColumn(),
        console=console.stderr(),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
        disable=not console.interactive(),
    )
    bar.add_task("", total=total)
    with bar:
        yield bar
