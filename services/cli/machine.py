"""How much of each service a machine carries: pure, from its number of cores.

Two cores are measured (docs/architecture.md, what the engines take), more are calculated: an utterance is the largest
part of a turn and one thread's work, so stt has a place for each core and tts for half of them. What is the same on
every machine is a default of its service and not chosen here: `WHISPER_THREADS` and `LLM_THREADS`, 1, because more
threads mostly wait for each other, and `LLM_CONCURRENCY`, because all replies of a process share that thread.
"""

import os
from collections.abc import Mapping
from pathlib import Path

CPU_MAX = Path("/sys/fs/cgroup/cpu.max")
"""The share of the machine that a container may use: microseconds of CPU in so many microseconds."""


def cores(wanted: int, cpu_max: Path = CPU_MAX) -> tuple[int, str]:
    """How many cores to plan for, and why: what CORES says, or else what this process may use."""
    if wanted:
        return wanted, f"CORES={wanted}"
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = _limit(cpu_max)
    if limit and limit < usable:
        return limit, f"CORES is unset: the container may use {limit} of {usable}"
    return usable, "CORES is unset: those that this process may use"


def numbers(cores: int) -> dict[str, int]:
    """The variables of the services that follow from *cores*."""
    return {
        "STT_CONCURRENCY": cores,
        "WHISPER_ENCODER_THREADS": min(cores, 2),
        "TTS_CONCURRENCY": max(cores // 2, min(cores, 2)),
        "TTS_THREADS": min(cores, 2),
    }


def chosen(cores: int, environ: Mapping[str, str]) -> dict[str, str]:
    """Those of the `numbers` that nobody has set in *environ*; cores say nothing about a GPU."""
    given = {name.removesuffix("_FILE") for name in environ if environ[name]}
    if environ.get("WHISPER_DEVICE") not in (None, "", "cpu"):
        given.add("STT_CONCURRENCY")
    return {name: str(number) for name, number in numbers(cores).items() if name not in given}


def _limit(cpu_max: Path) -> int:
    """Whole cores of a container's share, at least one; 0 where there is no share."""
    try:
        share, period = cpu_max.read_text().split()
        return max(1, round(int(share) / int(period)))
    except (OSError, ValueError):  # no control group of this kind, or a share of `max`
        return 0
