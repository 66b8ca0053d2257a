"""The picture of `voicebus watch`: queues and workers, turns in their lanes, and what went wrong."""

import time
from collections.abc import Iterable
from typing import Literal

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from .console import COLOURS, safe
from .watch_board import FAILED, STAGES, Board, Failure, Lane, Turn, place
from .watch_items import Depth, Worker

MOST_SHOWN_FAILURES = 4
OTHER_LINES = 12
"""Of a terminal: everything but workers, turns and failures."""
LONGEST_NAME, LONGEST_MODEL, LONGEST_WORDS = 26, 28, 160
FULL_BAR = 12
GIVING = ("queue", "worker", "runs", "busy")
"""Columns that are cut first where a terminal is narrow: 80 columns have room for every other."""
OUTCOMES = {"answered": "green", "spoken": "green", "silent": "green", "cancelled": "yellow", "closed": "yellow"}


def draw(board: Board, now: float, height: int = 0) -> RenderableType:
    """Everything, in *height* lines of a terminal; 0: as many as it takes."""
    failures = list(board.failures)[-MOST_SHOWN_FAILURES:]
    room = max(3, height - OTHER_LINES - len(board.workers) - len(failures)) if height else len(board.turns)
    parts: list[RenderableType] = [_head(board, now), _stages(board), Rule(style="dim"), _turns(board, now, room)]
    if failures:
        parts += [Rule("went wrong", style="red"), _failures(failures)]
    return Group(*parts)


def _head(board: Board, now: float) -> RenderableType:
    state = Text("connected", style="green")
    if not board.broker.there:
        state = Text(f"the broker is away for {now - board.away_since:.0f} s: {safe(board.broker.why)}", "bold red")
    ends = "  ".join(f"{count} {outcome}" for outcome, count in board.ends.most_common(5)) or "no turn has ended yet"
    letters = Text(f"  {board.depths.letters} dead letters", "red" if board.depths.letters else "dim")
    missed = Text(f"  {board.missed} lines missed" if board.missed else "", style="yellow")
    clock = time.strftime("%H:%M:%S", time.localtime(now))
    return Panel(
        Text.assemble(state, f"  {ends}", letters, missed), title=f"voicebus watch  {clock}", title_align="left"
    )


def _stages(board: Board) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", expand=False)
    for name in ("stage", "queue", "worker", "runs", "busy", "done", "failed"):
        justify: Literal["left", "right"] = "right" if name in ("done", "failed") else "left"
        table.add_column(name, no_wrap=name not in GIVING, justify=justify)
    for stage in ("edge", *STAGES):
        depth = board.depths.queues.get(stage)
        first = (Text(stage, COLOURS[stage]), _depth(depth) if depth else Text(""))
        workers = sorted((each for each in board.workers.values() if each.stage == stage), key=lambda each: each.worker)
        for number, worker in enumerate(workers):
            table.add_row(*(first if not number else (Text(""), Text(""))), *_worker(worker))
        if not workers:
            table.add_row(*first, Text("nobody answers", "bold red"), "", "", "", "")
    return table


def _depth(depth: Depth) -> Text:
    bar = "▮" * min(depth.waiting, FULL_BAR)
    told = f"{depth.waiting} waiting, {depth.working} in work"
    return Text.assemble(told, (f" {bar}" if bar else "", "yellow"), overflow="ellipsis", no_wrap=True)


def _worker(worker: Worker) -> tuple[Text, Text, Text, Text, Text]:
    runs = " ".join(filter(None, (worker.engine, worker.model, worker.device)))
    if worker.stage == "edge":
        busy = _giving(f"{worker.sockets} sockets, {worker.running} turns")
    else:
        full = min(worker.credit, FULL_BAR)
        used = min(worker.running, full)
        busy = Text.assemble(("■" * used, COLOURS.get(worker.stage, "white")), ("□" * (full - used), "dim"))
    return (
        _giving(_cut(worker.worker, LONGEST_NAME)),
        _giving(_cut(runs, LONGEST_MODEL), "dim"),
        busy,
        Text(str(worker.done)),
        Text(str(worker.failed), "red" if worker.failed else "dim"),
    )


def _turns(board: Board, now: float, room: int) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", expand=True)
    table.add_column("who", max_width=LONGEST_NAME, min_width=8)
    table.add_column("turn", no_wrap=True)
    table.add_column("s", justify="right", no_wrap=True)
    for stage in STAGES:
        head = Text.assemble((stage, COLOURS[stage]), "  queue → work, ms", overflow="ellipsis", no_wrap=True)
        table.add_column(head, min_width=11)
    table.add_column("where", min_width=9)
    turns = list(board.turns.values())
    for turn in turns[-room:] if room else []:
        _row(table, turn, now)
    if not turns:
        table.add_row(Text("nobody asks", "dim"), "", "", "", "", "", "")
    elif len(turns) > room:
        table.add_row(Text(f"and {len(turns) - room} more", "dim"), "", "", "", "", "", "")
    return table


def _row(table: Table, turn: Turn, now: float) -> None:
    style = OUTCOMES.get(turn.outcome, "red" if turn.outcome in FAILED else "bold")
    where = f"{place(turn)} {turn.code}" if turn.code and turn.code != turn.outcome else place(turn)
    table.add_row(
        _giving(_cut(f"{turn.origin}/{turn.session}", LONGEST_NAME)),
        Text(_cut(turn.turn[-6:] + (f" run {turn.run}" if turn.run else ""), LONGEST_NAME), "dim"),
        Text(f"{max(0.0, (turn.ended or now) - turn.began):.1f}"),
        *(_lane(stage, turn.lanes.get(stage), now) for stage in STAGES),
        _giving(_cut(where, LONGEST_NAME), style),
    )
    for line in turn.words.splitlines():
        table.add_row(Text(_cut(line, LONGEST_WORDS), "italic"), "", "", "", "", "", "")


def _lane(stage: str, lane: Lane | None, now: float) -> Text:
    if lane is None:
        return Text("·", "dim")
    colour = COLOURS[stage]
    text = Text.assemble((f"░{lane.queue_ms:.0f} ", "dim"), overflow="ellipsis", no_wrap=True)
    if lane.open:
        work = lane.work_ms + sum(1000 * max(0.0, now - since) for since in lane.open.values())
        text.append(f"▶{work:.0f}", f"bold {colour}")
    else:
        text.append(f"█{lane.work_ms:.0f}", colour)
    if lane.done > 1 or (lane.done and lane.open):
        text.append(f" {lane.done}✓", "dim")
    if lane.outcome:
        text.append(f" {lane.outcome}", "yellow" if lane.outcome == "cancelled" else "red")
    return text


def _failures(failures: Iterable[Failure]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    for each in failures:
        table.add_row(
            Text(time.strftime("%H:%M:%S", time.localtime(each.at)), "dim"),
            Text(_cut(f"{each.origin}/{each.session}".strip("/"), LONGEST_NAME)),
            Text(_cut(each.turn[-6:], LONGEST_NAME), "dim"),
            Text(_cut(each.stage, LONGEST_NAME), COLOURS.get(each.stage, "white")),
            Text(_cut(" ".join(dict.fromkeys(filter(None, (each.outcome, each.code)))), LONGEST_WORDS), "red"),
        )
    return table


def _giving(text: str, style: str = "") -> Text:
    """A cell that gives its place to others where a terminal is narrow; it stays one line."""
    return Text(text, style, overflow="ellipsis", no_wrap=True)


def _cut(text: str, longest: int) -> str:
    text = safe(text)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
