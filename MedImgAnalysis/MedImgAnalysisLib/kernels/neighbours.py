"""Weighted means of neighbours (bilateral, non-local means), offset by offset over blocks that stay in cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod
from typing import Literal

import numpy as np

from ..blockwise import for_each, go_on
from ..progress import SILENT, Progress
from .separable import working_type

BLOCK_VALUES = 1 << 17
"""Values of a block; with fewer, threads would mostly wait for each other."""

FEWEST_BLOCKS = 4
"""So that each thread has some."""
SHORT = 16
"""Voxels along i below which the arrays of a block lie the other way round in memory."""
SHARED = 1.6
"""Times the voxels of a block up to which it is faster to compute the weights of an offset and its opposite at once."""
FIRST = 1.4
"""Strength of the first mean as a multiple of that of the second."""
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

    box = wanted or tuple(slice(0, n) for n in array.shape)
    order = _order(box)
    padded = np.asarray(_padded(array, box, radii, "edge"), order=order)
    found = _bilateral(np.asarray(array[box], order=order), padded, sigmas, radii, range_sigma, progress)
    if found.shape == array.shape:
        return found
    out = array.copy()
    out[box] = found
    return out


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
            if not go_on(progress):
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
    """Mean of the voxels of the search box, weighted by how alike a first such mean is there.

    The first mean m has weights exp(-max(d - 2 sigma^2, 0) / (1.4 strength)^2) in the box of `near(search)`, with d the
    mean squared difference of the patches, weighted by tents (Buades, Coll and Morel 2005); the second has weights
    exp(-(m - m')^2 / strength^2). The voxel itself counts like a perfect match. `array` is real (k, j, i), the
    result of its `working_type`; radii in voxels by numpy axis, the border is mirrored. Outside of `wanted` the values
    are left as they are.
    """
    box = list(wanted or (slice(0, n) for n in array.shape))
    # Blocks are cut along the first axes: a thin one comes first.
    sizes = [b.stop - b.start for b in box]
    thin = int(np.argmin(sizes))
    turn = [0, 1, 2]
    if sizes[thin] < SHORT:
        turn[0], turn[thin] = thin, 0
    array = array.transpose(turn)
    patch, search = ([one[axis] for axis in turn] for one in (patch, search))
    box = [box[axis] for axis in turn]
    dtype = working_type(array.dtype)
    first, still = near(search), (0, 0, 0)
    reach = [max(p + f, s) for p, f, s in zip(patch, first, search, strict=True)]
    around = tuple(
        slice(max(0, b.start - s), min(n, b.stop + s)) for b, s, n in zip(box, search, array.shape, strict=True)
    )
    scale = 1 / (FIRST * strength * prod(p + 1 for p in patch))
    values: np.ndarray = np.ascontiguousarray(_padded(array, around, reach, "symmetric"), dtype)
    values *= dtype(scale)
    near_places = _Places(patch, first, dtype(2 * (sigma / (FIRST * strength)) ** 2), turn)
    places = _Places(still, search, dtype(0), turn)
    share = near_places.work / (near_places.work + places.work)
    guide: np.ndarray = np.empty([b.stop - b.start for b in around], dtype)
    _average(guide, values, reach, values, reach, near_places, progress.part(0.0, share))
    guide *= dtype(1 / (scale * strength))
    short = [(s - (b.start - a.start), s - (a.stop - b.stop)) for s, b, a in zip(search, box, around, strict=True)]
    if any(short):
        guide = np.pad(guide, short, mode="symmetric")
    found: np.ndarray = np.empty([b.stop - b.start for b in box], dtype)
    beyond = [r + b.start - a.start for r, b, a in zip(reach, box, around, strict=True)]
    _average(found, values, beyond, guide, search, places, progress.part(share, 1.0))
    found *= dtype(1 / scale)
    out = found
    if found.shape != array.shape:
        out = array.astype(dtype)
        out[tuple(box)] = found
    # Two axes changed places, so this is undone by doing it again.
    return out.transpose(turn)


def near(search: Sequence[int]) -> list[int]:
    """Radii of the box of the first mean: two thirds of those of the search."""
    return [-(-2 * radius // 3) for radius in search]


def _order(box: Wanted) -> Literal["C", "F"]:
    """Inner loops run along the axis that is contiguous: not the last one where that is short."""
    return "F" if box[2].stop - box[2].start < SHORT else "C"


def _padded(
    array: np.ndarray, box: Sequence[slice], margin: Sequence[int], border: Literal["edge", "symmetric"]
) -> np.ndarray:
    """A copy of the box with a margin."""
    reach = list(zip(box, margin, array.shape, strict=True))
    inner = array[tuple(slice(max(0, s.start - m), min(n, s.stop + m)) for s, m, n in reach)]
    return np.pad(inner, [(max(0, m - s.start), max(0, s.stop + m - n)) for s, m, n in reach], mode=border)


class _Places:
    """Which neighbours are compared, and how: half of the offsets, patch radii, and what noise adds to a distance.

    Axis n is axis turn[n] of the image. Sums are taken in the order of the axes of the image, to the same bit.
    """

    def __init__(self, patch: Sequence[int], search: Sequence[int], noise: np.floating, turn: Sequence[int]) -> None:
        self.patch, self.noise = patch, noise
        self.axes = [turn.index(axis) for axis in range(3)]
        offsets = [offset for offset in _offsets([search[n] for n in self.axes]) if offset > (0, 0, 0)]
        self.offsets = [tuple(offset[axis] for axis in turn) for offset in offsets]
        self.work = max(1, len(self.offsets) * (10 + 2 * sum(patch)))


def _average(
    out: np.ndarray,
    values: np.ndarray,
    margin: Sequence[int],
    compared: np.ndarray,
    beyond: Sequence[int],
    places: _Places,
    progress: Progress,
) -> None:
    """Fill `out` with means of `values`, weighted by how alike `compared` is; both are wider by their margins.

    Two voxels have the same weight for each other: it is computed once for an offset and its opposite. `compared` is
    scaled so that a sum of squared differences is the exponent.
    """
    patch, middle = places.patch, (0, 0, 0)

    def work(block: Block) -> None:
        target, corner = out[block[0] : block[1], block[2] : block[3]], (block[0], block[2], 0)

        def part(by: Sequence[int], before: Sequence[int], after: Sequence[int]) -> np.ndarray:
            """What is compared at an offset from the block, and so many voxels more on both sides."""
            ends = zip(beyond, corner, target.shape, before, after, by, strict=True)
            return compared[tuple(slice(m + s - b + o, m + s + n + a + o) for m, s, n, b, a, o in ends)]

        def at_offset(by: Sequence[int]) -> np.ndarray:
            ends = zip(margin, corner, target.shape, by, strict=True)
            return values[tuple(slice(m + s + o, m + s + n + o) for m, s, n, o in ends)]

        total = at_offset(middle).copy(order="K")
        weights, weighted = np.ones_like(total), np.empty_like(total)
        for offset in places.offsets:
            opposite = (-offset[0], -offset[1], -offset[2])
            wider = prod((n + abs(o)) / n for n, o in zip(target.shape, offset, strict=True))
            for steps in [(offset, opposite)] if wider < SHARED else [(offset,), (opposite,)]:
                if not go_on(progress):
                    return
                # The weight of a voxel for the one at the opposite offset is that of this one for it.
                reach = steps[0] if len(steps) == 2 else middle
                low, high = [max(o, 0) for o in reach], [max(-o, 0) for o in reach]
                box = [p + n for p, n in zip(patch, low)], [p + n for p, n in zip(patch, high)]
                w = part(steps[0], *box) - part(middle, *box)
                w *= w
                w = _tent_sum(w, patch, places.axes)
                np.subtract(places.noise, w, out=w)
                if places.noise:
                    np.minimum(w, 0, out=w)
                np.exp(w, out=w)
                for step, at in zip(steps, (low, high)):
                    own = w[tuple(slice(s, s + n) for s, n in zip(at, target.shape, strict=True))]
                    weights += own
                    np.multiply(own, at_offset(step), out=weighted)
                    total += weighted
        np.divide(total, weights, out=target)

    for_each(work, _blocks(out.shape, 8), progress=progress, message="Non-local means")


def _offsets(radii: Sequence[int]) -> Iterator[tuple[int, ...]]:
    return product(*(range(-r, r + 1) for r in radii))


def _blocks(shape: Sequence[int], depth: int) -> list[Block]:
    layer = shape[1] * shape[2]
    # Thin parts of an image are cut along k, so that a block has something to do and each thread a few of them.
    depth = min(max(depth, BLOCK_VALUES // (4 * layer)), shape[0])
    rows = max(4, BLOCK_VALUES // (depth * shape[2]))
    if depth == shape[0]:
        rows = min(rows, max(4, -(-shape[1] // FEWEST_BLOCKS)))
    return [
        (k, min(k + depth, shape[0]), j, min(j + rows, shape[1]))
        for k in range(0, shape[0], depth)
        for j in range(0, shape[1], rows)
    ]


def _shifted(padded: np.ndarray, block: Block, margin: Sequence[int], offset: Sequence[int], length: int) -> np.ndarray:
    """The neighbours of a block at an offset."""
    k, j, i = (m + o for m, o in zip(margin, offset, strict=True))
    return padded[block[0] + k : block[1] + k, block[2] + j : block[3] + j, i : i + length]


def _tent_sum(values: np.ndarray, radii: Sequence[int], axes: Sequence[int]) -> np.ndarray:
    """Sums over the boxes that lie inside `values`, weighted 1, 2 ... radius + 1 ... 2, 1, axis after axis."""
    for axis in axes:
        radius = radii[axis]
        for _ in range(2 if radius else 0):
            moved = np.moveaxis(values, axis, 0)
            n = len(moved) - radius
            summed = moved[:n] + moved[1 : 1 + n]
            for shift in range(2, radius + 1):
                summed += moved[shift : shift + n]
            values = np.moveaxis(summed, 0, axis)
    return values
