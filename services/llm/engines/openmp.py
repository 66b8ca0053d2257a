"""Gives llama.cpp the OpenMP library that its package expects from the system, on a system that has none.

A bare Debian or Ubuntu has no `libgomp.so.1`. ctranslate2's package brings one, under a name of its own that the
loader does not take for it; a copy in memory under the usual name does.

Its threads would spin while they wait for each other: on two cores shared with other work, two spinning threads wrote
0.1 tokens a second and two sleeping ones 13.
"""

import ctypes
import importlib.metadata
import os
import sys
from pathlib import Path

from services.runtime.errors import StartError

SYSTEM_NAME = "libgomp.so.1"
LENDER = "ctranslate2"


def ensure() -> None:
    """Makes the next import of llama.cpp find OpenMP. Raises StartError where it is nowhere to be had."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # OpenMP reads it once, when it is loaded
    if sys.platform != "linux":
        return
    try:
        ctypes.CDLL(SYSTEM_NAME)
    except OSError:
        lend()


def lend() -> None:
    """Loads the lender's library under the name that llama.cpp asks for. Raises StartError."""
    content = renamed(*_bundled())
    file = os.memfd_create(SYSTEM_NAME)
    with os.fdopen(file, "wb") as memory:
        memory.write(content)
        memory.flush()
        ctypes.CDLL(f"/proc/self/fd/{file}")


def renamed(content: bytes, name: str) -> bytes:
    """The library with the name that it calls itself by replaced by the usual, shorter one.

    The loader compares that name with what llama.cpp asks for, and nothing else in the file changes.
    """
    old = name.encode() + b"\0"
    return content.replace(old, SYSTEM_NAME.encode().ljust(len(old), b"\0"))


def _bundled() -> tuple[bytes, str]:
    try:
        files = importlib.metadata.files(LENDER) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name.startswith("libgomp-"):
            return Path(file.locate()).read_bytes(), file.name
    raise StartError(f"llama.cpp needs {SYSTEM_NAME}, and it is not here: install it (Debian: apt install libgomp1)")
