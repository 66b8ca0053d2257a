"""How cost grows: what is made of the figures, and one measurement for a few seconds."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import results
from benchmarks.growth import backlog, clients, curve, point, sizing, sizing_page, slope
from benchmarks.growth.backlog import Backlog, Tally
from benchmarks.growth.clients import Asked
from benchmarks.growth.curve import Curve
from benchmarks.growth.point import Point
from benchmarks.growth.sizing import Assumed, Measured
from benchmarks.growth.usage import Used
from bus_schemas import Failed, Speech

ABOUT = results.About(when="2026-01-01T00:00Z", processor="one", cores=2, system="Linux", python="3.12")
KNOWN = Measured(
    cpu_ms={"edge": 2.0, "broker": 1.0, "stt": 1.0, "llm": 1.0, "tts": 1.0},
    socket_kib={"edge": 32.0, "broker": 0.0},
    process_mib={"edge": 64.0},
    stream_a_second=500,
)


def at(size: int, turns_a_second: float) -> Point:
    return Point(
        size=size,
        sockets=1,
        seconds=1.0,
        turns_a_second=turns_a_second,
        p50_ms=1.0,
        p95_ms=2.0,
        outcomes={"answered": 1},
        cores={"edge": 1.5, "broker": 0.25},
        foreign_cores=0.25,
        rss_mib={"edge": 64.0},
    )


def ramp(kib_a_minute: float, minutes: float = 10.0, level: float = 50_000.0) -> list[tuple[float, float]]:
    return [(second, level + kib_a_minute * second / 60) for second in range(round(60 * minutes))]


@pytest.mark.parametrize(
    ("kib_a_minute", "verdict"), [(0, "steady"), (20, "steady"), (200, "grows"), (-200, "shrinks")]
)
def test_memory_that_rises_all_the_time_grows_and_other_memory_does_not(kib_a_minute: float, verdict: str) -> None:
    found = slope.of(ramp(kib_a_minute), 120)
    assert found.kib_a_minute == pytest.approx(kib_a_minute)
    assert found.verdict == verdict


def test_memory_that_fills_up_and_stays_is_steady() -> None:
    filling = [(at, min(kib, 51_000)) for at, kib in ramp(500, 10)]
    assert slope.of(filling, 0).verdict == "steady"


def test_a_moment_of_much_memory_is_no_growth() -> None:
    peaks = [(at, kib + 20_000 * (at % 60 == 7)) for at, kib in ramp(0)]
    assert slope.of(peaks, 60) == slope.of(ramp(0), 60)


def test_a_run_too_short_to_tell_is_refused() -> None:
    with pytest.raises(ValueError, match="run longer"):
        slope.of(ramp(0, minutes=1), 50)


def test_a_point_counts_only_answers_and_gives_each_its_cores() -> None:
    asked = [Asked(0, 0.1, "answered"), Asked(0, 0.3, "answered"), Asked(0, 9, "busy")]
    before = {"edge": Used(1, 0), "clients": Used(0, 0), "machine": Used(10, 0)}
    after = {"edge": Used(2, 2048), "clients": Used(0.5, 1024), "machine": Used(12, 0)}
    found = point.summary(4, 3, asked, 2.0, before, after)
    assert (found.turns_a_second, found.p50_ms, found.outcomes) == (1.0, 200, {"answered": 2, "busy": 1})
    assert (found.cores, found.foreign_cores) == ({"edge": 0.5, "clients": 0.25}, 0.25)
    assert (found.busy, found.cpu_ms("edge"), found.rss_mib["edge"]) == (1.0, 500, 2)


def test_the_bend_is_the_first_point_that_falls_behind_and_says_who_was_busy() -> None:
    points = (at(1, 10), at(2, 19.5), at(4, 30), at(8, 31))
    assert point.bend(points) == points[2]
    assert "at 4 edges, to 75% of even growth: there 2.00 of the 2 cores" in curve.told(
        Curve(ABOUT, {}, points), "edges"
    )
    assert "grows evenly up to 2 edges" in curve.told(Curve(ABOUT, {}, points[:2]), "edges")


def speech(number: int, samples: int) -> Speech:
    text = f"A question of {samples} samples."
    return Speech(turn=f"q{number}", n=0, take="t", attempt="a", end=True, last=True, transcription=text, wav=b"")


def test_a_tally_knows_an_answer_a_failure_somebody_elses_answer_and_what_is_lost() -> None:
    tally = Tally(4)
    tally.tell(speech(0, clients.SAMPLES))
    tally.tell(speech(0, clients.SAMPLES))
    tally.tell(speech(1, clients.SAMPLES))
    tally.tell(Failed(turn="q2", stage="stt", code="deadline", message="too late"))
    assert tally.counted() == {"answered": 1, "wrong": 1, "deadline": 1, "lost": 1}


def test_twice_the_callers_need_twice_the_deployment() -> None:
    one, two = (sizing.size(callers, KNOWN, Assumed()) for callers in (100_000, 200_000))
    assert one.turns_a_second == 5_000
    assert (one.edges, two.edges) == (20, 40)
    assert two.client_gbit == pytest.approx([2 * gbit for gbit in one.client_gbit])
    assert (one.gpus["llm"], two.gpus["llm"]) == (2_858, 5_715)


def test_a_small_deployment_still_has_one_of_everything() -> None:
    found = sizing.size(1, KNOWN, Assumed())
    assert (found.edges, found.clusters, *found.gpus.values()) == (1, 1, 1, 1, 1)


def test_the_lowest_limit_ends_a_cluster() -> None:
    limits = sizing.cluster_limits(KNOWN, Assumed())
    assert limits["stream"] == 500
    assert limits["CPU"] == pytest.approx(3 * 8 * 0.6 * 1000 / 3)
    assert sizing.cluster_turns(KNOWN, Assumed()) == 500
    assert sizing.cluster_turns(KNOWN, Assumed(link_gbit=1)) == pytest.approx(limits["network"] / 10)


def test_disk_for_answers_is_what_comes_while_they_are_kept() -> None:
    assert sizing.answer_mib(8, Assumed(answer_seconds=1)) == 2
    assert sizing.answer_mib(7, Assumed(answer_seconds=1)) == 1


def test_docs_sizing_is_what_the_results_say() -> None:
    assert sizing_page.PAGE.read_text("utf-8") == sizing_page.page(results.FOLDER), (
        "run python -m benchmarks.growth page"
    )


def test_a_small_backlog_is_drained_and_everybody_answered(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.growth", "backlog", "--turns", "40", "--results", str(tmp_path)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert told.returncode == 0, told.stderr
    found = results.read("growth-backlog", Backlog, tmp_path)
    assert found is not None
    assert (found.outcomes, found.unheard) == ({"answered": 40}, False)
    assert found.turns_a_second > 0
    assert backlog.SETTINGS["STREAM_UTTERANCES"] in told.stdout
