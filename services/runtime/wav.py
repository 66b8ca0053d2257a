"""WAV files: read, check, normalise, write, join.

A sound here is mono, 16-bit; every real form of WAV is read into that (see `riff` for the chunks). Of several channels
the loudest is heard: a sum would mix two speakers, and be silence where one channel is the other turned over.
"""

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import soxr  # type: ignore[import-untyped]
from msgspec import Struct
from numpy.typing import NDArray

from bus_schemas import codes

from . import g711, riff
from .errors import Refused
from .riff import Layout

RATE = 16_000
"""The rate of every utterance on the bus, Hz: what Whisper hears."""
HEADER_BYTES = 44
MEBIBYTE = 1024 * 1024

_FULL = 32_768.0
"""Full scale of a 16-bit sample."""
_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")


class Sound(Struct, frozen=True):
    """Mono audio."""

    samples: NDArray[np.int16]
    rate: int
    """Samples a second, Hz."""

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate


class WavLimits(Struct, frozen=True):
    """What is taken of a stranger."""

    max_seconds: float = 120.0
    max_bytes: int = 32 * MEBIBYTE


def read(data: bytes, limits: WavLimits) -> Sound:
    """Decode a WAV file of any real form, at its own rate; of several channels the loudest.

    Raises: Refused with NOT_WAV, COMPRESSED, UNSUPPORTED, EMPTY, TOO_LONG, TOO_LARGE or TRUNCATED.
    """
    return _decode(data, _checked(data, limits))


def normalise(data: bytes, limits: WavLimits) -> bytes:
    """Any WAV file as a WAV of 16 kHz, mono, 16-bit; one that is so already comes back as it is.

    Raises: as `read`.
    """
    if is_normal(data, limits):
        return data
    layout = _checked(data, limits)
    sound = resample(_decode(data, layout), RATE)
    if not len(sound.samples):
        raise Refused(codes.EMPTY, f"This WAV file holds {layout.frames} samples: nothing that can be heard.")
    return write(sound)


def is_normal(data: bytes, limits: WavLimits) -> bool:
    """Whether `normalise` would give it back as it is; that takes no longer for a long file."""
    size = len(data) - HEADER_BYTES
    if not 0 < size <= min(limits.max_bytes - HEADER_BYTES, limits.max_seconds * RATE * 2) or size % 2:
        return False
    return data[:HEADER_BYTES] == _head(size, RATE)


def write(sound: Sound) -> bytes:
    """A canonical WAV file: 44 bytes of header, then 16-bit samples."""
    samples = np.ascontiguousarray(sound.samples, dtype="<i2")
    return b"".join((_head(samples.nbytes, sound.rate), samples.data))


def resample(sound: Sound, rate: int) -> Sound:
    """The same sound at *rate* Hz."""
    if sound.rate == rate or not len(sound.samples):
        return Sound(sound.samples, rate)
    # In float: soxr adds random dither to 16-bit output, and the same input must give the same bytes.
    changed = soxr.resample(sound.samples.astype(np.float32), sound.rate, rate)
    return Sound(_to_int16(changed), rate)


def join(wavs: Sequence[bytes], max_bytes: int) -> bytes:
    """One WAV file of many, in order; empty ones are skipped, and of nothing comes a WAV without samples.

    It has the rate of the first, or 16 kHz when it would be over *max_bytes*; it may still be over.

    Raises: as `read`, without limits.
    """
    sounds = [_decode(wav, riff.layout(wav)) for wav in wavs if len(wav) > HEADER_BYTES]
    if not sounds:
        return SILENCE
    whole = _concatenate(sounds, sounds[0].rate)
    if HEADER_BYTES + whole.samples.nbytes > max_bytes and whole.rate > RATE:
        whole = resample(whole, RATE)
    return write(whole)


def _head(size: int, rate: int) -> bytes:
    """The header before *size* bytes of samples."""
    return _HEADER.pack(b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, riff.PCM, 1, rate, rate * 2, 2, 16, b"data", size)


