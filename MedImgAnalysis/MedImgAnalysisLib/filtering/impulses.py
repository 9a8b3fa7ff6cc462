"""Isolated wrong voxels: how many there are."""

from __future__ import annotations

from itertools import product

import numpy as np

from ..kernels.ranks import ranked
from ..kernels.wavelets import NORMAL_QUARTILE
from ..progress import SILENT, Progress

BEYOND = 8.0
"""Differences from the median of the neighbourhood, in robust SD, that noise does not make."""
FRIENDS = {1: 0, 2: 1, 3: 3}
"""Neighbours that may have the value of an impulse, by the number of axes: more are a structure."""
TRACE = 1e-6


def impulse_fraction(
    array: np.ndarray,
    medians: np.ndarray,
    spreads: np.ndarray,
    inside: np.ndarray | None,
    still: int | None,
    progress: Progress = SILENT,
) -> float:
    """Part of the voxels (0 to 1) that stand alone: far from the median of their neighbourhood and like few neighbours.

    Parameters
    ----------
    array, medians, spreads
        (k, j, i) or (j, i): the image, its median over 3 voxels along each axis, and the median distance from that
        around each voxel.
    still
        An axis along which voxels are too far apart to be neighbours, as in `medians`; what is alike in the slices
        beside is a structure all the same.

    Far is eight times the SD of the noise, from the median distance in the image, or around the voxel where that is
    larger. Lines of one voxel look like impulses.
    """
    difference = np.abs(array.astype(np.float32) - medians.astype(np.float32))
    n = difference.size if inside is None else int(np.count_nonzero(inside))
    sd = float(ranked(difference, [(n - 1) // 2], inside, progress)[0]) / NORMAL_QUARTILE
    span = float(array.max()) - float(array.min())
    if span == 0:
        return 0.0
    progress.check()
    limits = np.maximum(BEYOND / NORMAL_QUARTILE * spreads, max(BEYOND * sd, TRACE * span))
    far = difference > limits
    if inside is not None:
        far &= inside
    places = np.argwhere(far)
    if not len(places):
        return 0.0
    values, limits = array[far].astype(np.float64), limits[far]
    axes = [axis for axis in range(array.ndim) if array.shape[axis] > 1 and axis != still]
    alone = _friends(array, places, values, limits, axes, progress) <= FRIENDS.get(len(axes), 0)
    if still is not None and array.shape[still] > 1:
        # An edge or a vessel is seen at about the same place in the next slice.
        beside = _friends(array, places, values, limits, axes, progress, still)
        alone &= beside <= FRIENDS[2]
    return float(np.count_nonzero(alone)) / n


def _friends(
    array: np.ndarray,
    places: np.ndarray,
    values: np.ndarray,
    limits: np.ndarray,
    axes: list[int],
    progress: Progress,
    still: int | None = None,
) -> np.ndarray:
    """How many neighbours of the places are alike: in the box of 3 voxels along `axes`, or in the slices beside it."""
    friends = np.zeros(len(places), int)
    for step, *steps in product((0,) if still is None else (-1, 1), *[(-1, 0, 1)] * len(axes)):
        progress.check()
        if not step and not any(steps):
            continue
        beside = places.copy()
        beside[:, axes] += steps
        if still is not None:
            beside[:, still] += step
        there = ((beside >= 0) & (beside < array.shape)).all(axis=1)
        near = array[tuple(beside[there].T)].astype(np.float64)
        friends[there] += np.abs(near - values[there]) <= limits[there]
    return friends
