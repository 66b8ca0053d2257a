"""The images that ours begin with, where no registry can be reached: a Debian of this machine's mirror."""

import os
import shutil
import tempfile
from pathlib import Path

from deploy import package_index
from services.cli import broker

from .engine import Engine
from .programs import run, works

PYTHON = "docker.io/library/python:3.12-slim-bookworm"
NATS = "docker.io/library/nats:2.15-alpine"
PULL_SECONDS = 120
BUILD_SECONDS = 900


async def ensure(engine: Engine) -> str:
    """Have both images; returns which they are, in words. Raises: FailedError."""
    made = []
    for image, make in ((PYTHON, _python), (NATS, _nats)):
        if await works(engine.program, "image", "inspect", image, seconds=30, environment=engine.environment):
            continue
        if not await works(engine.program, "pull", "-q", image, seconds=PULL_SECONDS, environment=engine.environment):
            with tempfile.TemporaryDirectory(prefix="voicebus-base-") as folder:
                await make(engine, Path(folder))
            made.append(image.rpartition("/")[2])
    return f"made a stand-in for {' and '.join(made)}" if made else "they were here, or were pulled"


async def _python(engine: Engine, folder: Path) -> None:
    root, archive = folder / "root", folder / "root.tar"
    wanted = "ca-certificates,python3,python3-venv"
    bootstrap = ("debootstrap", "--variant=minbase", f"--include={wanted}", "bookworm", str(root))
    await run(*bootstrap, seconds=BUILD_SECONDS, environment=engine.environment)
    shutil.copy(
        os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"),
        root / "etc/ssl/certs/ca-certificates.crt",
    )
    if index := package_index.configured():
        (root / "etc/pip.conf").write_text(f"[global]\nindex-url = {index}\n", encoding="utf-8")
    await run("tar", "-C", str(root), "-cf", str(archive), ".", seconds=120, environment=engine.environment)
    await run(engine.program, "import", "-q", str(archive), PYTHON, seconds=300, environment=engine.environment)


async def _nats(engine: Engine, folder: Path) -> None:
    shutil.copy(broker.binary(), folder / "nats-server")
    (folder / "Dockerfile").write_text(f"FROM {PYTHON}\nCOPY nats-server /usr/local/bin/\n", encoding="utf-8")
    await run(engine.program, "build", "-q", "-t", NATS, str(folder), seconds=300, environment=engine.environment)
