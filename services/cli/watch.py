"""`voicebus watch`: turns as they travel. Live on a terminal, lines elsewhere, one picture with `--once`."""

import argparse
import asyncio
import contextlib
import io
import re
import sys
from collections.abc import Coroutine
from pathlib import Path

import structlog
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.live import Live

from services.runtime import bus as buses
from services.runtime import settings
from services.runtime.bus import Bus, BusSettings
from services.runtime.errors import StartError

from . import console, signals, watch_feed, watch_lines, watch_picture
from .watch_board import Board
from .watch_items import Item, Missed
from .watch_lines import Lines

FRAME_SECONDS = 0.25
ONCE_SECONDS = 1.5
"""So long `--once` looks: services answer within it, and two looks at the queues fit."""
MOST_WAITING = 10_000
"""Lines that wait for a slow reader."""
SILENT = 50
"""The log's highest level: what happens to the connection is told in the picture."""
WIDTH = 132
"""Of a picture that no terminal bounds."""
FORMAT = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
"""Rich's own, without the fonts that it fetches from elsewhere: whoever looks at the picture calls nobody."""


def run(words: argparse.Namespace) -> int:
    """Watch until Ctrl-C, or once.

    Raises: VoicebusError.
    """
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(SILENT))
    try:
        asyncio.run(signals.until_stopped(_watch(words, settings.load(BusSettings))))
    except signals.Stopped:
        return 0
    return 0


async def _watch(words: argparse.Namespace, broker: BusSettings) -> None:
    async with buses.connect(broker, "voicebus-watch") as bus:
        await bus.check()
        board = Board(bus.time())
        try:
            if words.once:
                await _once(bus, board, words)
            elif words.json or not console.stdout().is_terminal or console.stdout().is_dumb_terminal:
                await _tell(bus, board, words)
            else:
                await _live(bus, board, words)
        finally:
            if words.svg:
                await asyncio.to_thread(_save, board, bus.time(), Path(words.svg))


async def _once(bus: Bus, board: Board, words: argparse.Namespace) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(ONCE_SECONDS):
            await _fed(bus, board, words)
    if words.json:
        print(watch_lines.snapshot(board, bus.time()), flush=True)  # noqa: T201 - the command's result
    else:
        out = Console(highlight=False)
        out.width = out.width if out.is_terminal else WIDTH
        out.print(watch_picture.draw(board, bus.time()))


async def _live(bus: Bus, board: Board, words: argparse.Namespace) -> None:
    out = Console(highlight=False)

    async def draw(live: Live) -> None:
        while True:
            board.forget(bus.time())
            picture = watch_picture.draw(board, bus.time(), out.height)
            await asyncio.to_thread(live.update, picture, refresh=True)
            await asyncio.sleep(FRAME_SECONDS)

    with Live(console=out, screen=True, auto_refresh=False) as live:
        await _both(draw(live), _fed(bus, board, words))


async def _tell(bus: Bus, board: Board, words: argparse.Namespace) -> None:
    """A line an event; a reader that is too slow misses some, and is told how many."""
    lines, waiting = Lines(board, as_json=words.json), asyncio.Queue[str](MOST_WAITING)

    def put(item: Item) -> None:
        line = lines.of(item)
        board.take(item, bus.time())
        if line and waiting.full():
            board.missed += 1
        elif line:
            waiting.put_nowait(line)

    async def write() -> None:
        while True:
            some = [await waiting.get()]
            while not waiting.empty():
                some.append(waiting.get_nowait())
            missed, board.missed = board.missed, 0
            await asyncio.to_thread(_write, [*some, *([lines.of(Missed(missed))] if missed else [])])

    async def forget() -> None:
        while True:
            for gone in board.forget(bus.time()):
                put(gone)
            await asyncio.sleep(watch_feed.LOOK_SECONDS)

    feed = watch_feed.feed(bus, put, origin=words.origin, text=words.text)
    await _both(write(), _both(forget(), feed))


async def _both(first: Coroutine[None, None, None], second: Coroutine[None, None, None]) -> None:
    """Do both, until one of them ends or fails; what it raises is raised."""
    tasks = [asyncio.create_task(first), asyncio.create_task(second)]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _fed(bus: Bus, board: Board, words: argparse.Namespace) -> None:
    await watch_feed.feed(bus, lambda item: board.take(item, bus.time()), origin=words.origin, text=words.text)


def _write(lines: list[str]) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def _save(board: Board, now: float, path: Path) -> None:
    out = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    out.print(watch_picture.draw(board, now))
    try:
        path.write_text(out.export_svg(title="voicebus watch", code_format=FORMAT), "utf-8")
    except OSError as error:
        raise StartError(f"{path} cannot be written ({error.strerror}): name another file with --svg") from error
