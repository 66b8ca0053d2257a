"""Whether the streams of a broker fit on the disk that they are kept on."""

import shutil
from pathlib import Path

from msgspec import Struct

from services.runtime import streams
from services.runtime.streams import MIB

ADVICE = "free some, set VOICEBUS_DATA to another disk, or lower STREAM_UTTERANCE_MIB and STREAM_ANSWER_MIB"
ROOM_TO_WRITE = 64 * MIB
"""Bytes free with which a broker that had none is worth starting again; of a small disk a quarter."""


class Room(Struct, frozen=True):
    """What there is, and what may be needed."""

    enough: bool
    says: str


def room(folder: Path, limits: streams.StreamSettings) -> Room:
    """How the disk of *folder*, which need not be there yet, stands to what *limits* reserve on it."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    kept = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) if folder.exists() else 0
    free = shutil.disk_usage(existing).free
    needed = sum(config.max_bytes or 0 for config in streams.table(limits)) + limits.stream_text_mib * MIB
    says = f"{free // MIB} MiB free for {folder}, the streams may take {max(0, needed - kept) // MIB} MiB more"
    return Room(free + kept >= needed, says)
