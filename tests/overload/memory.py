"""How much memory each process has, at the start and at most."""

import asyncio
import re
from pathlib import Path

LOOK_SECONDS = 0.5
_RESIDENT = re.compile(r"VmRSS:\s+(\d+) kB")


async def watch(pids: dict[str, int], start: dict[str, float], most: dict[str, float]) -> None:
    """Note the resident MiB of *pids* in *start* once, and the highest in *most*, for as long as this runs."""
    while True:
        for name, pid in pids.items():
            found = await asyncio.to_thread(resident, pid)
            start.setdefault(name, found)
            most[name] = max(most.get(name, 0.0), found)
        await asyncio.sleep(LOOK_SECONDS)


def resident(pid: int) -> float:
    """Resident memory, MiB; 0 for a process that is gone."""
    try:
        found = _RESIDENT.search(Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0.0
    return int(found[1]) / 1024 if found else 0.0


def processes(leader: int) -> dict[str, int]:
    """The process ids of a running pipeline, by their names: the descendants of *leader*."""
    found: dict[str, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue
        name = next((word.removeprefix("services.") for word in words if word.startswith("services.")), "")
        if parent == leader and (name or "nats-server" in words[0]):
            found[name or "broker"] = int(folder.name)
    return found
