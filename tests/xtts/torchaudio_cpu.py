"""Lets the torchaudio of the package index, which is linked to CUDA's libraries, work beside a torch without CUDA.

XTTS takes two things from it, a resampler and a spectrogram, and both are written in torch alone. On a machine with a
GPU, where torch and torchaudio are from the same index, nothing of this is needed.
"""

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any


def without_its_library() -> None:
    """Say that torchaudio's compiled part is not there, before the first import looks for it."""
    part = ModuleType("torchaudio._extension")
    part._IS_TORCHAUDIO_EXT_AVAILABLE = False  # type: ignore[attr-defined]
    part._IS_ALIGN_AVAILABLE = False  # type: ignore[attr-defined]
    part._IS_RIR_AVAILABLE = False  # type: ignore[attr-defined]
    part.fail_if_no_align = _as_it_is  # type: ignore[attr-defined]
    part.fail_if_no_rir = _as_it_is  # type: ignore[attr-defined]
    part.lazy_import_sox_ext = None  # type: ignore[attr-defined]
    sys.modules["torchaudio._extension"] = part


def _as_it_is(function: Callable[..., Any]) -> Callable[..., Any]:
    return function
