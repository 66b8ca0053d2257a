"""What a process has used, and what everybody has used of the machine."""

from collections.abc import Iterable

import psutil
from msgspec import Struct

NEVER = ("idle", "iowait", "guest", "guest_nice")
"""Fields of the machine's CPU times that are no work, or are counted in another field already."""


class Used(Struct, frozen=True):
    """What a process has used until now."""

    cpu_s: float
    """Seconds of a core, of all its threads, in user and kernel mode."""
    rss_kib: int
    """Resident memory, KiB."""


def of(pid: int) -> Used:
    """Of a process that runs. Raises: psutil.NoSuchProcess."""
    process = psutil.Process(pid)
    times = process.cpu_times()
    return Used(times.user + times.system, process.memory_info().rss // 1024)


def machine_s() -> float:
    """Seconds of all cores that anybody has used since the machine started."""
    return float(sum(seconds for name, seconds in psutil.cpu_times()._asdict().items() if name not in NEVER))


def total(several: Iterable[Used]) -> Used:
    """The sum."""
    found = list(several)
    return Used(sum(one.cpu_s for one in found), sum(one.rss_kib for one in found))
