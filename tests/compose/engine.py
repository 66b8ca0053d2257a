"""What containers run with here: Docker with its Compose, or else podman, which a Debian machine installs for this."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

from msgspec import Struct

from .programs import FailedError, run, works

PACKAGES = ("podman", "runc", "debootstrap", "netavark", "aardvark-dns", "iptables")
STORE = Path("/var/lib/voicebus-compose-test")
"""Images of the trial, apart from the machine's own: some stand in for others under their names."""
CONTAINERS = """[engine]
runtime = "runc"
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
"""
"""crun, Debian's default, may not set limits inside a container, and neither may runc set higher ones."""
STORAGE = """[storage]
driver = "overlay"
graphroot = "{store}"
runroot = "/run/voicebus-compose-test"
"""


class Engine(Struct, frozen=True):
    """How to call it."""

    program: str
    """docker or podman."""
    compose: tuple[str, ...]
    environment: dict[str, str]


async def find() -> Engine:
    """Docker where it runs, else podman. Raises: FailedError."""
    environment = dict(os.environ)
    compose = await works("docker", "compose", "version", seconds=30, environment=environment)
    if compose and await works("docker", "info", seconds=30, environment=environment):
        return Engine("docker", ("docker", "compose"), environment)
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise FailedError(
            "neither `docker compose` nor root on a Debian is here: start Docker, or run this as root there"
        )
    return await _podman(environment)


async def _podman(environment: dict[str, str]) -> Engine:
    missing = [name for name in PACKAGES if not await works("dpkg", "-s", name, seconds=30, environment=environment)]
    if missing:
        quiet = {**environment, "DEBIAN_FRONTEND": "noninteractive"}
        await run("apt-get", "update", "-qq", seconds=300, environment=quiet)
        install = ("apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing)
        await run(*install, seconds=900, environment=quiet)
    settings = Path(tempfile.mkdtemp(prefix="voicebus-compose-"))
    (settings / "containers.conf").write_text(CONTAINERS, encoding="utf-8")
    (settings / "storage.conf").write_text(STORAGE.format(store=STORE), encoding="utf-8")
    environment |= {
        "CONTAINERS_CONF": str(settings / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(settings / "storage.conf"),
        "BUILDAH_ISOLATION": "chroot",
    }
    return Engine("podman", (str(Path(sys.executable).with_name("podman-compose")),), environment)
