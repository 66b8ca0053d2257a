"""Failpoints: where a worker dies for a test, and that nobody else ever does."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from services.runtime import failpoint

PROGRAM = """
import asyncio
from services.runtime import failpoint
async def main():
    for _ in range(3):
        await failpoint.reach(failpoint.AFTER_PUBLISH)
        await failpoint.reach(failpoint.BEFORE_ACK)
        print("lives", flush=True)
asyncio.run(main())
"""


def lives(environ: dict[str, str]) -> tuple[int, int]:
    """How often a program came past its points, and how it ended."""
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environ, capture_output=True, text=True, timeout=30, check=False
    )
    return result.stdout.count("lives"), result.returncode


def test_a_process_dies_at_its_point_once_and_its_successor_goes_on(tmp_path: Path) -> None:
    """The second time that the point is reached; the marker says that it has happened."""
    environ = {"VOICEBUS_FAILPOINT": "before-ack:2", "VOICEBUS_FAILPOINT_MARKER": str(tmp_path / "marker")}
    assert lives(environ) == (1, -signal.SIGKILL)
    assert (tmp_path / "marker").exists()
    assert lives(environ) == (3, 0)


def test_a_process_holds_still_until_it_may_go(tmp_path: Path) -> None:
    environ = {"VOICEBUS_FAILPOINT": "before-ack:1:pause", "VOICEBUS_FAILPOINT_MARKER": str(tmp_path / "marker")}
    with subprocess.Popen([sys.executable, "-c", PROGRAM], env=environ, stdout=subprocess.PIPE, text=True) as held:
        with pytest.raises(subprocess.TimeoutExpired):
            held.wait(1.5)
        (tmp_path / "marker.go").touch()
        assert held.wait(20) == 0


def test_without_the_variable_there_is_no_point() -> None:
    assert failpoint.armed({}) is None
    assert lives({}) == (3, 0)


@pytest.mark.parametrize("wanted", ["before-lunch", "before-ack:x", "before-ack:1:nap", "before-ack:0"])
def test_a_point_that_cannot_be_meant_is_said(wanted: str) -> None:
    with pytest.raises(ValueError, match=r"POINT:HIT"):
        failpoint.armed({"VOICEBUS_FAILPOINT": wanted, "VOICEBUS_FAILPOINT_MARKER": "marker"})


def test_a_point_without_a_marker_is_refused() -> None:
    """It would kill every successor too."""
    with pytest.raises(ValueError, match="MARKER"):
        failpoint.armed({"VOICEBUS_FAILPOINT": "before-ack"})
