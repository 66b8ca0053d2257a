"""Makes the .venv of an image, while it is built, from requirements/image-NAME.lock: `python3 -m deploy.image NAME`."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

from deploy import bootstrap, pinned_uv
from deploy.package_index import SetupError


def main(arguments: list[str]) -> int:
    """Returns an exit code; what is missing is said in one sentence."""
    if len(arguments) != 1:
        print("usage: python3 -m deploy.image edge|stt|stt-cuda|llm|llm-embedded|tts|xtts", file=sys.stderr)
        return 2
    try:
        bootstrap.check_python(sys.version_info[:2])
        with bootstrap.only_one() as lock:
            uv = bootstrap.Uv(pinned_uv.ensure(bootstrap.TOOLS), lock)
            uv.run("venv", "--quiet", "--no-project", "--python", sys.executable, str(bootstrap.VENV))
            uv.run(*bootstrap.locked(f"image-{arguments[0]}"), "--compile-bytecode", "--link-mode", "copy")
        name_version(bootstrap.VENV, Path("pyproject.toml"))
        return 0
    except (SetupError, OSError) as error:
        print(f"the image cannot be built: {error}", file=sys.stderr)
        return 1


def name_version(venv: Path, project: Path) -> None:
    """Write down which voicebus is in the image: its code is copied beside the packages, not installed as one."""
    version = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"]
    (packages,) = venv.glob("lib/python*/site-packages")
    folder = packages / f"voicebus-{version}.dist-info"
    folder.mkdir(exist_ok=True)
    metadata = f"Metadata-Version: 2.1\nName: voicebus\nVersion: {version}\n"
    (folder / "METADATA").write_text(metadata, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
