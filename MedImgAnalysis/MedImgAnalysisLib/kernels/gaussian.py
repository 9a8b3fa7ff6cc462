"""Gaussian smoothing and Gaussian derivatives by the sampled kernel, exact but for rounding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..progress import SILENT, Progress
from .separable import apply, reflected

TRUNCATE = 4.0
"""Half width of the kernels in sigmas."""


def radius(sigma: float) -> int:
    """Half width of the kernel in voxels, for sigma in voxels; 0 when it has no effect."""
    return int(TRUNCATE * sigma + 0.5)


def taps(sigma: float, order: int = 0) -> np.ndarray:
    """Weights of the Gaussian (sum 1) or of its first or second derivative, for sigma in voxels.

    The weights of a derivative are corrected for sampling and cut: the first derivative of a ramp and the second one
    of a parabola are exact for every sigma. Kernels of three taps are the central differences.
    """
    r = max(radius(sigma), min(order, 1))
    x = np.arange(-r, r + 1.0)
    bell = np.exp(-0.5 * (x / max(sigma, 1e-3)) ** 2)
    bell /= bell.sum()
    if order == 0:
        return bell
    if r == 1:
        return np.array([-0.5, 0.0, 0.5] if order == 1 else [1.0, -2.0, 1.0])[::-1]
    if order == 1:
        odd = -x * bell
        return odd / -(odd @ x)
    even = (x**2 - sigma**2) * bell
    even -= even.sum() * bell
    return even * 2 / (even @ x**2)


def smooth(
    array: np.ndarray, sigmas: Sequence[float], progress: Progress = SILENT, message: str = "Smoothing"
) -> np.ndarray:
    """The array convolved with a Gaussian; `sigmas` in voxels by numpy axis, values mirrored at the border."""
    return derivative(array, sigmas, [0] * array.ndim, progress, message)


def smooth_product(
    array: np.ndarray, other: np.ndarray, sigmas: Sequence[float], progress: Progress = SILENT
) -> np.ndarray:
    """`smooth` of `array * other`, which is never made whole."""
    matrices = [reflected(n, taps(sigma)) if radius(sigma) else None for n, sigma in zip(array.shape, sigmas)]
    return apply(array, matrices, progress, "Smoothing", times=other)


def derivative(
    array: np.ndarray,
    sigmas: Sequence[float],
    orders: Sequence[int],
    progress: Progress = SILENT,
    message: str = "Derivatives",
) -> np.ndarray:
    """The derivative of the smoothed array, per voxel; `orders` (0, 1 or 2) by numpy axis.

    Axes of one voxel have no derivative: the result is 0.
    """
    matrices = [
        reflected(n, taps(sigma, order)) if order or radius(sigma) else None
        for n, sigma, order in zip(array.shape, sigmas, orders, strict=True)
    ]
    return apply(array, matrices, progress, message)
