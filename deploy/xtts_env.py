"""Makes .venv-xtts, where XTTS is tested: `python3 -m deploy.xtts_env`. Nothing else of voicebus needs torch.

Linux on x86-64 with Python 3.11: of torch the build without CUDA is taken, a tenth of the usual one, and its hash is
known for that Python alone.
"""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys

from deploy import bootstrap, package_index, pinned_uv
from deploy.package_index import SetupError

VENV = bootstrap.ROOT / ".venv-xtts"
LOCKS = [bootstrap.ROOT / "requirements" / f"{name}.lock" for name in ("torch-cpu", "xtts")]
FROM_SOURCE = ("docopt",)
STAMP = VENV / "voicebus-setup"


def main() -> int:
    """Sets up and returns an exit code; what is missing is said in one sentence."""
    try:
        _check()
        wanted = hashlib.sha256(b"".join(lock.read_bytes() for lock in LOCKS)).hexdigest()
        if not STAMP.exists() or STAMP.read_text() != wanted:
            _install()
            STAMP.write_text(wanted)
        return 0
    except (SetupError, OSError) as error:
        _say(f"voicebus cannot set up the tests of XTTS: {error}")
    return 1


def _check() -> None:
    here = (sys.platform, platform.machine(), sys.version_info[:2])
    if here != ("linux", "x86_64", (3, 11)):
        raise SetupError(f"its lock is for Linux on x86-64 with Python 3.11, and this is {here}: name one in PYTHON.")


def _install() -> None:
    _say("voicebus: setting up .venv-xtts (the first time fetches about 500 MB)")
    _uv("venv", "--quiet", "--clear", "--no-project", "--python", sys.executable, str(VENV))
    packages = [word for lock in LOCKS for word in ("-r", str(lock))]
    source = [f"--no-binary={package}" for package in (*bootstrap.FROM_SOURCE, *FROM_SOURCE)]
    build = ["--build-constraints", str(bootstrap.ROOT / "requirements" / "build.lock"), "--require-build-hashes"]
    preview = ["--preview-features", "build-dependency-hashes"]
    locked = ["--no-deps", "--require-hashes", *packages, "--only-binary", ":all:", *source, *build, *preview]
    _uv("pip", "install", "--quiet", "--python", str(VENV), *locked, *_torch())


def _torch() -> list[str]:
    """Where the torch without CUDA is: in a folder that pip's settings name, or where uv knows."""
    links = package_index.folders()
    return [word for link in links for word in ("--find-links", link)] or ["--torch-backend", "cpu"]


def _uv(*arguments: str) -> None:
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    environment.setdefault("UV_SYSTEM_CERTS", "1")
    if index := package_index.configured():
        environment["UV_DEFAULT_INDEX"] = index
    command = [str(pinned_uv.ensure(bootstrap.TOOLS)), *arguments]
    if subprocess.run(command, cwd=bootstrap.ROOT, env=environment, check=False).returncode:
        raise SetupError("uv says above what stopped it; run it again when that is solved.")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
