"""A function of the voxel value alone: a look-up table for 8- and 16-bit images, slabs in float64 for others."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..blockwise import for_each, map_slabs, ranges
from ..progress import SILENT, Progress
from .ranks import is_narrow


def mapped(
    array: np.ndarray,
    function: Callable[[np.ndarray], np.ndarray],
    dtype: type,
    progress: Progress = SILENT,
    message: str = "",
    out: np.ndarray | None = None,
) -> np.ndarray:
    """`function(array)` in `dtype`, computed in float64; an array of the same shape, `out` where given.

    `function` takes and gives float64 arrays of any shape and looks at each value on its own.
    """
    out = np.empty(array.shape, dtype) if out is None else out
    if not is_narrow(array):
        return map_slabs(
            lambda slab: function(slab.astype(np.float64)), array, 0, out, progress=progress, message=message
        )
    unsigned = np.dtype(f"u{array.dtype.itemsize}")
    everything = np.arange(1 << (8 * array.dtype.itemsize), dtype=unsigned).view(array.dtype)
    table: np.ndarray = function(everything.astype(np.float64)).astype(dtype)

    def look_up(part: tuple[int, int]) -> None:
        start, stop = part
        places = np.ascontiguousarray(array[start:stop]).view(unsigned)
        # Places are never outside of the table; of the modes this one is the fastest.
        np.take(table, places, out=out[start:stop], mode="wrap")

    for_each(look_up, ranges(array.shape[0], array[:1].size), progress=progress, message=message)
    return out


def piecewise_linear(values: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Linear between the points (x rising strictly, at least two); the first and last piece go on beyond the ends."""
    inner = np.interp(values, x, y)
    first, last = (y[1] - y[0]) / (x[1] - x[0]), (y[-1] - y[-2]) / (x[-1] - x[-2])
    below, above = np.minimum(values - x[0], 0.0), np.maximum(values - x[-1], 0.0)
    return np.asarray(inner + first * below + last * above)
