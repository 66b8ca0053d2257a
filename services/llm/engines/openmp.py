"""OpenMP for llama.cpp: a library that fresh machines lack, and its threads kept from spinning.

xllamacpp takes `libgomp.so.1` from the system, which a small Debian image does not have; ctranslate2, which we install
for speech to text, brings one along under a name of its own. And its threads spin while they wait for each other:
on two shared cores that cost 0.1 tokens a second where sleeping threads write 13.
"""

import ctypes
import importlib.metadata
import os
import re
import sys
import tempfile
from pathlib import Path

from services.runtime.errors import StartError

LIBRARY = "libgomp.so.1"
DONOR = "ctranslate2"

_NAME = re.compile(rb"libgomp-[0-9a-f]+\.so\.1[.0-9]*\0")


def prepare() -> None:
    """Call it before xllamacpp is imported. Raises: StartError."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if sys.platform != "linux":
        return
    try:
        ctypes.CDLL(LIBRARY, ctypes.RTLD_GLOBAL)
    except OSError as error:
        donated = _donated()
        if donated is None:
            raise StartError(
                f"llama.cpp needs the system library {LIBRARY} ({error}); install it: `apt-get install libgomp1`"
            ) from error
        _load_renamed(donated)


def _donated() -> Path | None:
    try:
        package = importlib.metadata.distribution(DONOR)
    except importlib.metadata.PackageNotFoundError:
        return None
    found = (file for file in package.files or () if file.name.startswith("libgomp-"))
    return next((Path(str(package.locate_file(file))) for file in found), None)


def _load_renamed(library: Path) -> None:
    """Load a copy that says it is `libgomp.so.1`: the linker takes what is loaded under the name it looks for."""
    content = _NAME.sub(lambda found: LIBRARY.encode().ljust(len(found[0]), b"\0"), library.read_bytes())
    with tempfile.NamedTemporaryFile(suffix=LIBRARY) as copy:
        copy.write(content)
        copy.flush()
        ctypes.CDLL(copy.name, ctypes.RTLD_GLOBAL)
