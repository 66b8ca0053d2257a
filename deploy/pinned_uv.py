"""The one version of uv, the installer, that the set-up trusts: its files, their hashes, and how it gets here."""

from __future__ import annotations

import hashlib
import io
import os
import platform
import sys
import zipfile
from pathlib import Path

from deploy import package_index
from deploy.package_index import SetupError

VERSION = "0.13.9"

# (system, machine) -> wheel, its sha256. Intel Macs and musl are not here: the engines have no packages for them.
WHEELS = {
    ("Linux", "x86_64"): (
        "uv-0.13.9-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "d7f459fe4fd247d830351c75686d3996ace3c6f3f728eb0e85a30b7ada0cef19",
    ),
    ("Linux", "aarch64"): (
        "uv-0.13.9-py3-none-manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64.whl",
        "5435c5ce14a56431208ca0996416d310f1598e8c2c8ba707688985a16bb82dbe",
    ),
    ("Darwin", "arm64"): (
        "uv-0.13.9-py3-none-macosx_11_0_arm64.whl",
        "66c512266d633bef48384a1f53003f41f2a8e7b36fe6e7fbfd3e0fd52d96fa63",
    ),
}


def wheel() -> tuple[str, str]:
    """The file for this machine and its sha256. Raises SetupError where voicebus does not run."""
    system, machine = platform.system(), platform.machine()
    musl = system == "Linux" and platform.libc_ver()[0] != "glibc"
    if musl or (system, machine) not in WHEELS:
        here = f"{system} {machine}{' with musl' if musl else ''}"
        raise SetupError(
            f"voicebus runs on Linux with glibc (x86_64, aarch64) and on macOS (arm64), and this is {here}:"
            " use a container or a virtual machine of one of those."
        )
    return WHEELS[system, machine]


def ensure(folder: Path) -> Path:
    """The uv program in this folder, fetched when it is not there yet. Raises SetupError."""
    program = folder / f"uv-{VERSION}"
    if not program.exists():
        filename, sha256 = wheel()
        url = package_index.find(package_index.address(), "uv", filename)
        data = package_index.get(url, progress=_draw)
        _install(_program(data, sha256, filename), program)
    return program


def _program(data: bytes, sha256: str, filename: str) -> bytes:
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise SetupError(
            f"{filename} has the wrong hash ({found[:12]}..., not {sha256[:12]}...) and was thrown away:"
            " the index or a proxy on the way gave something else, so ask who runs it, or set UV_DEFAULT_INDEX."
        )
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return archive.read(f"uv-{VERSION}.data/scripts/uv")


def _install(content: bytes, program: Path) -> None:
    program.parent.mkdir(parents=True, exist_ok=True)
    unfinished = program.with_suffix(f".{os.getpid()}")
    unfinished.write_bytes(content)
    unfinished.chmod(0o755)
    os.replace(unfinished, program)


def _draw(done: int, total: int) -> None:
    if not sys.stderr.isatty():
        return
    end = "\n" if done == total else ""
    print(f"\rvoicebus: fetching uv {VERSION}: {done / 1e6:5.1f} of {total / 1e6:.1f} MB", end=end, file=sys.stderr)
