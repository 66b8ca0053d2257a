"""The page says what the results say: figures, marks, what is met and what is not, and every answer's text."""

from pathlib import Path

from benchmarks import measure, report, results
from benchmarks.pipeline import hearing, section
from benchmarks.pipeline.figures import NAME, Cell, Run

ANSWERED = "What is it? -> It is that."


def cell(contender: str, answer: str, callers: int, first: float, foreign: float = 0.01) -> Cell:
    """A cell whose every figure follows from the time to first audio."""
    return Cell(
        contender=contender,
        answer=answer,
        callers=callers,
        turns=4,
        first_audio=measure.Spread(4, first, 2 * first),
        full=measure.Spread(4, first + 1, 2 * first + 1),
        turns_a_minute=60 * callers / first,
        cpu_seconds_a_turn=first,
        memory_mib=500,
        foreign=foreign,
        problems={},
        answers={ANSWERED: 4},
    )


def written(tmp_path: Path, *cells: Cell) -> str:
    """The section for a run of these cells."""
    results.write(NAME, Run(results.about(), 3.6, 2, 60, cells), tmp_path)
    return section.section(tmp_path, tmp_path / "charts")


def line(page: str, begin: str) -> str:
    (found,) = (line for line in page.splitlines() if line.startswith(f"| {begin}"))
    return found


def test_a_bar_is_met_or_not_by_the_better_of_ours_beside_the_best_peer(tmp_path: Path) -> None:
    page = written(
        tmp_path,
        cell("voicebus", "real", 1, 0.9),
        cell("voicebus, streamed", "real", 1, 0.5),
        cell("Pipecat", "real", 1, 1.5),
        cell("Wyoming", "real", 1, 1.7),
        cell("voicebus, streamed", "scripted", 1, 1.2),
    )
    assert line(page, "time to first audio").endswith(
        "| 1.5 s (Pipecat) | 0.5 s (voicebus, streamed) | ≤ 0.6 s | met |"
    )
    assert line(page, "the same").endswith("| – | 1.2 s (voicebus, streamed) | ≤ 1.1 s | **not met** |")
    assert line(page, "8 callers: turns").endswith("| – | – | ≥ 100 /min | not measured |")


def test_a_cell_of_a_busy_machine_is_marked(tmp_path: Path) -> None:
    page = written(tmp_path, cell("voicebus", "real", 1, 0.5, foreign=0.3), cell("Pipecat", "real", 1, 1.5))
    assert line(page, "1 | voicebus").endswith("| 0.30 ! |")
    assert line(page, "1 | Pipecat").endswith("| 0.01 |")
    assert line(page, "time to first audio").endswith("| met, on a busy machine (!) |")


def test_every_answer_is_printed_with_who_gave_it(tmp_path: Path) -> None:
    page = written(tmp_path, cell("voicebus", "real", 1, 0.5), cell("Pipecat", "real", 1, 1.5))
    assert f"- {ANSWERED}: voicebus 4, Pipecat 4" in page


def test_worse_hearing_is_a_bar_that_is_not_met(tmp_path: Path) -> None:
    ours, theirs = hearing.Heard(0.05, 0.02, 0.4), hearing.Heard(0.04, 0.02, 1.3)
    results.write(hearing.NAME, hearing.Figures(results.about(), 24, ours, theirs), tmp_path)
    page = written(tmp_path, cell("voicebus", "real", 1, 0.5))
    assert line(page, "word error rate").endswith("| no worse | **not met** |")


def test_every_chart_of_the_page_is_drawn(tmp_path: Path) -> None:
    results.write(NAME, Run(results.about(), 3.6, 2, 60, (cell("voicebus", "real", 1, 0.5),)), tmp_path)
    page = report.compose(tmp_path, tmp_path / "performance")
    charts = [part.partition(")")[0] for part in page.split("](performance/")[1:]]
    assert charts == ["first-audio-real.svg", "throughput.svg"]
    assert all((tmp_path / "performance" / chart).exists() for chart in charts)


def test_without_results_there_is_no_section(tmp_path: Path) -> None:
    assert section.section(tmp_path, tmp_path) == ""
