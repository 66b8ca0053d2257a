"""The figures of a run are what really was."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import measure

BURN = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass\nprint(flush=True); input()"
values = st.lists(st.floats(0, 1e6), min_size=1)


def test_percentiles_lie_between_neighbours() -> None:
    assert measure.percentile([4, 1, 3, 2, 5], 0.5) == 3
    assert measure.percentile([1, 2], 0.5) == 1.5
    assert measure.percentile([7], 0.95) == 7
    assert measure.spread([float(n) for n in range(101)]) == measure.Spread(101, 50, 95)


def test_no_values_have_no_percentile() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        measure.spread([])


@given(values, st.floats(0, 1))
def test_a_percentile_is_within_the_values(values: list[float], share: float) -> None:
    assert min(values) <= measure.percentile(values, share) <= max(values) * (1 + 1e-9)


def test_work_of_a_child_of_a_watched_process_is_counted_and_is_not_foreign() -> None:
    """The watched process only waits; its child works, and is still there at the end."""
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BURN!r}])"
    with subprocess.Popen(
        [sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        meter = measure.Meter([process.pid])
        process.stdout.readline()
        load = meter.read()
        process.communicate("\n")

    assert 0.25 < load.cpu_seconds < 5
    assert load.memory_mib > 1
    assert 0 <= load.foreign <= 1


def test_a_process_that_has_ended_costs_nothing_and_is_no_error() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        meter = measure.Meter([process.pid])
        process.wait()
    assert meter.read().cpu_seconds == 0
