"""Structural similarity with the Gaussian window of Wang et al. 2004, in 3-D or slice by slice."""

from __future__ import annotations

import math

import numpy as np

from ..progress import Progress

SIGMA = 1.5
RADIUS = 5
K1, K2 = 0.01, 0.03
SLAB_VOXELS = 1 << 20


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
    total, count = 0.0, 0
    rim = tuple(slice(RADIUS, -RADIUS) if axis in axes else slice(None) for axis in range(a.ndim))
    halo = RADIUS if 0 in axes else 0
    depth = max(1, SLAB_VOXELS // math.prod(a.shape[1:]))
    starts = range(halo, a.shape[0] - halo, depth)
    for number, start in enumerate(starts):
        progress.report(number / len(starts), "Structural similarity")
        part = slice(start - halo, min(start + depth, a.shape[0] - halo) + halo)
        wanted = None if inside is None else _window_inside(inside[part], axes)[rim]
        if wanted is not None and not wanted.any():
            continue
        local = _similarity(a[part].astype(np.float64), b[part].astype(np.float64), data_range, axes, progress)[rim]
        chosen = local if wanted is None else local[wanted]
        if not np.isfinite(chosen).all():
            return math.nan, "nonfinite_input"
        total += float(chosen.sum())
        count += chosen.size
    return (total / count, "") if count else (math.nan, "too_small")


def _similarity(
    a: np.ndarray, b: np.ndarray, data_range: float, axes: tuple[int, ...], progress: Progress
) -> np.ndarray:
    def mean(array: np.ndarray) -> np.ndarray:
        from scipy.ndimage import correlate1d

        progress.check()
        for axis in axes:
            array = correlate1d(array, _KERNEL, axis)
        return array

    with np.errstate(invalid="ignore", over="ignore"):
        c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
        ma, mb = mean(a), mean(b)
        saa, sbb, sab = mean(a * a) - ma * ma, mean(b * b) - mb * mb, mean(a * b) - ma * mb
        return (2 * ma * mb + c1) * (2 * sab + c2) / ((ma * ma + mb * mb + c1) * (saa + sbb + c2))


def _window_inside(inside: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """Voxels whose whole window is inside."""
    from scipy.ndimage import minimum_filter1d

    array = inside.astype(np.uint8)
    for axis in axes:
        array = minimum_filter1d(array, 2 * RADIUS + 1, axis, mode="constant", cval=0)
    return array != 0


def _kernel() -> np.ndarray:
    weights = np.exp(-np.square(np.arange(-RADIUS, RADIUS + 1)) / (2 * SIGMA**2))
    return weights / weights.sum()


_KERNEL = _kernel()
