"""Run the pipeline bench: `python -m benchmarks.pipeline`; `--help` tells what can be left out."""

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
from msgspec import Struct
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import measure, results
from benchmarks.measure import Load, spread
from services.cli import bench_load
from services.cli.bench_turn import Timed

from . import contenders, question
from .contenders import ANSWERS, REAL, SCRIPTED, Contender
from .figures import NAME, Cell, Run
from .processes import running

TURNS = {REAL: {1: 3, 4: 2, 8: 2, 16: 1}, SCRIPTED: {1: 2, 4: 1}}
"""Questions of each caller in a round, by the number of callers."""
ROUNDS = 2
ENOUGH_MINUTES = 18.0
"""After this no more is measured a second time: the whole bench has 25 minutes, on a slow machine too."""
REST_SECONDS = 0.5
Key = tuple[str, str, int]
"""Contender, kind of answer, callers."""


class Part(Struct, frozen=True):
    """One round of one cell."""

    turns: list[Timed]
    seconds: float
    load: Load


def main() -> None:
    """Run, show, and keep the figures."""
    words = _words()
    wav = question.FILE.read_bytes() if words.wav is None else words.wav.read_bytes()
    began = time.monotonic()
    language, everybody = contenders.prepare()
    chosen = [each for each in everybody if not words.contenders or each.name in words.contenders]
    programs = [*language.programs, *(program for each in everybody for program in each.programs)]
    wanted = {name for each in chosen for answer in ANSWERS for name in each.costs(answer)}
    needed = [program for program in programs if program.name in wanted]
    with tempfile.TemporaryDirectory(prefix="voicebus-bench-") as logs, running(needed, Path(logs)) as pids:
        parts = asyncio.run(_measured(chosen, words, wav, pids))
    cells = tuple(_cell(key, found) for key, found in parts.items())
    seconds = (len(wav) - contenders.WAV_HEADER_BYTES) / 2 / 16_000
    run = Run(results.about(), seconds, words.rounds, time.monotonic() - began, cells)
    print(results.write(NAME, run, words.out))  # noqa: T201 - the result


async def _measured(
    chosen: Sequence[Contender], words: argparse.Namespace, wav: bytes, pids: dict[str, int]
) -> dict[Key, list[Part]]:
    """Every cell, once a round; in each round another contender begins."""
    plan = list(_plan(chosen, words))
    parts: dict[Key, list[Part]] = {}
    enough = time.monotonic() + 60 * words.minutes
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    async with httpx.AsyncClient(timeout=contenders.SECONDS, limits=httpx.Limits(max_connections=64)) as client:
        for contender in chosen:  # the first turn of each is slower, and is nobody's figure
            for answer in ANSWERS:
                await contender.ask(wav, answer, client)
        with Progress(*columns, console=console, disable=not sys.stderr.isatty()) as progress:
            for order, answer, callers, turns in progress.track(plan, description="benchmarks"):
                if time.monotonic() > enough and (order[0].name, answer, callers) in parts:
                    console.print(f"{answer} {callers} callers: not measured again, after {words.minutes:g} minutes")
                    continue
                for contender in order:
                    part = await _part(contender, answer, callers, turns, wav, client, pids)
                    parts.setdefault((contender.name, answer, callers), []).append(part)
                    console.print(_told(contender.name, answer, callers, part))
    return parts


def _plan(
    chosen: Sequence[Contender], words: argparse.Namespace
) -> Iterator[tuple[Sequence[Contender], str, int, int]]:
    """Who is asked one after the other, for which answer, by how many callers, how many questions each."""
    for number in range(words.rounds):
        order = [*chosen[number % len(chosen) :], *chosen[: number % len(chosen)]]
        for answer, cells in TURNS.items():
            for callers, turns in cells.items():
                if callers in words.callers:
                    yield order, answer, callers, turns


async def _part(
    contender: Contender,
    answer: str,
    callers: int,
    turns: int,
    wav: bytes,
    client: httpx.AsyncClient,
    pids: dict[str, int],
) -> Part:
    await asyncio.sleep(REST_SECONDS)
    meter = measure.Meter([pids[name] for name in contender.costs(answer)])
    lived, seconds = await bench_load.asked(lambda: contender.ask(wav, answer, client), callers, turns, lambda: None)
    return Part(lived, seconds, meter.read())


def _cell(key: Key, parts: Sequence[Part]) -> Cell:
    lived = bench_load.cell(key[2], [turn for part in parts for turn in part.turns], sum(p.seconds for p in parts))
    return Cell(
        contender=key[0],
        answer=key[1],
        callers=key[2],
        turns=lived.answered,
        first_audio=lived.first_audio,
        full=lived.full,
        turns_a_minute=lived.turns_a_minute,
        cpu_seconds_a_turn=sum(part.load.cpu_seconds for part in parts) / max(1, lived.answered),
        memory_mib=max(part.load.memory_mib for part in parts),
        foreign=max(part.load.foreign for part in parts),
        problems=lived.problems,
        answers=lived.answers,
    )


def _told(name: str, answer: str, callers: int, part: Part) -> str:
    """A line for who watches: what was answered too."""
    good = [turn for turn in part.turns if not turn.problem]
    sounds = [turn.first_audio for turn in good if turn.first_audio]
    first = f"{spread(sounds).p50:6.2f} s to first audio" if sounds else "nobody was answered"
    said = Counter(f"{turn.transcription!r} -> {turn.llama!r}" for turn in good)
    bad = Counter(turn.problem for turn in part.turns if turn.problem)
    cost = f"{part.load.cpu_seconds / max(1, len(good)):5.2f} CPU s a turn, foreign {part.load.foreign:.2f}"
    lines = [f"{name:<18} {answer:<8} {callers:>2} callers {first}, {60 * len(good) / part.seconds:4.0f}/min, {cost}"]
    return "\n".join([*lines, *(f"    {count} x {text}" for text, count in (said + bad).items())])


def _words() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pipeline", description="Whole turns with real models.")
    parser.add_argument("--callers", type=lambda text: [int(part) for part in text.split(",")], default=[1, 4, 8, 16])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--minutes", type=float, default=ENOUGH_MINUTES, help="then nothing is measured a second time")
    parser.add_argument("--contenders", nargs="*", default=[], help="only these, by name")
    parser.add_argument("--wav", type=Path, help="another question: 16 kHz, mono, 16-bit")
    parser.add_argument("--out", type=Path, default=results.FOLDER, help="the folder of the figures")
    return parser.parse_args()


if __name__ == "__main__":
    main()
