"""Resampling of a region to other voxel sizes, in the way that IBSI asks for.

The new lattice has `ceil(n s / s')` voxels along an axis of n voxels of s mm, and its middle is the middle of the old
one (IBSI 3WE3). Only the part about the region is computed; it does not depend on how the region was cut out.
"""

from __future__ import annotations

import math

import numpy as np

PAD = 12
"""Voxels that are repeated beyond the border before a spline is fitted."""


def line(n: int, spacing: float, wanted: float) -> np.ndarray:
    """Positions of the new voxel centres along one axis, in old voxels."""
    count = max(1, math.ceil(n * spacing / wanted - 1e-9))
    step = wanted / spacing
    return 0.5 * (n - 1) - 0.5 * (count - 1) * step + np.arange(count) * step


def part_of_line(positions: np.ndarray, low: float, high: float) -> np.ndarray:
    """The positions from `low` to `high` in old voxels, and one more on both sides."""
    first = max(int(np.searchsorted(positions, low, "left")) - 1, 0)
    last = min(int(np.searchsorted(positions, high, "right")) + 1, len(positions))
    return positions[first:last]


def interpolated(array: np.ndarray, positions: tuple[np.ndarray, ...], cubic: bool = False) -> np.ndarray:
    """Values of `array` at a lattice of positions (in its voxels), float64; the border value beyond the border.

    Trilinear, or a cubic spline through the voxels.
    """
    if not cubic:
        out = np.asarray(array, np.float64)
        for axis, at in enumerate(positions):
            n = out.shape[axis]
            at = np.clip(at, 0, n - 1)
            low = np.minimum(np.floor(at).astype(np.intp), max(n - 2, 0))
            weight = (at - low).reshape([-1 if a == axis else 1 for a in range(out.ndim)])
            high = np.minimum(low + 1, n - 1)
            out = out.take(low, axis) * (1 - weight) + out.take(high, axis) * weight
        return out
    from scipy import ndimage

    out = ndimage.spline_filter(np.pad(np.asarray(array, np.float64), PAD, mode="edge"), order=3, mode="mirror")
    for axis, at in enumerate(positions):
        at = np.clip(at, 0, array.shape[axis] - 1) + PAD
        low = np.floor(at).astype(np.intp)
        t = at - low
        weights = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
        shape = [-1 if a == axis else 1 for a in range(out.ndim)]
        out = sum(out.take(low + n - 1, axis) * (w / 6).reshape(shape) for n, w in enumerate(weights))
    return out
