"""The benchmark of the bus asks real chains, and its table says what they took."""

from pathlib import Path

import msgspec
import pytest

from benchmarks.bus import chain, parts, report
from benchmarks.bus.__main__ import Plan, run
from benchmarks.bus.report import Cell, Figures
from benchmarks.results import About

MORE = {"raw": 2.0, "voicebus": 3.5, "memory": 5.0, "edge": 7.5}
ABOUT = About(when="", processor="", cores=2, system="", python="")


def cell(contender: str, callers: int, per_second: float, p50: float) -> Cell:
    """A cell as a round gives it."""
    return Cell(contender, callers, 100, per_second, p50, 2 * p50, 1.0, 2.0, 0.5, 0.2)


async def test_a_chain_by_hand_and_the_shipped_worker_answer_the_same_client(tmp_path: Path) -> None:
    cells = await run(Plan(contenders=("raw", "voicebus"), callers=(2,), rounds=1, seconds=0.3), tmp_path)

    assert [(each.contender, each.callers) for each in cells] == [("raw", 2), ("voicebus", 2)]
    assert all(each.turns > 0 and 0 < each.p50_ms <= each.p95_ms for each in cells)


def test_a_row_is_the_middle_of_the_rounds_beside_the_chain_by_hand() -> None:
    """With one caller the ratio is of latency, with more of turns a second: above 1 is slower than by hand."""
    rounds = [cell("raw", 1, 500, 2.0), cell("raw", 16, 900, 20.0)]
    rounds += [cell("voicebus", 1, 400, p50) for p50 in (2.0, 2.5, 9.0)] + [cell("voicebus", 16, 1000, 16.0)]
    rows = [[part.strip() for part in row.split("|")] for row in report.rows(Figures(ABOUT, tuple(rounds)))]

    ours = [row for row in rows if row[1] == "voicebus"]
    assert [(row[2], row[3], row[6]) for row in ours] == [("1", "2.50", "1.25"), ("16", "16.00", "0.90")]
    assert all(row[9] == "0.20 (!)" for row in rows)


def test_what_memory_and_the_edge_add_is_told_by_the_cpu_of_all_processes() -> None:
    cells = [msgspec.structs.replace(cell(name, 1, 400, 2.0), workers_ms=ms) for name, ms in MORE.items()]

    assert list(report.added(Figures(ABOUT, tuple(cells)))) == [
        "\nIn CPU of all processes a turn, llm's memory adds 1.5 ms (callers: 1).",
        "\nIn CPU of all processes a turn, the edge adds 2.5 ms (callers: 1).",
    ]
    assert list(report.beyond(Figures(ABOUT, tuple(cells)))) == [
        "\nIn the chain a message cost a worker of voicebus 500 µs more than one by hand (callers: 1)."
    ]


async def test_each_piece_of_a_workers_work_is_timed_for_each_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "TIMES", 20)
    found = await parts.measured()

    assert len(found) == 7
    assert all(set(by_stage) == set(chain.STREAMS) and min(by_stage.values()) > 0 for by_stage in found.values())