SILENCE = _head(0, RATE)
"""A WAV file without samples."""


def _concatenate(sounds: Sequence[Sound], rate: int) -> Sound:
    if len(sounds) == 1:
        return sounds[0]
    return Sound(np.concatenate([resample(sound, rate).samples for sound in sounds]), rate)


def _checked(data: bytes, limits: WavLimits) -> Layout:
    if len(data) > limits.max_bytes:
        raise Refused(
            codes.TOO_LARGE,
            f"The message has {len(data) / MEBIBYTE:.1f} MiB; at most {limits.max_bytes / MEBIBYTE:g} MiB are taken.",
        )
    layout = riff.layout(data)
    if layout.seconds > limits.max_seconds:
        raise Refused(
            codes.TOO_LONG,
            f"The sound is {layout.seconds:.1f} s long; at most {limits.max_seconds:g} s are taken: send it in parts.",
        )
    return layout


def _decode(data: bytes, layout: Layout) -> Sound:
    raw = _raw(data, layout)
    if layout.channels == 1:
        return Sound(_sixteen(raw, layout), layout.rate)
    channels = raw.reshape(layout.frames, layout.channels).T
    return Sound(max((_sixteen(each, layout) for each in channels), key=_energy), layout.rate)


def _energy(samples: NDArray[np.int16]) -> float:
    """How loud it is, whatever its direct current."""
    return float(samples.var(dtype=np.float32))


def _raw(data: bytes, layout: Layout) -> NDArray[Any]:
    """The samples as they are written, channels interleaved; those of three bytes as the upper ones of four."""
    count = layout.frames * layout.channels
    if layout.width == 3:
        narrow = np.frombuffer(data, np.uint8, count * 3, layout.start).reshape(count, 3)
        wide = np.zeros((count, 4), np.uint8)
        wide[:, 1:] = narrow
        return wide.reshape(-1).view("<i4")
    kind = "f" if layout.tag == riff.FLOAT else "u" if layout.width == 1 else "i"
    raw = np.frombuffer(data, f"<{kind}{layout.width}", count, layout.start)
    gap = layout.width * 8 - layout.bits
    return raw << gap if gap and layout.width != 1 and _is_low(raw, gap, layout) else raw


def _is_low(raw: NDArray[Any], gap: int, layout: Layout) -> bool:
    """Whether samples with *gap* bits to spare have them above, as ALSA does, and not below as the standard says.

    Where the samples could be either, or neither, the header decides.
    """
    edge = 1 << (layout.bits - 1)
    low = bool(((raw >= -edge) & (raw < edge)).all() or ((raw >= 0) & (raw < 2 * edge)).all())
    high = not (raw & ((1 << gap) - 1)).any()
    return low if low != high else not layout.justified


def _sixteen(raw: NDArray[Any], layout: Layout) -> NDArray[np.int16]:
    """One channel in 16 bits."""
    match layout.tag:
        case riff.A_LAW:
            return np.take(g711.A_LAW, raw)
        case riff.MU_LAW:
            return np.take(g711.MU_LAW, raw)
        case riff.PCM if raw.itemsize == 2:
            return raw.view(np.int16)
    # Hostile floats overflow on the way; what comes of it is cut to full scale.
    with np.errstate(all="ignore"):
        kind = np.float64 if layout.tag == riff.FLOAT else np.float32
        wide: NDArray[np.floating] = raw.astype(kind)
        if raw.itemsize == 1:
            wide -= 128
        wide *= _FULL if layout.tag == riff.FLOAT else _FULL / 2.0 ** (raw.itemsize * 8 - 1)
    return _to_int16(wide)


def _to_int16(samples: NDArray[np.floating]) -> NDArray[np.int16]:
    """Round to 16 bits what is already in their scale; NaN is silence. Works in place."""
    np.nan_to_num(samples, copy=False, nan=0.0, posinf=_FULL, neginf=-_FULL)
    np.clip(np.rint(samples, out=samples), -_FULL, _FULL - 1, out=samples)
    return samples.astype(np.int16)
