"""The recordings that XTTS imitates: read, checked, and known by their content."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import soxr  # type: ignore[import-untyped]
from msgspec import Struct
from numpy.typing import NDArray

from services.runtime import wav
from services.runtime.errors import Refused, StartError
from services.runtime.wav import WavLimits

RATE = 22_050
"""What XTTS hears a reference at, Hz."""
LONGEST_S = 30.0
"""Of each recording so much is listened to."""
SHORTEST_S = 1.0
"""XTTS itself fails below 0.33 s."""
ADVISED_S = 6.0
QUIET, SILENT = 0.02, 0.001
"""Root mean square, of full scale: below QUIET the noise of the room is imitated too."""
FULL, CLIPPED = 0.999, 0.001
"""A recording is clipped when more than CLIPPED of its samples stand at FULL scale."""
PEAK = 0.75
"""What a quiet recording is brought to, as coqui-tts does with `sound_norm_refs`."""

_LIMITS = WavLimits(max_seconds=600.0, max_bytes=256 * wav.MEBIBYTE)
_FULL_SCALE = 32_768.0


class Reference(Struct, frozen=True):
    """One person's recordings."""

    sounds: tuple[NDArray[np.float32], ...]
    """Each mono, RATE Hz, -1..1, LONGEST_S at most."""
    warnings: tuple[str, ...]
    """What will be heard in the voice: sentences for an operator."""


def content(paths: Sequence[Path]) -> tuple[bytes, ...]:
    """The bytes of the recordings. Raises: StartError."""
    try:
        return tuple(path.read_bytes() for path in paths)
    except OSError as error:
        raise StartError(f"the recording {error.filename} cannot be read ({error.strerror})") from error


def key(recordings: Sequence[bytes], parameters: str) -> str:
    """What the latents of these recordings are known by: content, whatever they are called."""
    digest = hashlib.sha256(parameters.encode())
    for recording in recordings:
        digest.update(hashlib.sha256(recording).digest())
    return digest.hexdigest()


def read(recordings: Sequence[bytes], paths: Sequence[Path]) -> Reference:
    """Decode and judge. Raises: StartError for one that cannot be imitated."""
    sounds, warnings = [], []
    seconds = 0.0
    for recording, path in zip(recordings, paths, strict=True):
        try:
            sound = wav.read(recording, _LIMITS)
        except Refused as error:
            raise StartError(f"the recording {path} cannot be used: {error.message}") from error
        seconds += sound.seconds
        samples = sound.samples[: round(LONGEST_S * sound.rate)].astype(np.float32) / np.float32(_FULL_SCALE)
        if sound.seconds < SHORTEST_S or _level(samples) < SILENT:
            raise StartError(f"nobody can be imitated by {path}: it needs a second of speech at least, better 6 to 30")
        warnings += [f"{path.name} {trouble}" for trouble in _troubles(samples, sound.rate)]
        sounds.append(_at_rate(_louder(samples), sound.rate))
    if seconds < ADVISED_S:
        warnings.append(f"{seconds:.1f} s of recordings: a voice is imitated well from {ADVISED_S:g} s on")
    return Reference(tuple(sounds), tuple(warnings))


def _troubles(samples: NDArray[np.float32], rate: int) -> Iterator[str]:
    if rate < RATE:
        yield f"has {rate} Hz: the voice will sound dull, record at {RATE} Hz or more"
    if _level(samples) < QUIET:
        yield f"is quiet (level {_level(samples):.3f}): its noise is imitated too, record it louder"
    clipped = float(np.mean(np.abs(samples) >= FULL))
    if clipped > CLIPPED:
        yield f"is clipped ({clipped:.1%} of it): the voice will sound harsh, record it softer"


def _level(samples: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean(samples**2)))


def _louder(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    if _level(samples) >= QUIET:
        return samples
    return np.asarray(samples * (PEAK / np.max(np.abs(samples))), dtype=np.float32)


def _at_rate(samples: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    if rate == RATE:
        return samples
    return np.asarray(soxr.resample(samples, rate, RATE), dtype=np.float32)
