"""Where sound is written: spoken replies, and recorded questions."""

from pathlib import Path

from services.runtime.errors import StartError

NAME = "reply.wav"
ANY_SIZE = 2**62
"""The reply keeps the rate in which it was spoken."""


def choose(out: str, count: int) -> list[Path]:
    """A file for each of *count* replies.

    *out* is a file, a folder (it exists, or ends with `/`), or empty for `reply.wav` here. Several replies are
    numbered: `reply-1.wav`, `reply-2.wav`.

    Raises: StartError when nothing can be written there: better before the question than after the answer.
    """
    path = Path(out or NAME)
    if out.endswith("/") or path.is_dir():
        path = path / NAME
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        paths = [path] if count == 1 else [path.with_stem(f"{path.stem}-{n}") for n in range(1, count + 1)]
        for each in paths:
            _try(each)
    except OSError as error:
        raise StartError(
            f"the reply cannot be written to {path} ({error.strerror}): name another place with --out"
        ) from error
    return paths


def write(path: Path, wav: bytes) -> None:
    """Write a sound. Raises: StartError."""
    try:
        path.write_bytes(wav)
    except OSError as error:
        raise StartError(f"the sound cannot be written to {path} ({error.strerror})") from error


def save(folder: str, name: str, sound: bytes) -> str:
    """Write a sound into *folder*, which is made where it is missing; gives its file, empty for no sound.

    Raises: StartError.
    """
    if not sound:
        return ""
    path = Path(folder) / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StartError(f"{folder} cannot be made ({error.strerror}): name another place with --out") from error
    write(path, sound)
    return str(path)


def _try(path: Path) -> None:
    existed = path.exists()
    path.open("ab").close()
    if not existed:
        path.unlink()
