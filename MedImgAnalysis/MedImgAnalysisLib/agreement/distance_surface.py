"""The surface of the reference, coloured by how far the surface of the test is.

The corners of the surface are the surfels that are measured: one point per cell of 2 x 2 x 2 voxel centres
that holds both labels, joined across the voxel faces that separate inside from outside. So every surfel
number can be had from the values at the points: the largest absolute distance is
`surfel_hd_ref_to_pred`, their mean weighted with `Area` is `surfel_asd_ref_to_pred`. For looking, each point
sits at the mean of the places where the surface crosses the edges of its cell (surface nets, Gibson
1998), at most half a voxel along each axis from the centre of the cell that is measured.

Sign: positive where the test reaches beyond the reference, negative where it falls short of it.
"""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import NamedTuple

import numpy as np

from ..boxes import Box
from ..progress import Progress, waited
from ..values import PointValues, Segment, Surface
from .common_grid import CommonGrid
from .nearest import nearest
from .pairing import Pair
from .scan import Elements
from .surfel_areas import area_table

DISTANCE = "Distance"
AREA = "Area"
SEGMENT = "Segment"
FULL = 255


class Part(NamedTuple):
    """The surface of one reference segment."""

    points: np.ndarray
    triangles: np.ndarray
    distances: np.ndarray
    areas: np.ndarray


class DistanceSurfaces:
    """Collects the reference surfaces of pair after pair."""

    def __init__(self, common: CommonGrid) -> None:
        self._common = common
        self._parts: list[tuple[int, Part]] = []

    def add(self, number: int, pair: Pair, box: Box | None, progress: Progress) -> None:
        """Add a pair; `number` tells its segment at the points, `box` is the joint box of both masks."""
        own = self._common.sides[0].box(pair.reference)
        if box is None or own is None or pair.reference is None:
            return
        # A large box takes seconds; a wish to stop is heard meanwhile.
        reference = waited(self._codes, 0, pair.reference, box, progress=progress)
        test = None
        if pair.test is not None and self._common.sides[1].box(pair.test) is not None:
            test = waited(self._codes, 1, pair.test, box, progress=progress)
        self._parts.append((number, self._part(reference, test, box, progress)))

    def _codes(self, side: int, segment: Segment, box: Box) -> np.ndarray:
        return cell_codes(self._common.sides[side].inside(segment, box))

    def _part(self, reference: np.ndarray, test: np.ndarray | None, box: Box, progress: Progress) -> Part:
        grid, spacing = self._common.grid, self._common.spacing
        progress.report(0.0, "Surface of the reference")
        elements = waited(_elements, reference, spacing, progress=progress)
        codes = reference.ravel()[elements.at]
        if test is None:
            distances = np.full(len(elements.at), np.nan)
        else:
            distances = nearest(elements, waited(_elements, test, spacing, progress=progress), progress)
            # A cell with both labels of the test is on its surface as well: distance 0.
            distances = np.where(test.ravel()[elements.at] == FULL, distances, -distances) + 0.0
        index = elements.index(elements.at) + [axis.start - 0.5 for axis in box] + crossing_table()[codes]
        turned = bool(np.linalg.det(grid.axes) < 0)
        triangles = waited(_triangles, reference, turned, progress=progress)
        places = np.searchsorted(elements.at, triangles)
        return Part(grid.to_physical(index[:, ::-1]), places, distances, area_table(spacing)[codes])

    def surface(self) -> Surface:
        """All surfaces as one, with the values `Distance`, `Area` and `Segment` (the row of the table, from 1)."""
        parts = [part for _, part in self._parts]
        empty = Part(np.zeros((0, 3)), np.zeros((0, 3), int), np.zeros(0), np.zeros(0))
        starts = np.cumsum([0, *(len(part.points) for part in parts)])
        triangles = [part.triangles + start for part, start in zip(parts, starts)]
        numbers = [np.full(len(part.points), number) for number, part in self._parts]

        def joined(arrays: list[np.ndarray], none: np.ndarray) -> np.ndarray:
            return np.concatenate(arrays) if arrays else none

        return Surface(
            joined([part.points for part in parts], empty.points),
            joined(triangles, empty.triangles),
            (
                PointValues(DISTANCE, joined([part.distances for part in parts], empty.distances), "mm"),
                PointValues(AREA, joined([part.areas for part in parts], empty.areas), "mm2"),
                PointValues(SEGMENT, joined(numbers, empty.areas)),
            ),
        )


def cell_codes(inside: np.ndarray) -> np.ndarray:
    """Codes (bit `4 z + 2 y + x` per corner inside) of the cells around a box (k, j, i) with background outside it.

    The result is one larger along each axis; cell (0, 0, 0) lies half a voxel before the first voxel.
    """
    padded = np.pad(np.asarray(inside, bool), 1).view(np.uint8)
    codes = np.zeros(tuple(n + 1 for n in inside.shape), np.uint8)
    for bit, corner in enumerate(product((0, 1), repeat=3)):
        codes |= padded[tuple(slice(c, c + n) for c, n in zip(corner, codes.shape))] << np.uint8(bit)
    return codes


def _elements(codes: np.ndarray, spacing: tuple[float, float, float]) -> Elements:
    at = np.flatnonzero((codes > 0) & (codes < FULL))
    return Elements(at, codes.shape, spacing, (0.0, 0.0, 0.0))


@cache
def crossing_table() -> np.ndarray:
    """Mean place (z, y, x) in voxels from the centre of the cell where the surface crosses its edges, (256, 3)."""
    corners = np.array(list(product((0, 1), repeat=3)))
    edges = [(a, b) for a in range(8) for b in range(a) if np.abs(corners[a] - corners[b]).sum() == 1]
    table = np.zeros((256, 3))
    for code in range(1, 255):
        crossed = [(corners[a] + corners[b]) / 2 - 0.5 for a, b in edges if (code >> a & 1) != (code >> b & 1)]
        table[code] = np.mean(crossed, axis=0)
    table.setflags(write=False)
    return table


def _triangles(codes: np.ndarray, turned: bool) -> np.ndarray:
    """Flat cell indices (M, 3) of two triangles per voxel face between inside and outside.

    Seen from outside they go round counter-clockwise; `turned` for a left-handed grid.
    """
    found = []
    strides = [step // codes.itemsize for step in codes.strides]
    for axis in range(3):
        first, second = (other for other in range(3) if other != axis)
        # Corner (1, 1, 1) of a cell and its neighbour along the axis; three more cells share this edge. The last
        # cell of another axis has none: its corner (1, 1, 1) and that neighbour are background.
        here = (codes >> np.uint8(7)) & 1
        before = (codes >> np.uint8(7 - (4, 2, 1)[axis])) & 1
        for falling, crossed in ((True, before > here), (False, here > before)):
            cell = np.flatnonzero(crossed)
            corners = np.stack([cell, cell + strides[second], cell + strides[first] + strides[second],
                                cell + strides[first]], axis=1)  # fmt: skip
            # The normal of this order points along +k and +i, and against j; out is where the label falls.
            if (not falling) ^ turned ^ (axis == 1):
                corners = corners[:, ::-1]
            found += [corners[:, (0, 1, 2)], corners[:, (0, 2, 3)]]
    return np.concatenate(found)
