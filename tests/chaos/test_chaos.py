"""Nothing is lost, nothing comes twice and nothing is spliced, while processes are killed."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUN_SECONDS = 240


@pytest.mark.timeout(RUN_SECONDS + 30)
def test_every_turn_ends_in_exactly_one_whole_answer_while_workers_and_the_broker_are_killed(tmp_path: Path) -> None:
    """The short run; `make chaos` is the full one."""
    result = subprocess.run(
        [sys.executable, "-m", "tests.chaos", "--short", "--data", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )
    print(result.stdout)  # noqa: T201 - the table, for whoever reads CI's log
    assert result.returncode == 0, result.stdout + result.stderr[-3000:]
