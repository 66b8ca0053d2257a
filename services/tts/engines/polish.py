"""A model's raw samples as a sound: one loudness for all voices, and the same pause after each part."""

import numpy as np
from numpy.typing import NDArray

from services.runtime.wav import Sound

LOUDNESS = 0.09
"""Root mean square of a part, of full scale: what Kokoro gives by itself (measured); Piper is 4 dB softer."""
PEAK = 0.95
LEAD_S = 0.05
PAUSE_S = 0.2

_SILENCE = 0.01
_MAX_GAIN = 4.0


def polish(samples: NDArray[np.float32], rate: int) -> Sound:
    """Trim the silence around *samples* (-1..1) to LEAD_S and PAUSE_S, and bring them to LOUDNESS below PEAK."""
    samples = _trim(samples, rate)
    level = float(np.sqrt(np.mean(samples**2))) if len(samples) else 0.0
    peak = float(np.max(np.abs(samples), initial=0.0))
    gain = min(LOUDNESS / level, PEAK / peak, _MAX_GAIN) if level else 1.0
    return Sound(np.round(samples * gain * np.iinfo(np.int16).max).astype(np.int16), rate)


def _trim(samples: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    heard = np.flatnonzero(np.abs(samples) > _SILENCE)
    if not len(heard):
        return samples
    lead, pause = round(LEAD_S * rate), round(PAUSE_S * rate)
    kept = samples[max(0, heard[0] - lead) : heard[-1] + 1 + pause]
    missing = pause - (len(samples) - 1 - heard[-1])
    return np.pad(kept, (0, max(0, missing)))
