"""Weighted means of neighbours (bilateral, non-local means), offset by offset over blocks that stay in cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from math import prod
from typing import Literal

import numpy as np

from ..blockwise import for_each
from ..progress import SILENT, Progress

BLOCK_VALUES = 1 << 16
"""Values of a block: its few arrays stay in the cache of a core."""

SHORT = 16
"""Voxels along i below which the arrays of a block lie the other way round in memory."""
Wanted = tuple[slice, ...]
"""Ranges along (k, j, i) with both ends."""
Block = tuple[int, int, int, int]
"""Start and stop along k, start and stop along j."""


def bilateral(
    array: np.ndarray,
    sigmas: Sequence[float],
    radii: Sequence[int],
    range_sigma: float,
    progress: Progress = SILENT,
    wanted: Wanted | None = None,
) -> np.ndarray:
    """Mean of the neighbours, weighted by a Gaussian of their distance and one of their difference in value.

    Tomasi and Manduchi 1998. `array` is float (k, j, i); sigmas and radii in voxels by numpy axis; border voxels are
    repeated. `range_sigma` is in the unit of the values and above 0. Outside of `wanted` the values stay as they are.
    """
    padded = np.pad(array, [(r, r) for r in radii], mode="edge")
    if wanted is not None:
        return _only(wanted, array, padded, radii, lambda a, p: _bilateral(a, p, sigmas, radii, range_sigma, progress))
    return _bilateral(array, padded, sigmas, radii, range_sigma, progress)


def _bilateral(
    array: np.ndarray,
    padded: np.ndarray,
    sigmas: Sequence[float],
    radii: Sequence[int],
    range_sigma: float,
    progress: Progress,
) -> np.ndarray:
    out = np.empty_like(array)
    factor = array.dtype.type(-0.5 / range_sigma**2)
    offsets = list(_offsets(radii))
    closeness = [
        array.dtype.type(-0.5 * sum((o / s) ** 2 for o, s in zip(offset, sigmas, strict=True) if o))
        for offset in offsets
    ]

    def work(block: Block) -> None:
        centre = array[block[0] : block[1], block[2] : block[3]]
        total, weights, w = np.zeros_like(centre), np.zeros_like(centre), np.empty_like(centre)
        for offset, near in zip(offsets, closeness, strict=True):
            if progress.cancelled:
                return
            values = _shifted(padded, block, radii, offset, array.shape[2])
            np.subtract(values, centre, out=w)
            w *= w
            w *= factor
            w += near
            np.exp(w, out=w)
            weights += w
            w *= values
            total += w
        np.divide(total, weights, out=out[block[0] : block[1], block[2] : block[3]])

    for_each(work, _blocks(array.shape, 1), progress=progress, message="Bilateral")
    return out


def nonlocal_means(
    array: np.ndarray,
    patch: Sequence[int],
    search: Sequence[int],
    strength: float,
    sigma: float,
    progress: Progress = SILENT,
    wanted: Wanted | None = None,
) -> np.ndarray:
    """Mean of the voxels in the search box, weighted by how alike the patches around them are.

    Weight exp(-max(d - 2 sigma^2, 0) / strength^2) with d the mean squared difference of the patches (Buades, Coll
    and Morel 2005; the voxel itself counts like a perfect match). `array` is float (k, j, i), radii in voxels by
    numpy axis, the border is mirrored. Outside of `wanted` the values are left as they are.
    """
    margin = [p + s for p, s in zip(patch, search, strict=True)]
    padded = np.pad(array, [(m, m) for m in margin], mode="symmetric")

    def means(array: np.ndarray, padded: np.ndarray) -> np.ndarray:
        return _nonlocal_means(array, padded, patch, search, strength, sigma, progress)

    return means(array, padded) if wanted is None else _only(wanted, array, padded, margin, means)


def _only(
    wanted: Wanted,
    array: np.ndarray,
    padded: np.ndarray,
    margin: Sequence[int],
    means: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> np.ndarray:
    """The array with the means where they are wanted."""
    out = array.copy()
    near = tuple(slice(s.start, s.stop + 2 * m) for s, m in zip(wanted, margin, strict=True))
    # Inner loops run along the axis that is contiguous: not the last one where that is short.
    order: Literal["C", "F"] = "F" if wanted[2].stop - wanted[2].start < SHORT else "C"
    out[wanted] = means(array[wanted].copy(order), padded[near].copy(order))
    return out


def _nonlocal_means(
    array: np.ndarray,
    padded: np.ndarray,
    patch: Sequence[int],
    search: Sequence[int],
    strength: float,
    sigma: float,
    progress: Progress,
) -> np.ndarray:
    margin = [p + s for p, s in zip(patch, search, strict=True)]
    out = np.empty_like(array)
    count = prod(2 * p + 1 for p in patch)
    share, noise = array.dtype.type(1 / count), array.dtype.type(2 * sigma**2)
    factor = array.dtype.type(-1 / strength**2)
    offsets = list(_offsets(search))
    length = array.shape[2]

    def work(block: Block) -> None:
        wide = (block[0] - patch[0], block[1] + patch[0], block[2] - patch[1], block[3] + patch[1])
        own = _shifted(padded, wide, margin, (0, 0, 0), length, patch[2])
        total = np.zeros_like(array[block[0] : block[1], block[2] : block[3]])
        weights = np.zeros_like(total)
        for offset in offsets:
            if progress.cancelled:
                return
            difference = own - _shifted(padded, wide, margin, offset, length, patch[2])
            difference *= difference
            w = _box_sum(difference, patch)
            w *= share
            w -= noise
            np.maximum(w, 0, out=w)
            w *= factor
            np.exp(w, out=w)
            weights += w
            w *= _shifted(padded, block, margin, offset, length)
            total += w
        np.divide(total, weights, out=out[block[0] : block[1], block[2] : block[3]])

    for_each(work, _blocks(array.shape, 8 if patch[0] else 1), progress=progress, message="Non-local means")
    return out


def _offsets(radii: Sequence[int]) -> Iterator[tuple[int, ...]]:
    return product(*(range(-r, r + 1) for r in radii))


def _blocks(shape: Sequence[int], depth: int) -> list[Block]:
    layer = shape[1] * shape[2]
    # Thin parts of an image are cut along k, so that a block has something to do and each thread a few of them.
    depth = min(max(depth, BLOCK_VALUES // (4 * layer)), shape[0])
    rows = max(4, BLOCK_VALUES // (depth * shape[2]))
    return [
        (k, min(k + depth, shape[0]), j, min(j + rows, shape[1]))
        for k in range(0, shape[0], depth)
        for j in range(0, shape[1], rows)
    ]


def _shifted(
    padded: np.ndarray, block: Block, margin: Sequence[int], offset: Sequence[int], length: int, wider: int = 0
) -> np.ndarray:
    """The neighbours of a block at an offset, `wider` by so many voxels on both sides along i."""
    k, j, i = (m + o for m, o in zip(margin, offset, strict=True))
    return padded[block[0] + k : block[1] + k, block[2] + j : block[3] + j, i - wider : i + length + wider]


def _box_sum(values: np.ndarray, radii: Sequence[int]) -> np.ndarray:
    """Sums over the boxes that lie inside `values`; the longest axis is summed last, when the others are shorter."""
    for axis, radius in enumerate(radii):
        if radius:
            moved = np.moveaxis(values, axis, 0)
            n = len(moved) - 2 * radius
            summed = moved[:n] + moved[1 : 1 + n]
            for shift in range(2, 2 * radius + 1):
                summed += moved[shift : shift + n]
            values = np.moveaxis(summed, 0, axis)
    return values
