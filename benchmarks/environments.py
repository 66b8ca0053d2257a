"""An environment of its own for each contender, so that none decides another's versions."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from deploy import bootstrap, package_index, pinned_uv

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "benchmarks" / ".venvs"
"""Ignored by git; `make clean` removes it."""
FROM_SOURCE = ("docopt",)
"""Pure Python that comes as source only: it is built with the pinned tool of build.lock."""


def python(name: str) -> Path:
    """The Python of the environment that `requirements/bench-NAME.lock` describes; it is made where it is missing.

    Raises: SetupError for no network or a wrong hash, with what to do.
    """
    lock, folder = ROOT / "requirements" / f"bench-{name}.lock", FOLDER / name
    digest = hashlib.sha256(lock.read_bytes() + repr(sys.version_info[:2]).encode()).hexdigest()
    stamp, program = folder / "stamp", folder / "bin" / "python"
    if not (stamp.exists() and stamp.read_text() == digest):
        print(f"setting up {folder.relative_to(ROOT)}", file=sys.stderr, flush=True)  # noqa: T201 - progress
        _install(lock, folder)
        stamp.write_text(digest)
    return program


def _install(lock: Path, folder: Path) -> None:
    uv = str(pinned_uv.ensure(bootstrap.TOOLS))
    _run(uv, "venv", "--quiet", "--clear", "--no-project", "--python", sys.executable, str(folder))
    locked = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "-r", str(lock)]
    source = [f"--no-binary={package}" for package in FROM_SOURCE]
    build = ["--require-build-hashes", "--build-constraints", str(ROOT / "requirements" / "build.lock")]
    preview = ["--preview-features", "build-dependency-hashes"]
    _run(uv, "pip", "install", "--quiet", "--python", str(folder), *locked, *source, *build, *preview)


def _run(*command: str) -> None:
    """uv itself shows its progress and its errors. Raises: SetupError."""
    environment = os.environ | {"UV_PYTHON_DOWNLOADS": "never"}
    environment.setdefault("UV_SYSTEM_CERTS", "1")
    if index := package_index.configured():
        environment["UV_DEFAULT_INDEX"] = index
    if subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode:
        raise package_index.SetupError("uv says above what stopped it; run it again when that is solved")
