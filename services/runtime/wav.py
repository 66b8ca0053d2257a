"""WAV files: read, check, normalise, write."""

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray


class Sound(Struct, frozen=True):
    """Mono audio."""

    samples: NDArray[np.int16]
    rate: int
    """Samples a second, Hz."""
