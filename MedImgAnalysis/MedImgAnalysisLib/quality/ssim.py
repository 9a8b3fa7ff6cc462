"""Structural similarity with the Gaussian window of Wang et al. 2004, in 3-D or slice by slice."""

from __future__ import annotations

import math

import numpy as np

from ..kernels.separable import apply
from ..progress import Progress

SIGMA = 1.5
RADIUS = 5
K1, K2 = 0.01, 0.03
CORE = 48
"""Rows and slices of a block without its rim: small enough for the cache and for a quick cancel."""


def structural_similarity(
    a: np.ndarray,
    b: np.ndarray,
    data_range: float,
    progress: Progress,
    inside: np.ndarray | None = None,
    slicewise: bool = False,
) -> tuple[float, str]:
    """Mean SSIM of two arrays (k, j, i) and, where it is undefined, the reason.

    SSIM = (2 ma mb + C1) (2 sab + C2) / ((ma^2 + mb^2 + C1) (sa^2 + sb^2 + C2)), C = (K L)^2, K1 = 0.01,
    K2 = 0.03, L = `data_range`; local means and population covariances under a Gaussian window of 11 voxels
    along each axis with sigma 1.5 voxels. The mean is over the voxels whose whole window lies in the image, and in
    `inside` where given (Wang et al. 2004, IEEE TIP 13:600). Windows are in voxels, not in millimetres.
    """
    axes = tuple(range(1 if slicewise and a.ndim == 3 else 0, a.ndim))
    if any(a.shape[axis] < 2 * RADIUS + 1 for axis in axes):
        return math.nan, "too_small"
    if not data_range > 0:
        return math.nan, "zero_variance"
    if a.ndim == 2:
        a, b, inside = a[None], b[None], None if inside is None else inside[None]
        axes = (1, 2)
    radii = [RADIUS if axis in axes else 0 for axis in range(3)]
    starts = [range(0, n - 2 * r, CORE) for n, r in zip(a.shape[:2], radii)]
    blocks = [(k, j) for k in starts[0] for j in starts[1]]
    total, count = 0.0, 0
    for number, (k, j) in enumerate(blocks):
        step = progress.part(number / len(blocks), number / len(blocks))
        step.report(0.0, "Structural similarity")
        part = slice(k, k + CORE + 2 * radii[0]), slice(j, j + CORE + 2 * radii[1])
        wanted = None if inside is None else _whole_windows(inside[part], radii)
        if wanted is not None and not wanted.any():
            continue
        x, y = a[part].astype(np.float64), b[part].astype(np.float64)
        good = np.isfinite(x) & np.isfinite(y)
        if not good.all():
            clean = _whole_windows(good, radii)
            if not (clean if wanted is None else clean[wanted]).all():
                return math.nan, "nonfinite_input"
            # Beside the windows that count; a matrix product would carry them everywhere.
            x[~good] = y[~good] = 0
        local = _similarity(x, y, data_range, radii, step)
        chosen = local if wanted is None else local[wanted]
        if not np.isfinite(chosen).all():
            return math.nan, "nonfinite_input"
        total += float(chosen.sum())
        count += chosen.size
    return (total / count, "") if count else (math.nan, "too_small")


def _similarity(a: np.ndarray, b: np.ndarray, data_range: float, radii: list[int], progress: Progress) -> np.ndarray:
    """SSIM at the voxels whose whole window is in the block."""
    matrices = [_windows(n) if r else None for n, r in zip(a.shape, radii)]

    def mean(array: np.ndarray) -> np.ndarray:
        return apply(array, matrices, progress, "Structural similarity", np.float64)

    with np.errstate(invalid="ignore", over="ignore"):
        c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
        ma, mb = mean(a), mean(b)
        saa, sbb, sab = mean(a * a) - ma * ma, mean(b * b) - mb * mb, mean(a * b) - ma * mb
        return (2 * ma * mb + c1) * (2 * sab + c2) / ((ma * ma + mb * mb + c1) * (saa + sbb + c2))


def _windows(n: int) -> np.ndarray:
    """Matrix (n - 10, n) that takes the weighted mean of each whole window along an axis."""
    matrix = np.zeros((n - 2 * RADIUS, n))
    for offset, weight in enumerate(_KERNEL):
        np.fill_diagonal(matrix[:, offset:], weight)
    return matrix


def _whole_windows(inside: np.ndarray, radii: list[int]) -> np.ndarray:
    """Voxels, without the rim of `radii`, whose whole window is inside."""
    from scipy.ndimage import minimum_filter1d

    array = inside.astype(np.uint8)
    for axis, radius in enumerate(radii):
        if radius:
            array = minimum_filter1d(array, 2 * radius + 1, axis, mode="constant", cval=0)
    return array[tuple(slice(r, n - r) for r, n in zip(radii, inside.shape))] != 0


def _kernel() -> np.ndarray:
    weights = np.exp(-np.square(np.arange(-RADIUS, RADIUS + 1)) / (2 * SIGMA**2))
    return weights / weights.sum()


_KERNEL = _kernel()
