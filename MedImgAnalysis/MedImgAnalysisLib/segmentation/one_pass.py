"""Size, moments, surface and outermost voxels of all segments of a label image in one pass over its voxels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..blockwise import for_each, ranges
from ..progress import SILENT, Progress, waited
from ..quality.features.mesh import cell_measures

SLAB_VOXELS = 1 << 17
"""Even noise, where every voxel is a surface, takes a slab a fraction of a second."""


@dataclass(frozen=True, eq=False)
class Shapes:
    """Of n values in the order in which they were asked for; indices are (k, j, i).

    Attributes
    ----------
    voxels
        Number of voxels, int64 (n,).
    sums, squares
        Sums of the indices (n, 3) and of their products (n, 3, 3).
    area, volume
        Of the mesh by marching cubes at one half, mm2 and mm3 (n,).
    ends
        First and last voxel of each row along i, one array (m, 3) for each value.
    """

    voxels: np.ndarray
    sums: np.ndarray
    squares: np.ndarray
    area: np.ndarray
    volume: np.ndarray
    ends: list[np.ndarray]


class Numbering:
    """Label values as numbers from 1; 0 for all others."""

    def __init__(self, layer: np.ndarray, values: Sequence[int]) -> None:
        self.count = len(values)
        self._values = np.array(values, np.int64)
        self._order = np.argsort(self._values)
        low, high = int(layer.min()), int(layer.max())
        self._table: np.ndarray | None = None
        if low >= 0 and high < 1 << 20:
            self._table = np.zeros(high + 1, np.int32)
            for number, value in enumerate(values, start=1):
                if 0 <= value <= high:
                    self._table[value] = number

    def of(self, part: np.ndarray) -> np.ndarray:
        """The numbers of a part of the layer, int32."""
        if self._table is not None:
            return self._table[part]
        place = np.searchsorted(self._values, part, sorter=self._order)
        number = self._order[np.minimum(place, self.count - 1)]
        return np.where(self._values[number] == part, number + 1, 0).astype(np.int32)


def shapes_of(
    layer: np.ndarray, values: Sequence[int], spacing: tuple[float, float, float], progress: Progress = SILENT
) -> Shapes:
    """The shapes of the `values` of a label array (k, j, i); spacing along (k, j, i) in millimetres."""
    numbering = Numbering(layer, values)
    tables = cell_measures(spacing)

    def work(part: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return _slab(layer, part, numbering, tables, spacing)

    parts = ranges(len(layer), layer[:1].size, SLAB_VOXELS)
    found = for_each(work, parts, progress=progress, message="Measuring shapes")
    totals = np.sum([one[0] for one in found], axis=0)
    ends = waited(_by_number, [one[1] for one in found], [one[2] for one in found], len(values), progress=progress)
    squares = np.empty((len(values), 3, 3))
    for number, (a, b) in enumerate(PAIRS):
        squares[:, a, b] = squares[:, b, a] = totals[4 + number]
    return Shapes(np.rint(totals[0]).astype(np.int64), totals[1:4].T, squares, totals[10], totals[11] / 3, ends)


def _by_number(labels: list[np.ndarray], places: list[np.ndarray], count: int) -> list[np.ndarray]:
    numbers, together = np.concatenate(labels), np.concatenate(places)
    order = np.argsort(numbers, kind="stable")
    starts = np.searchsorted(numbers[order], np.arange(1, count + 2))
    return [together[order[a:b]] for a, b in pairwise(starts.tolist())]


PAIRS = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))


def _slab(
    layer: np.ndarray,
    part: tuple[int, int],
    numbering: Numbering,
    tables: tuple[np.ndarray, np.ndarray, np.ndarray],
    spacing: tuple[float, float, float],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sums (12, n), and numbers and places of the ends of rows, of the layers of a slab.

    The cells of a slab begin before its first layer; the last slab has those behind the image too.
    """
    start, stop = part
    last = stop == len(layer)
    low = max(start - 1, 0)
    numbers = numbering.of(layer[low:stop])
    # Numbered anew, as few are in a slab: tables stay small, and comparing bytes is fast.
    present = np.flatnonzero(np.bincount(numbers.ravel(), minlength=1))
    present = present[present > 0]
    short = np.zeros(numbering.count + 1, np.min_scalar_type(len(present)))
    short[present] = np.arange(1, len(present) + 1)
    wide = np.zeros((stop - start + 1 + last, layer.shape[1] + 2, layer.shape[2] + 2), short.dtype)
    wide[low - start + 1 : stop - start + 1, 1:-1, 1:-1] = short[numbers]
    own = wide[1 : stop - start + 1]
    totals = np.zeros((12, numbering.count))
    found = np.zeros((12, len(present)))
    middle = own[:, 1:-1, 1:-1]
    _add_moments(found, middle, start)
    _add_surface(found, wide, start, tables, spacing)
    totals[:, present - 1] = found
    inner = own[:, 1:-1]
    first = np.nonzero((inner[..., 1:-1] > 0) & (inner[..., :-2] != inner[..., 1:-1]))
    final = np.nonzero((inner[..., 1:-1] > 0) & (inner[..., 2:] != inner[..., 1:-1]))
    ends = [_outermost(middle[at], np.stack(at, axis=1), reverse) for at, reverse in ((first, False), (final, True))]
    places = np.concatenate([at for _, at in ends]) + np.array([start, 0, 0])
    whose = np.concatenate([label for label, _ in ends]).astype(np.intp)
    return totals, present[whose - 1], places.astype(np.int32)


