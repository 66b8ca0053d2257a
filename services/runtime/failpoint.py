"""Points where a test has a worker die or hold still, so that each promise about deaths is tried on the real thing.

VOICEBUS_FAILPOINT names one of `POINTS`: `before-ack` is the first time that it is reached, `before-ack:3` the third;
there the process kills itself. With `before-ack:3:pause` it holds still instead, until `<marker>.go` exists.
VOICEBUS_FAILPOINT_MARKER names a file that is made when it happens; once it is there nothing happens any more, so that
a worker that is started again goes on. Without VOICEBUS_FAILPOINT nothing here does anything.
"""

import asyncio
import itertools
import os
import signal
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

AFTER_DELIVERY, AFTER_PUBLISH, BEFORE_ACK, SETTLING_DEAD = POINTS = (
    "after-delivery",
    "after-publish",
    "before-ack",
    "settling-dead",
)
"""With a message in hand and nothing done; after each output's PubAck; after the last one's, before the ack; after each
of the two messages that end a turn as a dead letter."""
PAUSE_SECONDS = 30.0
LOOK_SECONDS = 0.02


class Armed(Struct, frozen=True):
    """What is to happen, and where."""

    point: str
    hit: int
    pause: bool
    marker: Path


def armed(environ: Mapping[str, str]) -> Armed | None:
    """What the environment asks for; None: nothing. Raises: ValueError for what cannot be meant."""
    wanted = environ.get("VOICEBUS_FAILPOINT", "")
    if not wanted:
        return None
    point, _, when = wanted.partition(":")
    hit, _, how = (when or "1").partition(":")
    if point not in POINTS or not hit.isdigit() or int(hit) < 1 or how not in ("", "pause"):
        raise ValueError(f"VOICEBUS_FAILPOINT={wanted}: write POINT, POINT:HIT or POINT:HIT:pause with one of {POINTS}")
    marker = environ.get("VOICEBUS_FAILPOINT_MARKER", "")
    if not marker:
        raise ValueError("VOICEBUS_FAILPOINT needs VOICEBUS_FAILPOINT_MARKER, a file that says that it has happened")
    return Armed(point, int(hit), how == "pause", Path(marker))


async def reach(point: str) -> None:
    """Die or hold still here, if that was asked for."""
    if _armed is None or point != _armed.point or next(_hits) != _armed.hit or not _first(_armed.marker):
        return
    if not _armed.pause:
        os.kill(os.getpid(), signal.SIGKILL)
    go = Path(f"{_armed.marker}.go")
    for _ in range(round(PAUSE_SECONDS / LOOK_SECONDS)):
        if await asyncio.to_thread(go.exists):
            return
        await asyncio.sleep(LOOK_SECONDS)


def _first(marker: Path) -> bool:
    """Whether no other process has been here before."""
    try:
        marker.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


_armed = armed(os.environ)
_hits = itertools.count(1)
