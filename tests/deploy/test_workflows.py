"""The workflows of the forge: valid, every action pinned by its commit, nothing done with more rights than it needs."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in read(path)["jobs"].values() for step in job.get("steps", [])]


def test_they_are_what_the_forge_takes() -> None:
    assert {path.name for path in WORKFLOWS} == {"test.yml", "publish.yml"}
    command = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        "vendor.github-workflows",
        *map(str, WORKFLOWS),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_an_action_is_pinned_by_its_commit(path: Path) -> None:
    used = [step["uses"] for step in steps(path) if "uses" in step]
    assert used
    assert all(re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action) for action in used)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_job_may_read_unless_it_says_more_and_ends_by_itself(path: Path) -> None:
    """And no text from outside gets into a command: values go through the environment."""
    found = read(path)
    assert found["permissions"] == {"contents": "read"}
    assert all("timeout-minutes" in job for job in found["jobs"].values() if "steps" in job)
    assert not any("${{" in step["run"] for step in steps(path) if "run" in step)


def test_every_image_is_published() -> None:
    """A target for each image of the Dockerfile."""
    text = (ROOT / "deploy/docker/Dockerfile").read_text(encoding="utf-8")
    stages = set(re.findall(r"^FROM .* AS ([\w-]+)$", text, re.MULTILINE))
    targets = read(ROOT / ".github/workflows/publish.yml")["jobs"]["image"]["strategy"]["matrix"]["target"]
    assert set(targets) == {stage for stage in stages if f"{stage}-packages" in stages}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_make_target_that_is_called_is_one(path: Path) -> None:
    called = {match for step in steps(path) for match in re.findall(r"\bmake ([a-z-]+)", step.get("run", ""))}
    assert called <= set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
