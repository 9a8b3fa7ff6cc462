"""Interpolation along one axis as a banded matrix, for `separable.apply`; equal to ITK's interpolators.

Values are mirrored at the border voxels where the cubic spline needs more of them (as ITK does); within half a voxel
beyond the border centres the image is still defined, further out rows are empty.
"""

from __future__ import annotations

import math

import numpy as np

EDGE = 1e-9
"""Part of a voxel that rounding may put a position beyond the border."""
FWHM = 2 * math.sqrt(2 * math.log(2))
NEGLIGIBLE = 1e-9


def positions(start: float, step: float, count: int) -> np.ndarray:
    """Where the new voxels lie in voxels of the old axis."""
    return start + step * np.arange(count)


def defined(at: np.ndarray, length: int) -> np.ndarray:
    """Which positions lie in a voxel of the image."""
    return np.asarray((at >= -0.5 - EDGE) & (at < length - 0.5 + EDGE))


def linear(at: np.ndarray, length: int) -> np.ndarray:
    """Matrix (positions, length) of linear interpolation; the border voxel goes on for half a voxel."""
    inside = defined(at, length)
    place = np.clip(at, 0, length - 1)
    low = np.minimum(np.floor(place).astype(int), max(length - 2, 0))
    part = place - low
    matrix = np.zeros((len(at), length))
    rows = np.arange(len(at))
    matrix[rows, low] = 1 - part
    matrix[rows, np.minimum(low + 1, length - 1)] += part
    matrix[~inside] = 0
    return matrix


def cubic_spline(at: np.ndarray, length: int) -> np.ndarray:
    """Matrix (positions, length) of the interpolating cubic B-spline, its recursive filter included."""
    from scipy.ndimage import spline_filter1d

    inside = defined(at, length)
    if length == 1:
        return inside[:, None].astype(float)
    coefficients = spline_filter1d(np.eye(length), 3, axis=0, mode="mirror", output=np.float64)
    low = np.floor(at).astype(int)
    matrix = np.zeros((len(at), length))
    for offset in range(-1, 3):
        distance = np.abs(at - (low + offset))
        near, far = 2 / 3 - distance**2 + distance**3 / 2, (2 - distance) ** 3 / 6
        weight = np.where(distance < 1, near, np.where(distance < 2, far, 0.0))
        weight[~inside] = 0
        index = np.mod(low + offset, 2 * (length - 1))
        matrix += weight[:, None] * coefficients[np.where(index < length, index, 2 * (length - 1) - index)]
    matrix[np.abs(matrix) < NEGLIGIBLE] = 0
    return matrix


def anti_alias_sigma(step: float) -> float:
    """SD in old voxels of the Gaussian that turns a voxel into one that is `step` times as wide; 0 when not wider.

    Both voxels are taken for Gaussians whose full width at half maximum is the voxel width (Cardoso et al. 2015).
    """
    return math.sqrt(step * step - 1) / FWHM if abs(step) > 1 else 0.0


def smoothed(matrix: np.ndarray, sigma: float) -> np.ndarray:
    """The matrix that smooths with a Gaussian (mirrored at the border) before it does what `matrix` does."""
    from scipy.ndimage import gaussian_filter1d

    if sigma <= 0:
        return matrix
    result = gaussian_filter1d(matrix, sigma, axis=1, mode="reflect", truncate=4.0)
    result[np.abs(result) < NEGLIGIBLE] = 0
    return np.asarray(result)
