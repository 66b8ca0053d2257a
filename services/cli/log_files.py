"""The services' logs in files, for a demo that a person watches."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from services.runtime.errors import StartError

from .children import Relay


@contextmanager
def written(folder: Path, names: Sequence[str]) -> Iterator[Relay]:
    """A relay that writes each child's lines to `<folder>/<name>.log`, from the beginning.

    Raises: StartError.
    """
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            files = {name: stack.enter_context((folder / f"{name}.log").open("w", buffering=1)) for name in names}
        except OSError as error:
            raise StartError(f"no logs can be kept in {folder} ({error.strerror}): set VOICEBUS_DATA") from error
        yield lambda name, line: print(line, file=files[name])
