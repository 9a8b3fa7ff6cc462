"""Area of the surface patch inside one cell of 2 x 2 x 2 voxel centres (length of the contour in 2 x 2).

A cell is coded by which of its corners are inside: bit `4 z + 2 y + x` is set when the corner (z, y, x)
is. Its patch separates inside from outside half way between the corners, as marching cubes does at 0.5
(Lorensen and Cline 1987) with diagonal corners kept apart. Where more than half of the corners are
inside, the patch of the complement is taken, so that a mask and its complement have the same area. This
is the definition with which the surface Dice was published (Nikolov et al. 2021).

A patch falls into parts, one per group of corners that are joined by edges of the cell. With at most
four corners there are seven kinds of parts; each is a few triangles between midpoints of cell edges.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import cache

import numpy as np

# Corners of each kind of part, in coordinates (a, b, c) of the axes it is laid along:
# point (0, 0, 0); edge + (1, 0, 0); elbow (0, 0, 0) with (1, 0, 0) and (0, 1, 0); claw + (0, 0, 1);
# path (0, 0, 0), (1, 0, 0), (1, 1, 0), (1, 1, 1).
_POINT = ((0.5, 0, 0), (0, 0.5, 0), (0, 0, 0.5))
_EDGE = ((0, 0.5, 0), (0, 0, 0.5), (1, 0, 0.5), (1, 0.5, 0))
_ELBOW = ((1, 0, 0.5), (1, 0.5, 0), (0.5, 1, 0), (0, 1, 0.5), (0, 0, 0.5))
_FACE = ((0, 0, 0.5), (1, 0, 0.5), (1, 1, 0.5), (0, 1, 0.5))
_CLAW = ((1, 0.5, 0), (0.5, 1, 0), (0, 1, 0.5), (0, 0.5, 1), (0.5, 0, 1), (1, 0, 0.5))
_PATH = ((0, 0.5, 0), (0, 0, 0.5), (1, 0, 0.5), (1, 0.5, 1), (0.5, 1, 1), (0.5, 1, 0))


@cache
def area_table(spacing: tuple[float, ...]) -> np.ndarray:
    """Areas in mm2 of the 256 cell codes (lengths in mm of the 16 codes in 2-D), float64.

    Parameters
    ----------
    spacing
        Distance of voxel centres in millimetres in the order of numpy axes, (z, y, x) or (y, x).
    """
    dimension = len(spacing)
    corners = 2**dimension
    part = _area if dimension == 3 else _length
    table = np.zeros(2**corners)
    for code in range(2**corners):
        inside = [corner for corner in range(corners) if code >> corner & 1]
        if len(inside) > corners // 2:
            inside = [corner for corner in range(corners) if corner not in inside]
        table[code] = sum(part(group, spacing) for group in _groups(inside))
    table.setflags(write=False)
    return table


def _groups(corners: Sequence[int]) -> list[set[int]]:
    """Corners that are joined by edges of the cell; corners that differ in one bit share an edge."""
    groups: list[set[int]] = []
    for corner in corners:
        near = [group for group in groups if any(_axis(corner, other) is not None for other in group)]
        groups = [group for group in groups if group not in near] + [{corner}.union(*near)]
    return groups


def _axis(one: int, two: int) -> int | None:
    """The axis of the edge between two corners: 0 for x, 1 for y, 2 for z; None when there is no edge."""
    return {1: 0, 2: 1, 4: 2}.get(one ^ two)


def _length(group: set[int], spacing: tuple[float, ...]) -> float:
    """Length of the contour around one or two joined corners of a 2 x 2 cell."""
    y, x = spacing
    if len(group) == 1:
        return math.hypot(y, x) / 2
    one, two = group
    return (x, y)[_axis(one, two) or 0]


def _area(group: set[int], spacing: tuple[float, ...]) -> float:
    """Area of the patch around one to four joined corners."""
    size = spacing[::-1]
    edges = [(one, two, axis) for one, two in itertools.combinations(group, 2) if (axis := _axis(one, two)) is not None]
    axes = list(dict.fromkeys(axis for _, _, axis in edges))
    if len(edges) == 3 and max(_degree(corner, edges) for corner in group) == 2:
        # A path runs along three axes; the one in the middle decides its shape.
        middle = next(axis for one, two, axis in edges if _degree(one, edges) == _degree(two, edges) == 2)
        ends = [axis for axis in axes if axis != middle]
        axes = [ends[0], middle, ends[1]]
    order = axes + [axis for axis in range(3) if axis not in axes]
    shape = {0: _POINT, 1: _EDGE, 2: _ELBOW, 4: _FACE}.get(len(edges)) or (
        _CLAW if max(_degree(corner, edges) for corner in group) == 3 else _PATH
    )
    points = np.array(shape) * np.array([size[axis] for axis in order])
    return sum(_triangle(*(points[corner] for corner in triangle)) for triangle in _triangles(len(points)))


def _degree(corner: int, edges: Sequence[tuple[int, int, int]]) -> int:
    return sum(corner in edge[:2] for edge in edges)


def _triangles(corners: int) -> list[tuple[int, int, int]]:
    """How a polygon is cut; it matters for the two shapes that are not flat, the elbow and the path."""
    if corners == 6:
        return [(0, 2, 4), (0, 1, 2), (2, 3, 4), (4, 5, 0)]
    return [(0, n, n + 1) for n in range(1, corners - 1)]


def _triangle(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> float:
    return float(np.linalg.norm(np.cross(b - a, c - a))) / 2
