"""Voxel values as the small floats that most methods work on."""

from __future__ import annotations

import numpy as np


def centred(array: np.ndarray) -> tuple[np.ndarray, float]:
    """The values less an offset, float32, and the offset.

    It is 0 for types that float32 holds exactly, else the middle of the range: differences of one would be lost beside
    values of a hundred million.
    """
    if array.dtype.itemsize <= 2 or array.dtype == np.float32:
        return array.astype(np.float32), 0.0
    offset = (float(array.min()) + float(array.max())) / 2
    out = np.empty(array.shape, np.float32)
    np.subtract(array, offset, out=out, dtype=np.float64, casting="same_kind")
    return out, offset
