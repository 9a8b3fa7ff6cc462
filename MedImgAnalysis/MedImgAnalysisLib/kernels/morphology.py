"""Flat grey dilation and erosion by boxes and ellipsoids, exact, for every pixel type.

A box is taken axis by axis, each in log2(width) steps. An ellipsoid is a stack of chords along i: the maxima over
chords of each length are made from those of the next shorter one and shared by all places of that length (Urbach and
Wilkinson 2008). Values beyond the border do not count, which for these shapes is the same as repeating the border
voxel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..blockwise import for_each, go_on, map_slabs
from ..progress import SILENT, Progress

BLOCK_VALUES = 1 << 18
"""Values of a block of planes and rows, so that it stays in the cache of a core."""

Chords = dict[int, list[tuple[int, int]]]
"""Half lengths along i in rising order, and the places (k, j) that have them."""


def dilate(
    array: np.ndarray, radii: Sequence[float], shape: str, progress: Progress = SILENT, message: str = "Dilation"
) -> np.ndarray:
    """The largest value of each neighbourhood; `radii` in voxels by numpy axis, `shape` is ball or box."""
    return _extreme(array, radii, shape, np.maximum, progress, message)


def erode(
    array: np.ndarray, radii: Sequence[float], shape: str, progress: Progress = SILENT, message: str = "Erosion"
) -> np.ndarray:
    """The smallest value of each neighbourhood."""
    return _extreme(array, radii, shape, np.minimum, progress, message)


def open_grey(array: np.ndarray, radii: Sequence[float], shape: str, progress: Progress = SILENT) -> np.ndarray:
    """Erosion, then dilation: bright spots that the shape does not fit into vanish."""
    return dilate(erode(array, radii, shape, progress.part(0.0, 0.5)), radii, shape, progress.part(0.5, 1.0))


def close_grey(array: np.ndarray, radii: Sequence[float], shape: str, progress: Progress = SILENT) -> np.ndarray:
    """Dilation, then erosion: dark spots that the shape does not fit into vanish."""
    return erode(dilate(array, radii, shape, progress.part(0.0, 0.5)), radii, shape, progress.part(0.5, 1.0))


def footprint(radii: Sequence[float], limits: Sequence[int] | None = None) -> np.ndarray:
    """The ellipsoid sum (x / radius)^2 <= 1 as a boolean array of odd sizes; axes of radius below 1 are one voxel.

    `limits` cuts it to so many voxels on both sides.
    """
    whole = _whole(radii, limits)
    axes = np.meshgrid(*(np.arange(-r, r + 1) for r in whole), indexing="ij", sparse=True)
    total = sum((x / r) ** 2 if n else x * 0.0 for x, r, n in zip(axes, radii, whole, strict=True))
    return np.asarray(total <= 1 + 1e-6)


def _whole(radii: Sequence[float], limits: Sequence[int] | None) -> list[int]:
    return [min(int(r + 1e-6), limit) for r, limit in zip(radii, limits or [1 << 30] * len(radii), strict=True)]


def _extreme(
    array: np.ndarray, radii: Sequence[float], shape: str, best: Any, progress: Progress, message: str
) -> np.ndarray:
    if array.ndim == 2:
        return _extreme(array[None], [0.0, *radii], shape, best, progress, message)[0]
    # Neighbours further away than the image is long are beyond its border.
    limits = [n - 1 for n in array.shape]
    whole = _whole(radii, limits)
    if shape == "box":
        return _whole_box(array, whole, best, progress, message)
    return _ellipsoid(array, _chords(footprint(radii, limits)), whole, best, progress, message)


def _whole_box(array: np.ndarray, radii: Sequence[int], best: Any, progress: Progress, message: str) -> np.ndarray:
    """Layer by layer, then slabs across them along k: a slab of layers would need as many more as the box is long."""
    out = np.empty_like(array)
    share = 2 / 3 if radii[0] else 1.0
    first, last = progress.part(0.0, share), progress.part(share, 1.0)
    map_slabs(lambda slab: _box(slab, [0, *radii[1:]], best), array, 0, out, progress=first, message=message)
    if radii[0]:
        rows = np.moveaxis(out, 1, 0)
        map_slabs(lambda slab: _box(slab, [0, radii[0], 0], best), rows, 0, rows, progress=last, message=message)
    return out


def _box(values: np.ndarray, radii: Sequence[int], best: Any) -> np.ndarray:
    for axis, radius in enumerate(radii):
        if radius == 0:
            continue
        moved = np.moveaxis(values, axis, 0)
        n, width = len(moved), 2 * radius + 1
        run = np.concatenate([moved[:1].repeat(radius, axis=0), moved, moved[-1:].repeat(radius, axis=0)])
        length = 1
        while 2 * length <= width:
            run = best(run[:-length], run[length:])
            length *= 2
        if length < width:
            run = best(run[:n], run[width - length : width - length + n])
        values = np.moveaxis(run, 0, axis)
    return values


def _chords(shape: np.ndarray) -> Chords:
    lengths = shape.sum(axis=2)
    middle = [n // 2 for n in shape.shape]
    found: Chords = {}
    for k, j in np.argwhere(lengths > 0).tolist():
        found.setdefault(int(lengths[k, j]) // 2, []).append((k - middle[0], j - middle[1]))
    return dict(sorted(found.items()))


def _ellipsoid(
    array: np.ndarray, chords: Chords, radii: Sequence[int], best: Any, progress: Progress, message: str
) -> np.ndarray:
    padded = np.pad(array, [(r, r) for r in radii], mode="edge")
    out = np.empty_like(array)
    depth = max(8, 2 * radii[0])
    rows = max(8, 2 * radii[1], BLOCK_VALUES // (depth * array.shape[2]))
    blocks = [(k, j) for k in range(0, array.shape[0], depth) for j in range(0, array.shape[1], rows)]

    def work(block: tuple[int, int]) -> None:
        k, j = block
        target = out[k : k + depth, j : j + rows]
        height, width, length = target.shape
        part = padded[k : k + height + 2 * radii[0], j : j + width + 2 * radii[1]]
        filled = False
        run, half = part, 0
        for wanted, places in chords.items():
            while half < wanted:
                run, half = _longer(run, half, wanted, best)
            first = radii[2] - half
            for dk, dj in places:
                if not go_on(progress):
                    return
                a, b = radii[0] + dk, radii[1] + dj
                values = run[a : a + height, b : b + width, first : first + length]
                if filled:
                    best(target, values, out=target)
                else:
                    target[...], filled = values, True

    for_each(work, blocks, progress=progress, message=message)
    return out


def _longer(run: np.ndarray, half: int, wanted: int, best: Any) -> tuple[np.ndarray, int]:
    """From extremes over 2 half + 1 voxels along i to those of a longer chord, at the most `wanted`.

    The result is shorter at both ends.
    """
    step = min(wanted - half, max(half, 1))
    longer = best(run[..., : -2 * step], run[..., 2 * step :])
    if half == 0:
        best(longer, run[..., 1:-1], out=longer)
    return longer, half + step
