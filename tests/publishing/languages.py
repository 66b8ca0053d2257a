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


def source(language: str, program: str) -> Path:
    """Where `ask`, `stream` or `publish` of a language stands."""
    endings = {"python": f"{program}.py", "javascript": f"{program}.mjs", "shell": f"{program}.sh"}
    return CLIENTS / language / endings.get(language, f"{program}/main.go")


def command(language: str, path: Path, folder: Path) -> list[str]:
    """How to run a program; what has to be built is built in *folder*."""
    match language:
        case "python":
            return [sys.executable, str(path)]
        case "javascript":
            return [programs.modules(JAVASCRIPT), str(path)]
        case "shell":
            _needed("jq", "jq")
            return ["bash", str(path)]
        case _:
            return [_built(path, folder)]


def _built(path: Path, folder: Path) -> str:
    _needed("go", "golang-go golang-github-nats-io-go-nats-dev golang-github-gorilla-websocket-dev")
    environment = os.environ | {"GO111MODULE": "off", "GOPATH": GOPATH, "CGO_ENABLED": "0"}
    build = ["go", "build", "-o", str(folder / "client"), str(path)]
    done = subprocess.run(build, env=environment, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    return str(folder / "client")


def _needed(program: str, packages: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed: apt-get install --no-install-recommends {packages}")