def _add_moments(totals: np.ndarray, numbers: np.ndarray, start: int) -> None:
    """Add counts, sums of indices and of their products, from counts by layer and row and by layer and column."""
    depth, rows, columns = numbers.shape
    count = totals.shape[1] + 1
    whose = numbers + np.arange(depth)[:, None, None] * count
    by_row = (whose * rows + np.arange(rows)[:, None]).ravel()
    i = np.broadcast_to(np.arange(float(columns)), numbers.shape).ravel()
    shape = (depth, count, rows)
    in_row = np.bincount(by_row, minlength=depth * count * rows).reshape(shape)[:, 1:].astype(float)
    sum_i = np.bincount(by_row, i, depth * count * rows).reshape(shape)[:, 1:]
    by_column = (whose * columns + np.arange(columns)).ravel()
    in_column = np.bincount(by_column, minlength=depth * count * columns)
    k, j, i = np.arange(start, start + depth, dtype=float), np.arange(float(rows)), np.arange(float(columns))
    in_column = in_column.reshape(depth, count, columns)[:, 1:].sum(axis=0)
    row_counts, in_layer, layer_i = in_row.sum(axis=0), in_row.sum(axis=2), sum_i.sum(axis=2)
    totals[0] += in_layer.sum(axis=0)
    totals[1] += (in_layer * k[:, None]).sum(axis=0)
    totals[2] += (row_counts * j).sum(axis=1)
    totals[3] += layer_i.sum(axis=0)
    totals[4] += (in_layer * k[:, None] ** 2).sum(axis=0)
    totals[5] += (row_counts * j**2).sum(axis=1)
    totals[6] += (in_column * i**2).sum(axis=1)
    totals[7] += ((in_row * j).sum(axis=2) * k[:, None]).sum(axis=0)
    totals[8] += (layer_i * k[:, None]).sum(axis=0)
    totals[9] += (sum_i.sum(axis=0) * j).sum(axis=1)


def _outermost(labels: np.ndarray, at: np.ndarray, last: bool) -> tuple[np.ndarray, np.ndarray]:
    """Of the places of each label those that are first (or last) in their row along i."""
    order = np.argsort(labels, kind="stable")
    labels, at = labels[order], at[order]
    same = (labels[1:] == labels[:-1]) & (at[1:, :2] == at[:-1, :2]).all(axis=1)
    keep = np.ones(len(labels), bool)
    if last:
        keep[:-1] = ~same
    else:
        keep[1:] = ~same
    return labels[keep], at[keep]


def _add_surface(
    totals: np.ndarray,
    wide: np.ndarray,
    start: int,
    tables: tuple[np.ndarray, np.ndarray, np.ndarray],
    spacing: tuple[float, float, float],
) -> None:
    """Add area and three times the volume of the mesh of each number, from the cells whose corners differ."""
    areas, fluxes, normals = tables
    high, low = wide, wide
    for axis in range(3):
        one = tuple(slice(None, -1) if n == axis else slice(None) for n in range(3))
        two = tuple(slice(1, None) if n == axis else slice(None) for n in range(3))
        high, low = np.maximum(high[one], high[two]), np.minimum(low[one], low[two])
    k, j, i = np.nonzero(high != low)
    corners = np.stack([wide[k + dk, j + dj, i + di] for dk in (0, 1) for dj in (0, 1) for di in (0, 1)])
    index = [(k + start) * spacing[0], j * spacing[1], i * spacing[2]]
    count = totals.shape[1] + 1
    for corner in range(8):
        # Each label of a cell is looked at once, at its first corner.
        new = corners[corner] > 0
        for before in range(corner):
            new &= corners[before] != corners[corner]
        at = np.flatnonzero(new)
        own = corners[:, at]
        code = np.packbits(own == own[corner], axis=0, bitorder="little")[0]
        flux = fluxes[code]
        for axis in range(3):
            flux += normals[code, axis] * index[axis][at]
        totals[10] += np.bincount(own[corner], areas[code], count)[1:]
        totals[11] += np.bincount(own[corner], flux, count)[1:]
