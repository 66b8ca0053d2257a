"""How many windows a GPU has room for: what one took of its memory, and what is free."""

import subprocess

import structlog

QUERY = ("nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits")
QUERY_SECONDS = 10.0
MOST = 16
"""Windows of a pass; others saw two to three times the throughput with 8 to 16, and little more beyond."""
LEAST_MIB = 128
"""Taken for a window at least: CTranslate2 keeps what it has freed, so that a small one may seem to cost nothing."""
SHARE = 0.5
"""Of what is free: a window in which much is said takes more than the silent one that was measured."""

log = structlog.get_logger()


def free_mib() -> list[int]:
    """The free memory of each GPU, MiB, in the order of the driver; empty when nobody tells."""
    try:
        done = subprocess.run(QUERY, capture_output=True, text=True, timeout=QUERY_SECONDS, check=True)
        return [int(line) for line in done.stdout.split()]
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        log.warning("gpu_memory_unknown", error=str(error), batch=MOST)
        return []


def batch(before: list[int], after: list[int], indexes: list[int], passes: int) -> int:
    """Windows that fit one of so many *passes* at once on the fullest of the GPUs *indexes*.

    *before* and *after* are what was free before and after one window was read; where either is unknown, MOST.
    """
    used = [i for i in indexes if i < min(len(before), len(after))]
    if not used:
        return MOST
    fits = [int(after[i] * SHARE / passes / max(before[i] - after[i], LEAST_MIB)) for i in used]
    return max(1, min(MOST, *fits))
