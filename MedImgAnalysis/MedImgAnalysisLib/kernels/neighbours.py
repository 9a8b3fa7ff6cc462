"""Weighted means of neighbours (bilateral, non-local means), offset by offset over blocks that stay in cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from math import prod, sqrt
from typing import Literal

import numpy as np

from ..blockwise import for_each
from ..progress import SILENT, Progress

BLOCK_VALUES = 1 << 16
"""Values of a block: its few arrays stay in the cache of a core."""

SHORT = 16
"""Voxels along i below which the arrays of a block lie the other way round in memory."""
SHARED = 1.6
"""Times the voxels of a block up to which it is faster to compute the weights of an offset and its opposite at once."""
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

    def means(array: np.ndarray, padded: np.ndarray) -> np.ndarray:
        return _bilateral(array, padded, sigmas, radii, range_sigma, progress)

    return _where_wanted(array, wanted, radii, "edge", means)


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

    def means(array: np.ndarray, padded: np.ndarray) -> np.ndarray:
        return _nonlocal_means(array, padded, patch, search, strength, sigma, progress)

    return _where_wanted(array, wanted, margin, "symmetric", means)


def _where_wanted(
    array: np.ndarray,
    wanted: Wanted | None,
    margin: Sequence[int],
    border: Literal["edge", "symmetric"],
    means: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> np.ndarray:
    """The array with the means where they are wanted; `means` gets that part and the same with a margin, a copy."""
    box = wanted or tuple(slice(0, n) for n in array.shape)
    reach = list(zip(box, margin, array.shape, strict=True))
    near = array[tuple(slice(max(0, s.start - m), min(n, s.stop + m)) for s, m, n in reach)]
    padded = np.pad(near, [(max(0, m - s.start), max(0, s.stop + m - n)) for s, m, n in reach], mode=border)
    # Inner loops run along the axis that is contiguous: not the last one where that is short.
    order: Literal["C", "F"] = "F" if box[2].stop - box[2].start < SHORT else "C"
    found = means(np.asarray(array[box], order=order), np.asarray(padded, order=order))
    if found.shape == array.shape:
        return found
    out = array.copy()
    out[box] = found
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
    """`padded` is used up.

    Two voxels have the same weight for each other: it is computed once for an offset and its opposite. Values are
    scaled so that a sum of squared differences is the exponent.
    """
    margin = [p + s for p, s in zip(patch, search, strict=True)]
    out = np.empty_like(array)
    dtype = array.dtype.type
    scale = 1 / (strength * sqrt(prod(2 * p + 1 for p in patch)))
    padded *= dtype(scale)
    back, noise = dtype(1 / scale), dtype(2 * (sigma / strength) ** 2)
    middle = (0, 0, 0)
    offsets = [offset for offset in _offsets(search) if offset > middle]

    def work(block: Block) -> None:
        target = out[block[0] : block[1], block[2] : block[3]]
        starts = [m + n for m, n in zip(margin, (block[0], block[2], 0), strict=True)]

        def part(before: Sequence[int], after: Sequence[int], by: Sequence[int] = middle) -> np.ndarray:
            """The values of the block, so many more on both sides, or those at an offset from them."""
            ends = zip(starts, target.shape, before, after, by, strict=True)
            return padded[tuple(slice(s - b + o, s + n + a + o) for s, n, b, a, o in ends)]

        total = part(middle, middle) + dtype(0)
        weights, weighted = np.ones_like(total), np.empty_like(total)
        for offset in offsets:
            opposite = (-offset[0], -offset[1], -offset[2])
            wider = prod((n + abs(o)) / n for n, o in zip(target.shape, offset, strict=True))
            for steps in [(offset, opposite)] if wider < SHARED else [(offset,), (opposite,)]:
                if progress.cancelled:
                    return
                # The weight of a voxel for the one at the opposite offset is that of this one for it.
                reach = steps[0] if len(steps) == 2 else middle
                low, high = [max(o, 0) for o in reach], [max(-o, 0) for o in reach]
                box = [p + n for p, n in zip(patch, low)], [p + n for p, n in zip(patch, high)]
                w = part(*box, steps[0]) - part(*box)
                w *= w
                w = _box_sum(w, patch)
                np.subtract(noise, w, out=w)
                np.minimum(w, 0, out=w)
                np.exp(w, out=w)
                for step, at in zip(steps, (low, high)):
                    own = w[tuple(slice(s, s + n) for s, n in zip(at, target.shape, strict=True))]
                    weights += own
                    np.multiply(own, part(middle, middle, step), out=weighted)
                    total += weighted
        total *= back
        np.divide(total, weights, out=target)

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


def _shifted(padded: np.ndarray, block: Block, margin: Sequence[int], offset: Sequence[int], length: int) -> np.ndarray:
    """The neighbours of a block at an offset."""
    k, j, i = (m + o for m, o in zip(margin, offset, strict=True))
    return padded[block[0] + k : block[1] + k, block[2] + j : block[3] + j, i : i + length]


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
