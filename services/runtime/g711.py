"""A-law and µ-law, the eight bits of telephones (ITU-T G.711, tables 1 and 2), as the 16-bit samples they stand for.

Each byte is a sign, a segment of three bits and a step of four inside it; a segment's steps are twice those of the one
before. On the wire A-law has every other bit turned over, and µ-law all of them.
"""

import numpy as np
from numpy.typing import NDArray

_BYTES = np.arange(256, dtype=np.int32)


def _a_law() -> NDArray[np.int16]:
    code = _BYTES ^ 0x55
    segment, step = (code >> 4) & 7, code & 15
    magnitude = np.where(segment == 0, step * 2 + 1, (step * 2 + 33) << np.maximum(segment - 1, 0)) << 3
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


def _mu_law() -> NDArray[np.int16]:
    code = ~_BYTES & 0xFF
    segment, step = (code >> 4) & 7, code & 15
    magnitude = (((step * 2 + 33) << segment) - 33) << 2
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


A_LAW, MU_LAW = _a_law(), _mu_law()
"""The sample of each byte: 13 bits of A-law and 14 of µ-law, as the upper ones of 16."""
