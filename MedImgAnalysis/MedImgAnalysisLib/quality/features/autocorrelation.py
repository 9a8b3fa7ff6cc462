"""Moran's I and Geary's C of a region: all pairs of voxels, through convolution with 1 / distance."""

from __future__ import annotations

import math

import numpy as np

from ...progress import Progress
from .region import Region

LARGEST = 1 << 23
"""Voxels of the largest box (twice the region along each axis) whose pairs are summed up."""


def autocorrelation(region: Region, progress: Progress) -> tuple[float, float, str]:
    """Moran's I, Geary's C, and why they are undefined.

    `I = N / W sum_ij w_ij (x_i - m)(x_j - m) / sum_i (x_i - m)^2` and `C = (N - 1) / (2 W) sum_ij w_ij (x_i - x_j)^2
    / sum_i (x_i - m)^2`, w_ij = 1 / distance in mm, W their sum over i != j (Moran 1950, Geary 1954). Every pair
    counts; the sums over j are a convolution, done by FFT. Regions in a very large box are left out, with the reason
    `region_too_large`, instead of being sampled.
    """
    n = int(np.count_nonzero(region.inside))
    if n < 2:
        return math.nan, math.nan, "single_voxel" if n else "empty_region"
    box = tuple(
        slice(int(hits[0]), int(hits[-1]) + 1)
        for hits in (
            np.flatnonzero(region.inside.any(axis=tuple(a for a in range(3) if a != axis))) for axis in range(3)
        )
    )
    inside = region.inside[box]
    if math.prod(2 * m for m in inside.shape) > LARGEST:
        return math.nan, math.nan, "region_too_large"
    x = np.where(inside, region.values[box], 0.0)
    x[inside] -= x[inside].mean()
    squares = float((x * x).sum())
    if not np.ptp(region.intensities) > 0:
        return math.nan, math.nan, "zero_variance"
    near, ones = _weighted(x, inside, region.spacing, progress)
    total = float(ones[inside].sum())
    products = float((x * near)[inside].sum())
    differences = 2 * (float((x * x * ones)[inside].sum()) - products)
    return n / total * products / squares, (n - 1) / (2 * total) * differences / squares, ""


def _weighted(
    x: np.ndarray, inside: np.ndarray, spacing: tuple[float, float, float], progress: Progress
) -> tuple[np.ndarray, np.ndarray]:
    """For every voxel the sum over the others of weight times value, and of weight times being inside."""
    from scipy import fft

    shape = [fft.next_fast_len(2 * n - 1) for n in x.shape]
    lags = [np.minimum(np.arange(m), m - np.arange(m)) * step for m, step in zip(shape, spacing, strict=True)]
    distance = np.sqrt(lags[0][:, None, None] ** 2 + lags[1][None, :, None] ** 2 + lags[2][None, None, :] ** 2)
    distance[0, 0, 0] = math.inf
    # Both sums by one transform: the values are its real part and the mask its imaginary part.
    both = np.zeros(shape, complex)
    own = tuple(slice(0, n) for n in x.shape)
    both[own] = x + 1j * inside
    kernel = (1 / distance).astype(complex)
    for axis in range(3):
        progress.check()
        both = fft.fft(both, axis=axis, overwrite_x=True)
        progress.check()
        kernel = fft.fft(kernel, axis=axis, overwrite_x=True)
    both *= kernel
    for axis in range(3):
        progress.check()
        both = fft.ifft(both, axis=axis, overwrite_x=True)
    return both.real[own], both.imag[own]
