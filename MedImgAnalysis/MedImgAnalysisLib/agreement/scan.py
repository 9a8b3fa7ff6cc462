"""One pass over the voxels of a pair of segments: counts, errors per slice, centroids, surface elements.

The pass goes in slabs over the joint box of both segments, in threads; a slab fits into the cache and
nothing of the size of the image is made. Outside the image is background: an object that the border
cuts has a surface there.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..blockwise import thread_count
from ..boxes import Box, shape_of, slabs
from ..progress import Progress
from .surfel_areas import area_table

SLAB_VOXELS = 2 << 20
ROUND = 16
"""Slabs that are handed to the threads at a time."""


class Mask(NamedTuple):
    """A segment: the voxels of `layer` (k, j, i) that have `value`."""

    layer: np.ndarray
    value: int


@dataclass(frozen=True, eq=False)
class Elements:
    """Surface elements of one mask.

    Attributes
    ----------
    at
        Flat index of each element in a lattice of `shape`, rising; the same lattice for both masks.
    shape, spacing
        The lattice, in the order of numpy axes; spacing in millimetres.
    first
        Position of lattice point 0 in voxels (k, j, i) of the image, for a 3-D lattice.
    weights
        Area (length in 2-D) that an element stands for, None when each counts as one.
    """

    at: np.ndarray
    shape: tuple[int, ...]
    spacing: tuple[float, ...]
    first: tuple[float, ...]
    weights: np.ndarray | None = None

    def index(self, at: np.ndarray) -> np.ndarray:
        """Lattice indices of flat indices, float64 (N, d)."""
        return np.stack(np.unravel_index(at, self.shape), axis=1).astype(np.float64)

    def points(self, at: np.ndarray) -> np.ndarray:
        """Positions of flat indices in millimetres along the axes of the lattice, float64 (N, d)."""
        return self.index(at) * np.asarray(self.spacing)


@dataclass(frozen=True, eq=False)
class Scan:
    """What one pass over a pair gives; of pairs (reference, test) where there are two.

    Attributes
    ----------
    voxels, both
        Voxels of either mask and of both.
    slice_errors
        Voxels of exactly one mask per slice of the box.
    centroids
        Mean voxel index (k, j, i) in the image; None when empty.
    elements
        Surface elements of either mask by convention, `surfel` or `voxel`.
    """

    voxels: tuple[int, int]
    both: int
    slice_errors: np.ndarray
    centroids: tuple[np.ndarray | None, np.ndarray | None]
    elements: dict[str, tuple[Elements, Elements]]


class _Slab(NamedTuple):
    voxels: tuple[int, int]
    errors: list[int]
    sums: list[tuple[np.ndarray, np.ndarray, np.ndarray]]
    elements: dict[str, list[tuple[np.ndarray, np.ndarray | None]]]


def scan(
    masks: Sequence[Mask],
    box: Box,
    conventions: Sequence[str],
    spacing: tuple[float, float, float],
    flat_axis: int | None,
    progress: Progress,
) -> Scan:
    """Count two masks in their joint box and find their surface elements.

    Parameters
    ----------
    masks
        Reference and test, layers of equal shape (k, j, i).
    box
        Joint box of both; it must not be empty.
    conventions
        Which surface elements to find: any of `surfel` and `voxel`.
    spacing
        Millimetres along (k, j, i).
    flat_axis
        Axis that is left out of the surfaces; None for 3-D.
    """
    shape = shape_of(box)
    ranges = list(slabs(shape, SLAB_VOXELS)) if flat_axis is None else [(0, shape[0])]

    def work(part: tuple[int, int]) -> _Slab:
        return _slab(masks, box, part, conventions, flat_axis)

    if len(ranges) == 1:
        parts = [work(ranges[0])]
    else:
        parts = []
        with ThreadPoolExecutor(thread_count()) as pool:
            for start in range(0, len(ranges), ROUND):
                progress.report(start / len(ranges), "Counting voxels")
                parts += pool.map(work, ranges[start : start + ROUND])
    progress.check()
    return _joined(parts, box, conventions, spacing, flat_axis)


def _joined(
    parts: list[_Slab], box: Box, conventions: Sequence[str], spacing: tuple[float, float, float], flat_axis: int | None
) -> Scan:
    reference, test = (sum(part.voxels[side] for part in parts) for side in (0, 1))
    errors = np.array([n for part in parts for n in part.errors], np.int64)
    corner = np.array([axis.start for axis in box], float)
    centroids = []
    for side, voxels in enumerate((reference, test)):
        along = [[part.sums[side][axis] for part in parts] for axis in range(3)]
        totals = [np.concatenate(along[0]), np.sum(along[1], axis=0), np.sum(along[2], axis=0)]
        moments = [float(np.dot(total, np.arange(len(total)))) for total in totals]
        centroids.append(corner + np.array(moments) / voxels if voxels else None)
    kept = [axis for axis in range(3) if axis != flat_axis]
    elements = {}
    for convention in conventions:
        cells = convention == "surfel"
        lattice = tuple(shape_of(box)[axis] + cells for axis in kept)
        first = tuple(corner[axis] - (0.5 if cells and axis in kept else 0) for axis in range(3))
        own = tuple(spacing[axis] for axis in kept)
        found = []
        for side in (0, 1):
            at = np.concatenate([part.elements[convention][side][0] for part in parts])
            codes = [part.elements[convention][side][1] for part in parts]
            weights = area_table(own)[np.concatenate(codes)] if cells else None  # type: ignore[arg-type]
            found.append(Elements(at, lattice, own, first, weights))
        elements[convention] = (found[0], found[1])
    return Scan(
        (reference, test), (reference + test - int(errors.sum())) // 2, errors, (centroids[0], centroids[1]), elements
    )


def _slab(
    masks: Sequence[Mask], box: Box, part: tuple[int, int], conventions: Sequence[str], flat_axis: int | None
) -> _Slab:
    """Layers `part` of the box, with a rim of background (or of the next layer) on all sides."""
    depth, rows, columns = shape_of(box)
    start, stop = part
    low, high = max(start - 1, 0), min(stop + 1, depth)
    padded = []
    for mask in masks:
        buffer = np.zeros((stop - start + 2, rows + 2, columns + 2), np.uint8)
        source = mask.layer[box[0].start + low : box[0].start + high, box[1], box[2]]
        target = buffer[low - start + 1 : high - start + 1, 1:-1, 1:-1]
        np.equal(source, mask.value, out=target.view(bool))
        padded.append(buffer)
    different = padded[0][1:-1] ^ padded[1][1:-1]
    counts = [[int(np.count_nonzero(layer)) for layer in buffer[1:-1].view(bool)] for buffer in padded]
    errors = [int(np.count_nonzero(layer)) for layer in different.view(bool)]
    sums = []
    for buffer, count in zip(padded, counts):
        # In groups of 255 layers the sums over k fit into a byte, which is several times faster.
        groups = range(1, stop - start + 1, 255)
        own = buffer[1:-1]
        bytes_ = [own[g - 1 : g + 254].sum(axis=0, dtype=np.uint8)[1:-1, 1:-1] for g in groups]
        plane = np.sum(bytes_, axis=0, dtype=np.int64)
        sums.append((np.array(count), plane.sum(axis=1), plane.sum(axis=0)))
    elements: dict[str, list[tuple[np.ndarray, np.ndarray | None]]] = {}
    for convention in conventions:
        find = _cells if convention == "surfel" else _border
        elements[convention] = [find(buffer, start, stop == depth, flat_axis) for buffer in padded]
    return _Slab((sum(counts[0]), sum(counts[1])), errors, sums, elements)


def _cells(buffer: np.ndarray, start: int, last: bool, flat_axis: int | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Flat indices and codes of the cells that hold both labels."""
    if flat_axis is not None:
        buffer = buffer.take(1, axis=flat_axis)
    else:
        buffer = buffer if last else buffer[:-1]
    codes = buffer[..., 1:] << 1
    codes |= buffer[..., :-1]
    rows = codes[..., 1:, :] << 2
    rows |= codes[..., :-1, :]
    codes = rows
    if flat_axis is not None:
        at = np.flatnonzero((codes > 0) & (codes < 15))
        return at, codes.ravel()[at]
    codes = rows[1:] << 4
    codes |= rows[:-1]
    # Neither empty (0) nor full (255): adding one wraps round and makes both smaller than two.
    at = np.flatnonzero((codes + np.uint8(1)) > 1)
    found = codes.ravel()[at]
    at += start * codes.shape[1] * codes.shape[2]
    return at, found


def _border(buffer: np.ndarray, start: int, last: bool, flat_axis: int | None) -> tuple[np.ndarray, None]:
    """Flat indices of the voxels with a face neighbour (edge neighbour in 2-D) outside."""
    if flat_axis is not None:
        buffer = buffer.take(1, axis=flat_axis)
    whole = (slice(1, -1),) * buffer.ndim
    own = buffer[whole]
    inner = own.copy()
    for axis in range(buffer.ndim):
        for side in (slice(None, -2), slice(2, None)):
            inner &= buffer[(*whole[:axis], side, *whole[axis + 1 :])]
    at = np.flatnonzero(own > inner)
    if flat_axis is None:
        at += start * own.shape[1] * own.shape[2]
    return at, None
