"""The clients of docs/clients in each language, ready to run."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import programs
from tests.publishing.stages import ROOT

CLIENTS = ROOT / "docs" / "clients"
JAVASCRIPT = CLIENTS / "javascript"
LANGUAGES = ("python", "javascript", "go", "shell")
BUILD_SECONDS = 120
GOPATH = os.environ.get("GOPATH") or "/usr/share/gocode"
"""Where Debian puts Go's libraries: nothing is fetched."""
LIBRARIES = ("github.com/nats-io/nats.go", "github.com/gorilla/websocket")
DEBIAN_GO = "golang-go golang-github-nats-io-go-nats-dev golang-github-gorilla-websocket-dev"


def source(language: str, program: str) -> Path:
    """Where `ask`, `stream` or `publish` of a language stands."""
    endings = {"python": f"{program}.py", "javascript": f"{program}.mjs", "shell": f"{program}.sh"}
    return CLIENTS / language / endings.get(language, f"{program}/main.go")


def require(language: str) -> None:
    """Skip the test where a language cannot run; it is for a fixture, for who waits for a task hears of no skip."""
    match language:
        case "javascript":
            programs.modules(JAVASCRIPT)
        case "shell":
            _require(shutil.which("jq") is not None, "jq", "jq")
        case "go":
            there = shutil.which("go") is not None and all((Path(GOPATH) / "src" / each).is_dir() for each in LIBRARIES)
            _require(there, "go, or a library of its clients,", DEBIAN_GO)


def command(language: str, path: Path, folder: Path) -> list[str]:
    """How to run a program; what has to be built is built in *folder*."""
    match language:
        case "python":
            return [sys.executable, str(path)]
        case "javascript":
            return [programs.modules(JAVASCRIPT), str(path)]
        case "shell":
            return ["bash", str(path)]
        case _:
            return [_built(path, folder)]


def _built(path: Path, folder: Path) -> str:
    environment = os.environ | {"GO111MODULE": "off", "GOPATH": GOPATH, "CGO_ENABLED": "0"}
    build = ["go", "build", "-o", str(folder / "client"), str(path)]
    done = subprocess.run(build, env=environment, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    return str(folder / "client")


def _require(there: bool, what: str, packages: str) -> None:
    if not there:
        pytest.skip(f"{what} is not installed: apt-get install --no-install-recommends {packages}")
