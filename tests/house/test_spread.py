"""Where several processes run the tests, the tests that must not run side by side do not."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTS = """
import os, pathlib, time, pytest
@pytest.mark.parametrize("number", range(4))
def test_it(number):
    time.sleep(0.05)
    with pathlib.Path({told!r}).open("a") as told:
        told.write({file!r} + f" {{os.getpid()}}\\n")
"""
FILES = ("test_one.py", "test_two.py", "cli/test_demo.py", "acceptance/test_tutorial.py")


def test_a_file_is_run_by_one_process_and_so_are_the_files_that_use_the_default_ports(tmp_path: Path) -> None:
    """As `make test` spreads them."""
    told = tmp_path / "told"
    for file in FILES:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(TESTS.format(told=os.fspath(told), file=file))
    words = next(line for line in (ROOT / "Makefile").read_text().splitlines() if "--dist" in line).split()
    spread = words[words.index("--dist") : words.index("$(ARGS)")]
    plugins = ["-p", "xdist.plugin", "-p", "tests.spread", "-c", os.devnull, "--import-mode=importlib"]
    subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, "--numprocesses", "2", *spread, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        timeout=60,
        check=True,
    )
    ran = set(told.read_text().splitlines())
    by = dict(line.split() for line in ran)

    assert len(ran) == len(by) == len(FILES)
    assert by["cli/test_demo.py"] == by["acceptance/test_tutorial.py"]
    assert len(set(by.values())) == 2
