"""Noise from the finest wavelet detail, and sharpness from derivatives."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..progress import Progress
from .arrays import slabs

DB2 = (-0.48296291314453416, 0.8365163037378079, -0.22414386804201339, -0.12940952255126037)
"""High-pass decomposition filter of the Daubechies wavelet with two vanishing moments."""
ROUNDING = 1e-13
NORMAL_QUARTILE = 0.6744897501960817


def noise_mad(array: np.ndarray, progress: Progress) -> tuple[float, str]:
    """median(|d|) / 0.6745 with d the finest diagonal detail of the db2 wavelet, and why it is undefined.

    Exact zeros are left out, as in scikit-image's `estimate_sigma`: a background that was set to 0 tells nothing of the
    noise. Texture raises the value, and on axes of few voxels the repeated borders lower it. Axes of one voxel are
    not transformed. Donoho and Johnstone 1994.
    """
    if array.dtype.kind == "f":
        for part in slabs(array.shape, progress):
            if not np.isfinite(array[part]).all():
                return math.nan, "nonfinite_input"
    detail = array
    # The first axis comes last, when the others have shrunk the array to a quarter.
    for axis in [a for a in (*range(1, array.ndim), 0) if array.shape[a] > 1]:
        detail = _detail(detail, axis, progress)
    if detail is array:
        return math.nan, "too_small"
    # The taps add up to 0 but for rounding, so a constant ground leaves a trace of that size.
    trace = ROUNDING * max(abs(float(array.min())), abs(float(array.max())))
    progress.check()
    np.abs(detail, out=detail)
    found = detail[detail > trace]
    if not found.size:
        return math.nan, "zero_variance"
    progress.check()
    return float(np.median(found)) / NORMAL_QUARTILE, ""


def _detail(array: np.ndarray, axis: int, progress: Progress) -> np.ndarray:
    """High-pass half of one level along an axis, with half-sample symmetric borders."""
    n = array.shape[axis]
    size = (n + len(DB2) - 1) // 2
    shape = list(array.shape)
    shape[axis] = size
    out = np.zeros(shape)
    # Index of the sample that tap k of coefficient m multiplies, folded back at the borders.
    for k, weight in enumerate(DB2):
        index = 2 * np.arange(size) + 1 - k
        index = np.mod(index, 2 * n)
        index = np.where(index < n, index, 2 * n - 1 - index)
        if axis == 0:
            for start in range(0, size, 16):
                progress.check()
                out[start : start + 16] += weight * array[index[start : start + 16]]
        else:
            for part in slabs(array.shape, progress):
                out[part] += weight * np.take(array[part], index, axis)
    return out


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
