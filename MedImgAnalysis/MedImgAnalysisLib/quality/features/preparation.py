"""From an image and a segment to a region that can be measured: cut out, resampled, rounded."""

from __future__ import annotations

import math

import numpy as np

from .interpolation import interpolated, line, part_of_line
from .local_peaks import RADIUS_MM
from .region import Region

HALF = 0.5 - 1e-9
"""Part of a resampled voxel that must be inside; rounding does not decide for those cut in the middle."""
SPLINE_REACH = 20
"""Voxels after which a spline has forgotten the border of what was cut out (to 1e-11)."""


def prepared(
    image: np.ndarray,
    mask: np.ndarray,
    spacing: tuple[float, float, float],
    wanted: tuple[float | None, float | None, float | None] = (None, None, None),
    cubic: bool = False,
    rounded: bool = False,
) -> Region | None:
    """The region of a boolean mask (k, j, i), None when it is empty; axes of all arguments are (k, j, i).

    Parameters
    ----------
    wanted
        New voxel size in mm along each axis, None where it stays.
    cubic
        Cubic spline instead of linear for intensities; masks are linear and keep what is inside by half.
    rounded
        Round resampled intensities to whole numbers.
    """
    hits = [np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis))) for axis in range(3)]
    if not hits[0].size:
        return None
    ends = [(int(h[0]), int(h[-1])) for h in hits]
    changed = [w is not None and not math.isclose(w, s, rel_tol=1e-9) for w, s in zip(wanted, spacing, strict=True)]
    reach = [
        math.ceil(RADIUS_MM / s) + 1 + 2 * c * math.ceil((w or s) / s) for w, s, c in zip(wanted, spacing, changed)
    ]
    extra = SPLINE_REACH if cubic and any(changed) else 1
    box = tuple(
        slice(max(low - r - extra, 0), min(high + r + extra + 1, n))
        for (low, high), r, n in zip(ends, reach, image.shape, strict=True)
    )
    values, shape = image[box].astype(np.float64), mask[box]
    if not any(changed):
        return Region(values, shape, shape, spacing)
    positions, sizes = [], []
    for axis in range(3):
        n, size = image.shape[axis], spacing[axis]
        target = wanted[axis]
        if changed[axis] and target is not None:
            whole, size = line(n, size, target), target
        else:
            whole = np.arange(float(n))
        low, high = ends[axis]
        positions.append(part_of_line(whole, low - reach[axis], high + reach[axis]) - box[axis].start)
        sizes.append(size)
    moved = interpolated(values, tuple(positions), cubic)
    inside = interpolated(shape, tuple(positions)) >= HALF
    if not inside.any():
        return None
    return Region(np.rint(moved) if rounded else moved, inside, inside, (sizes[0], sizes[1], sizes[2]))
