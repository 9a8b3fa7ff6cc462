"""Convolutions along axes with a choice of border, and the kernels of the response maps of IBSI 2."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from ..blockwise import for_each, ranges
from ..progress import Progress
from .wavelets import scaling_filter

BORDERS: dict[str, Literal["reflect", "nearest", "wrap", "constant"]] = {
    "mirror": "reflect",
    "nearest": "nearest",
    "wrap": "wrap",
    "zero": "constant",
}
"""What lies beyond the border: the image mirrored (c b a | a b c), its last voxel, its other end, 0; names of scipy."""

_LAWS = {
    "L3": (1, 2, 1),
    "E3": (-1, 0, 1),
    "S3": (-1, 2, -1),
    "L5": (1, 4, 6, 4, 1),
    "E5": (-1, -2, 0, 2, 1),
    "S5": (-1, 0, 2, 0, -1),
    "W5": (-1, 2, 0, -2, 1),
    "R5": (1, -4, 6, -4, 1),
}
LAWS = tuple(_LAWS)
"""Level, edge, spot, wave and ripple (Laws 1980), of three or five taps."""
TRUNCATE = 4.0
"""SD at which Gaussian kernels end."""


def laws_kernel(name: str) -> np.ndarray:
    """A Laws kernel such as `E5`, of unit Euclidean norm."""
    taps = np.array(_LAWS[name], float)
    return taps / np.linalg.norm(taps)


def mean_kernel(support: int) -> np.ndarray:
    """Equal weights over an odd number of voxels."""
    return np.full(support, 1 / support)


def gaussian_kernels(sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """The sampled Gaussian of sum 1 and its second derivative per voxel^2; sigma in voxels, cut at 4 sigma."""
    radius = int(TRUNCATE * sigma + 0.5)
    x = np.arange(-radius, radius + 1, dtype=float)
    smooth = np.exp(-0.5 * (x / sigma) ** 2)
    smooth /= smooth.sum()
    return smooth, smooth * (x**2 / sigma**4 - 1 / sigma**2)


def wavelet_kernels(family: str, level: int) -> tuple[np.ndarray, np.ndarray]:
    """Low- and high-pass decomposition filters of an undecimated level (1 is the finest), zeros between the taps."""
    h = np.array(scaling_filter(family))
    low, high = h[::-1], h * (-1.0) ** np.arange(1, len(h) + 1)
    step = 2 ** (level - 1)
    spread = [np.zeros((len(h) - 1) * step + 1) for _ in range(2)]
    for taps, wide in zip((low, high), spread, strict=True):
        wide[::step] = taps
    return spread[0], spread[1]


def convolved(
    array: np.ndarray, kernels: Sequence[np.ndarray], border: str, progress: Progress, message: str = ""
) -> np.ndarray:
    """The array convolved with one kernel along each of its axes, float64; the last axis first.

    Kernels of even length have their middle at the tap after the half, as `scipy.ndimage.convolve1d` with origin 0.
    Each axis is done in slabs across it, so every border rule holds, and a cancel comes through.
    """
    out = np.asarray(array, np.float64)
    for number, axis in enumerate(reversed(range(array.ndim))):
        part = progress.part(number / array.ndim, (number + 1) / array.ndim)
        out = _along(out, kernels[axis], axis, border, part, message)
    return out


def _along(
    array: np.ndarray, kernel: np.ndarray, axis: int, border: str, progress: Progress, message: str
) -> np.ndarray:
    from scipy import ndimage

    across = 0 if axis else 1
    length = array.shape[across]
    # A third of the usual slab: kernels are long.
    slabs = ranges(length, math.prod(array.shape) // length * 3)
    out = np.empty_like(array)

    def work(slab: tuple[int, int]) -> None:
        where = tuple(slice(*slab) if n == across else slice(None) for n in range(array.ndim))
        out[where] = ndimage.convolve1d(array[where], kernel, axis=axis, mode=BORDERS[border], cval=0.0)

    for_each(work, slabs, progress=progress, message=message)
    return out
