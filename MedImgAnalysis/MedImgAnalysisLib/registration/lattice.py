"""Where the metric looks: points between the voxels.

Samples at voxel centres make a metric rise or fall whenever the axes of both grids come to lie on each other (Pluim et
al. 2000), so that small motions are missed. Points of a lattice that is out of step with the voxels see all phases at
once.
"""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from ..geometry import Grid

Box = tuple[np.ndarray, np.ndarray]
"""Lowest and highest corner along (i, j, k), as part of the way from the first to the last voxel centre."""

OUT_OF_STEP = 0.3
"""Voxels by which the distance of the points differs from a whole number of voxels."""


def mask_box(mask: sitk.Image | None, dimension: int) -> Box:
    """The box of a mask on its own grid; everything without one."""
    if mask is None:
        return np.zeros(dimension), np.ones(dimension)
    inside = sitk.GetArrayViewFromImage(mask) != 0
    low, high = np.zeros(dimension), np.ones(dimension)
    for axis in range(dimension):
        others = tuple(a for a in range(dimension) if a != axis)
        found = np.flatnonzero(inside.any(axis=others))
        last = max(inside.shape[axis] - 1, 1)
        # Axes of arrays are (k, j, i).
        low[dimension - 1 - axis], high[dimension - 1 - axis] = found[0] / last, found[-1] / last
    return low, high


def lattice(fixed: sitk.Image, mask: sitk.Image | None, count: int, seed: int) -> Grid:
    """About `count` points inside the mask, on a lattice over its box; `seed` shifts it.

    Distances are the same along all axes when counted in voxels.
    """
    grid = Grid.of(fixed)
    size = np.array(grid.size, float)
    low, high = (part * (size - 1) for part in mask_box(mask, grid.dimension))
    sides = np.maximum(high - low, 1.0)
    low = np.clip((low + high - sides) / 2, 0, size - 1 - sides)
    wanted = count / _filled(mask)
    step = np.minimum(sides / 2, (np.prod(sides) / wanted) ** (1 / grid.dimension))
    # Out of step with the voxels within a few of them, not only across the image.
    near = np.rint(step)
    aside = np.where(step < 1, near - OUT_OF_STEP, near + OUT_OF_STEP)
    step = np.where((near > 0) & (np.abs(step - near) < OUT_OF_STEP), aside, step)
    points = np.maximum(2, np.floor(sides / step)).astype(int)
    first = low + np.random.default_rng(seed).uniform(0.0, 1.0, grid.dimension) * (sides - (points - 1) * step)
    origin = grid.to_physical(first[None])[0]
    return Grid(
        tuple(int(n) for n in points),
        tuple((step * np.array(grid.spacing)).tolist()),
        tuple(origin.tolist()),
        grid.direction,
    )


def _filled(mask: sitk.Image | None) -> float:
    """Part of its box that a mask fills."""
    if mask is None:
        return 1.0
    array = sitk.GetArrayViewFromImage(mask)
    low, high = mask_box(mask, array.ndim)
    inside = np.prod((high - low) * (np.array(array.shape[::-1]) - 1) + 1)
    return float(np.clip(np.count_nonzero(array) / inside, 0.02, 1.0))
