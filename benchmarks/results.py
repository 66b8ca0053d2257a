"""The figures of a run, kept as JSON in `benchmarks/results/`."""

import os
import platform
import time
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct

FOLDER = Path(__file__).with_name("results")

Figures = TypeVar("Figures", bound=Struct)


class About(Struct, frozen=True):
    """Where and when a run was made."""

    when: str
    """UTC, ISO 8601, to the minute."""
    processor: str
    cores: int
    system: str
    python: str


def about() -> About:
    """This machine, now."""
    return About(
        when=time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime()),
        processor=_processor(),
        cores=os.cpu_count() or 1,
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
    )


def write(name: str, figures: Struct, folder: Path = FOLDER) -> Path:
    """Keep the figures as `NAME.json`; where they are."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(figures), indent=1) + b"\n")
    return path


def read(name: str, kind: type[Figures], folder: Path = FOLDER) -> Figures | None:
    """The figures that were kept as *name*; None when that was never run here."""
    try:
        return msgspec.json.decode((folder / f"{name}.json").read_bytes(), type=kind)
    except FileNotFoundError:
        return None


def _processor() -> str:
    """The processor's name, as Linux tells it; elsewhere what Python knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())
