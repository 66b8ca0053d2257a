"""The lock files say exactly what is installed: every package pinned and hashed, from no place in particular."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy import bootstrap, pinned_uv

ROOT = Path(__file__).resolve().parents[2]
LOCKS = (
    "demo",
    "test",
    "page",
    "build",
    "xtts",
    "torch-cpu",
    *sorted(path.stem for path in (ROOT / "requirements").glob("bench-*.lock")),
)
PINNED = re.compile(r"^(?P<name>[a-z0-9][a-z0-9.-]*)==(?P<version>\S+)(?: ; .*)? \\$")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def packages(lock: str) -> dict[str, set[str]]:
    """Name -> the versions that a lock pins (more than one where Pythons differ)."""
    found: dict[str, set[str]] = {}
    for line in text(lock).splitlines():
        match = PINNED.match(line)
        if match:
            found.setdefault(match["name"], set()).add(match["version"])
    return found


def text(lock: str) -> str:
    """A lock file's content."""
    return (ROOT / "requirements" / f"{lock}.lock").read_text("utf-8")


def wanted(extra: str) -> Iterator[str]:
    """The names that an extra asks for, extras inside it resolved."""
    for requirement in PROJECT["project"]["optional-dependencies"][extra]:
        nested = re.match(r"voicebus\[(.*)\]", requirement)
        if nested:
            for name in nested[1].split(","):
                yield from wanted(name)
        else:
            yield name_of(requirement)


def name_of(requirement: str) -> str:
    """`Some_Package[x]>=1` -> `some-package`."""
    return re.split(r"[^A-Za-z0-9._-]", requirement)[0].lower().replace("_", "-").replace(".", "-")


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_has_a_version_and_hashes(lock: str) -> None:
    """No entry without `==` and at least one sha256; nothing else stands in the file."""
    entries = re.split(r"\n(?=[^\s])", text(lock).strip())
    assert len(entries) >= 1
    for entry in entries:
        first, *rest = entry.splitlines()
        assert PINNED.match(first), first
        hashes = [line for line in rest if "--hash" in line]
        assert hashes, first
        assert all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line) for line in hashes), first


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_place(lock: str) -> None:
    """No address, no folder, no option: the index is the one of the machine that installs."""
    assert not re.search(r"://|find-links|index-url|file:|^-|@ |/(home|work|opt|tmp|root)/", text(lock), re.MULTILINE)


def test_the_demo_installs_the_versions_that_the_tests_tested() -> None:
    """demo.lock is a part of test.lock."""
    tested = packages("test")
    assert {name: tested.get(name) for name in packages("demo")} == packages("demo")


@pytest.mark.parametrize("lock", ["demo", "test"])
def test_a_lock_holds_all_that_pyproject_asks_for(lock: str) -> None:
    """A dependency added to pyproject.toml without `make lock` is noticed here."""
    names = {name_of(requirement) for requirement in PROJECT["project"]["dependencies"]} | set(wanted("embedded"))
    if lock == "test":
        groups = PROJECT["dependency-groups"]
        asked = [*groups["pytest"], *groups["test"][1:], *groups["bench"]]
        names |= {name_of(requirement) for requirement in asked}
    assert names <= set(packages(lock))


def test_the_lock_of_xtts_holds_all_that_it_asks_for() -> None:
    """torch stands in a lock of its own: it is the build without CUDA, which another place has."""
    names = {name_of(requirement) for requirement in PROJECT["project"]["dependencies"]} | set(wanted("xtts"))
    assert names <= set(packages("xtts")) | {"torch"}
    assert set(packages("torch-cpu")) == {"torch"}


def test_the_weights_come_without_the_program_around_them() -> None:
    """llm and llama-cpp-python would be compiled for minutes, and torch would fetch gigabytes."""
    assert not {"llm", "llama-cpp-python", "torch"} & set(packages("test"))


def test_the_two_places_that_pin_the_python_and_uv_agree() -> None:
    """deploy/ cannot read pyproject.toml before Python's version is known, so it says them again."""
    low, high = re.findall(r"3\.(\d+)", PROJECT["project"]["requires-python"])
    assert (3, int(low)) == bootstrap.OLDEST
    assert (3, int(high) - 1) == bootstrap.NEWEST
    assert PROJECT["build-system"]["requires"][0].startswith(f"uv_build>={pinned_uv.VERSION}")
    assert all(pinned_uv.VERSION in wheel and len(sha256) == 64 for wheel, sha256 in pinned_uv.WHEELS.values())
