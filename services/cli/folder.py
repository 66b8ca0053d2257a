"""The folder of an embedded broker's data: one `voicebus up` at a time."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.runtime.errors import StartError

LOCK = "lock"


class InUse(StartError):
    """Another `voicebus up` has it."""


@contextmanager
def held(folder: Path) -> Iterator[Path]:
    """Keep the folder for this process; it is made when it is not there.

    Two brokers on one store would spoil it. The lock goes with the process, however that ends.

    Raises: InUse; StartError.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / LOCK).open("w")
    except OSError as error:
        raise StartError(f"no data can be kept in {folder} ({error.strerror}): set VOICEBUS_DATA") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InUse(
                f"another `voicebus up` keeps its data in {folder}: stop it, or give this one a folder and ports of"
                " its own in VOICEBUS_DATA, PORT and NATS_PORT"
            ) from None
        yield folder.resolve()
