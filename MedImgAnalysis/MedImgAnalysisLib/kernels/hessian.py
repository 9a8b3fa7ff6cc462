"""Second derivatives of the smoothed image and their eigenvalues, in blocks of planes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations_with_replacement

import numpy as np

from ..progress import Progress
from .gaussian import derivative, radius

BLOCK_VALUES = 1 << 23
"""Values of a block of planes: its six derivatives take some 200 MB."""


def hessians(
    array: np.ndarray, sigmas: Sequence[float], spacing: Sequence[float], progress: Progress
) -> Iterator[tuple[slice, list[np.ndarray]]]:
    """Ranges of planes and the Hessian there, per mm2: kk, kj, ki, jj, ji, ii, or jj, ji, ii for two axes.

    `sigmas` in voxels and `spacing` in millimetres by numpy axis. The whole Hessian of a large image would take six
    times its memory, so it comes in blocks that overlap by what the kernel reads.
    """
    halo = max(radius(sigmas[0]), 1)
    n = array.shape[0]
    depth = min(n, max(2 * halo, BLOCK_VALUES // max(array[0].size, 1), 1))
    pairs = list(combinations_with_replacement(range(array.ndim), 2))
    for start in range(0, n, depth):
        stop = min(start + depth, n)
        low, high = max(0, start - halo), min(n, stop + halo)
        found = []
        for number, pair in enumerate(pairs):
            share = [(start + (stop - start) * (number + extra) / len(pairs)) / n for extra in (0, 1)]
            orders = [pair.count(axis) for axis in range(array.ndim)]
            part = derivative(array[low:high], sigmas, orders, progress.part(share[0], share[1]), "Hessian")
            part = part[start - low : stop - low]
            part *= part.dtype.type(1 / (spacing[pair[0]] * spacing[pair[1]]))
            found.append(part)
        yield slice(start, stop), found


def eigenvalues(hessian: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Eigenvalues of symmetric matrices in falling order of value, in float64, by their closed form (Smith 1961)."""
    if len(hessian) == 3:
        a, b, c = (part.astype(float) for part in hessian)
        middle, half = (a + c) / 2, np.hypot((a - c) / 2, b)
        return [middle + half, middle - half]
    a, b, c, d, e, f = (part.astype(float) for part in hessian)
    mean = (a + d + f) / 3
    a, d, f = a - mean, d - mean, f - mean
    size = np.sqrt((a * a + d * d + f * f + 2 * (b * b + c * c + e * e)) / 6)
    determinant = a * (d * f - e * e) - b * (b * f - c * e) + c * (b * e - c * d)
    safe = np.where(size > 0, size, 1)
    angle = np.arccos(np.clip(determinant / (2 * safe**3), -1, 1)) / 3
    first = mean + 2 * size * np.cos(angle)
    last = mean + 2 * size * np.cos(angle + 2 * np.pi / 3)
    return [first, 3 * mean - first - last, last]
