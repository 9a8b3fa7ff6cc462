"""Noise from the finest wavelet detail, and sharpness from derivatives."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..kernels.wavelets import noise_sigma
from ..progress import Progress
from .arrays import slabs


def noise_mad(array: np.ndarray, progress: Progress) -> tuple[float, str]:
    """`noise_sigma` in float64, and why it is undefined."""
    if array.dtype.kind == "f":
        for part in slabs(array.shape, progress):
            if not np.isfinite(array[part]).all():
                return math.nan, "nonfinite_input"
    if max(array.shape) == 1:
        return math.nan, "too_small"
    found = noise_sigma(array, progress, dtype=np.float64)
    return (found, "") if found else (math.nan, "zero_variance")


class Sharpness(NamedTuple):
    """Mean squared gradient (per mm2), mean gradient (per mm) and variance of the Laplacian (voxel stencil)."""

    tenengrad: float
    gradient: float
    laplacian: float
    reason: str


def sharpness(
    array: np.ndarray, inside: np.ndarray | None, spacing: tuple[float, ...], progress: Progress
) -> Sharpness:
    """Sharpness in a mask; `spacing` in mm along the axes of `array`. Undefined where a neighbour is not finite.

    The gradient is that of `numpy.gradient` in millimetres, the Laplacian sums the second differences to the
    face neighbours in voxel units, with border voxels repeated. Variances divide by n.
    """
    from scipy.ndimage import laplace

    axes = [axis for axis in range(array.ndim) if array.shape[axis] > 1]
    if not axes:
        return Sharpness(math.nan, math.nan, math.nan, "too_small")
    n, sums = 0, np.zeros(4)
    shift: float | None = None
    for part in slabs(array.shape, progress):
        low, high = max(0, part.start - 1), min(array.shape[0], part.stop + 1)
        core = slice(part.start - low, part.stop - low)
        block = array[low:high].astype(np.float64)
        where = np.ones(block[core].shape, bool) if inside is None else inside[part]
        if not where.any():
            continue
        with np.errstate(invalid="ignore"):
            square = np.zeros(block[core].shape)
            for axis in axes:
                progress.check()
                square += np.square(np.gradient(block, spacing[axis], axis=axis)[core])
            second = laplace(block, mode="nearest")[core][where].ravel()
        square = square[where].ravel()
        if not (np.isfinite(square).all() and np.isfinite(second).all()):
            return Sharpness(math.nan, math.nan, math.nan, "nonfinite_input")
        shift = float(second.mean()) if shift is None else shift
        n += square.size
        second -= shift
        sums += (square.sum(), np.sqrt(square).sum(), second.sum(), np.square(second).sum())
    if n == 0:
        return Sharpness(math.nan, math.nan, math.nan, "no_head")
    tenengrad, gradient, mean, squares = sums / n
    return Sharpness(float(tenengrad), float(gradient), max(0.0, float(squares - mean * mean)), "")
