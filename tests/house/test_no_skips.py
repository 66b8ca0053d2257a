"""CI's rule about skipped tests holds: what cannot run is installed, not left out."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTS = """
import pytest
def test_passing(): pass
def test_without_a_gpu(): pytest.skip("needs a GPU")
def test_without_node(): pytest.skip("no node here")
@pytest.mark.xfail
def test_expected_to_fail(): assert False
"""
MODULE = "import pytest\npytest.skip('no node here', allow_module_level=True)\n"


def test_a_skip_fails_unless_it_names_a_gpu_or_docker(tmp_path: Path) -> None:
    """A test, a whole module, and a failure that was expected."""
    (tmp_path / "test_some.py").write_text(TESTS)
    (tmp_path / "test_module.py").write_text(MODULE)
    plugin = ["-p", "tests.house.no_skips", "-c", os.devnull, "--continue-on-collection-errors", "-rA", "-q"]
    result = subprocess.run(
        [sys.executable, "-m", "pytest", *plugin, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    outcomes = {
        line.split()[0] + " " + line.split("::")[-1].split()[0] for line in result.stdout.splitlines() if "::" in line
    }
    assert result.returncode == 1, result.stdout
    assert {"PASSED test_passing", "FAILED test_without_node", "FAILED test_expected_to_fail"} <= outcomes
    assert "2 failed, 1 passed, 1 skipped, 1 error" in result.stdout, result.stdout
