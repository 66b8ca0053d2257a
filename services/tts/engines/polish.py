"""A model's raw samples as a sound: one loudness for all voices, and the same pause after each part."""

import numpy as np
from numpy.typing import NDArray

from services.runtime.wav import Sound

LOUDNESS = 0.09
"""Root mean square of speech, of full scale: what Kokoro gives by itself (measured); Piper is 4 dB softer."""
PEAK = 0.95
LEAD_S = 0.05
PAUSE_S = 0.2

_SILENCE = 0.01
_MAX_GAIN = 4.0
_KNEE = 0.6
"""From here on a piece with too high a peak is bent, not cut: a consonant may be 16 dB above its voice's loudness."""


def trim(samples: NDArray[np.float32], rate: int, *, first: bool = True, last: bool = True) -> NDArray[np.float32]:
    """Bring the silence before the *first* piece of a part to LEAD_S, and that behind its *last* to PAUSE_S.

    A sound that is silent altogether stays as it is.
    """
    heard = np.flatnonzero(np.abs(samples) > _SILENCE)
    if not len(heard):
        return samples
    begin = max(0, heard[0] - round(LEAD_S * rate)) if first else 0
    if not last:
        return samples[begin:]
    pause = round(PAUSE_S * rate)
    missing = pause - (len(samples) - 1 - heard[-1])
    return np.pad(samples[begin : heard[-1] + 1 + pause], (0, max(0, missing)))


def gain(samples: NDArray[np.float32]) -> float:
    """What brings *samples* (-1..1) to LOUDNESS, and none above PEAK; silence is not lifted into sound."""
    level = float(np.sqrt(np.mean(samples**2))) if len(samples) else 0.0
    peak = float(np.max(np.abs(samples), initial=0.0))
    return min(LOUDNESS / level, PEAK / peak, _MAX_GAIN) if level else 1.0


def sound(samples: NDArray[np.float32], rate: int, gain: float) -> Sound:
    """*samples*, louder by *gain*, below PEAK, whatever sound that gain was found for."""
    loud = samples * gain
    if np.max(np.abs(loud), initial=0.0) > PEAK:
        loud = _bent(loud)
    return Sound(np.round(loud * np.iinfo(np.int16).max).astype(np.int16), rate)


def _bent(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    room = PEAK - _KNEE
    over = np.maximum(np.abs(samples) - _KNEE, 0)
    return np.where(over > 0, np.sign(samples) * (_KNEE + room * np.tanh(over / room)), samples)
