"""How long things took, what they cost, and how busy the machine was with other work meanwhile."""

import os
import time
from collections.abc import Iterable

import psutil
from msgspec import Struct

from services.cli.bench_figures import Spread, percentile, spread

__all__ = ["MUCH_FOREIGN", "Load", "Meter", "Spread", "percentile", "spread", "trees"]

MUCH_FOREIGN = 0.10
"""A run with more of the machine used by others is marked: its times are not to be relied on."""
NEVER = ("idle", "iowait", "guest", "guest_nice")
"""Fields of the machine's CPU times that are no work, or are counted in another field already."""


class Load(Struct, frozen=True):
    """What a stretch of time cost."""

    seconds: float
    cpu_seconds: float
    """CPU seconds of the watched processes and all below them."""
    client_cpu_seconds: float
    """CPU seconds of the process that measures, which is the client."""
    foreign: float
    """Share of the whole machine, 0 to 1, that neither of them used: other programs."""
    memory_mib: float
    """Memory of the watched processes at the end; shared pages are counted once where the system tells (Linux)."""


class Meter:
    """Watches the processes *roots*, and what is below them, from its making until `read`.

    A process below them that starts and ends in between counts where its parent has waited for it.
    """

    def __init__(self, roots: Iterable[int]) -> None:
        self._roots = tuple(roots)
        self._began = time.monotonic()
        self._machine = _machine_seconds()
        self._client = _client_seconds()
        self._before = {process.pid: _seconds(process) for process in trees(self._roots)}

    def read(self) -> Load:
        """What it was since the meter was made."""
        seconds = time.monotonic() - self._began
        watched = trees(self._roots)
        cpu = sum(_seconds(process) - self._before.get(process.pid, 0.0) for process in watched)
        client = _client_seconds() - self._client
        others = max(0.0, _machine_seconds() - self._machine - cpu - client)
        foreign = min(1.0, others / (seconds * (os.cpu_count() or 1)))
        memory = sum(_memory_bytes(process) for process in watched) / 2**20
        return Load(seconds, cpu, client, foreign, memory)


def trees(roots: Iterable[int]) -> list[psutil.Process]:
    """The processes *roots* and all below them that still run."""
    found: dict[int, psutil.Process] = {}
    for root in roots:
        try:
            process = psutil.Process(root)
            found |= {each.pid: each for each in (process, *process.children(recursive=True))}
        except psutil.NoSuchProcess:
            continue
    return list(found.values())


def _seconds(process: psutil.Process) -> float:
    """CPU seconds of a process, and of its children that it has waited for."""
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)


def _client_seconds() -> float:
    times = os.times()
    return times.user + times.system


def _machine_seconds() -> float:
    return float(sum(seconds for name, seconds in psutil.cpu_times()._asdict().items() if name not in NEVER))


def _memory_bytes(process: psutil.Process) -> int:
    try:
        memory = process.memory_full_info()
        return int(getattr(memory, "pss", 0) or memory.uss)
    except psutil.Error:
        return 0
