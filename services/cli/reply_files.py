"""Where spoken replies are written."""

from pathlib import Path

from services.runtime.errors import StartError

NAME = "reply.wav"


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
    """Write a reply. Raises: StartError."""
    try:
        path.write_bytes(wav)
    except OSError as error:
        raise StartError(f"the reply cannot be written to {path} ({error.strerror})") from error


def _try(path: Path) -> None:
    existed = path.exists()
    path.open("ab").close()
    if not existed:
        path.unlink()
