"""Closed polygons in a plane: even points along them, what they enclose."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def length_of(points: np.ndarray) -> float:
    """Length of the closed polygon through (N, 2) points."""
    return float(np.linalg.norm(np.roll(points, -1, axis=0) - points, axis=1).sum())


def area_of(points: np.ndarray) -> float:
    """Area inside, positive when the points go round from the first axis to the second."""
    x, y = points.T
    return float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2)


def evenly(points: np.ndarray, count: int) -> np.ndarray:
    """`count` points at equal distances along the closed polygon, from its first point."""
    closed = np.concatenate([points, points[:1]])
    steps = np.linalg.norm(np.diff(closed, axis=0), axis=1)
    at = np.concatenate([[0.0], np.cumsum(steps)])
    wanted = np.arange(count) * at[-1] / count
    return np.stack([np.interp(wanted, at, closed[:, axis]) for axis in range(2)], axis=1)


def crosses_itself(points: np.ndarray) -> bool:
    """Whether two edges that are no neighbours meet."""
    n = len(points)
    a, b = points, np.roll(points, -1, axis=0)

    def side(p: np.ndarray, q: np.ndarray, r: np.ndarray) -> np.ndarray:
        return np.asarray(np.sign((q[..., 0] - p[..., 0]) * (r[..., 1] - p[..., 1])
                       - (q[..., 1] - p[..., 1]) * (r[..., 0] - p[..., 0])))  # fmt: skip

    first, second = np.triu_indices(n, 2)
    apart = ~((first == 0) & (second == n - 1))
    i, j = first[apart], second[apart]
    crossing = (side(a[i], b[i], a[j]) * side(a[i], b[i], b[j]) < 0) & (
        side(a[j], b[j], a[i]) * side(a[j], b[j], b[i]) < 0
    )
    return bool(crossing.any())


def filled(points: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Boolean array of `shape` of the cells whose centre (whole indices) lies inside; points are indices (row, column).

    Even-odd rule; a centre exactly on an edge counts on one of its sides only.
    """
    out = np.zeros(shape, bool)
    rows, columns = points.T
    next_rows, next_columns = np.roll(rows, -1), np.roll(columns, -1)
    for row in range(max(0, int(np.floor(rows.min()))), min(shape[0], int(np.ceil(rows.max())) + 1)):
        cut = (rows <= row) != (next_rows <= row)
        where = columns[cut] + (row - rows[cut]) / (next_rows[cut] - rows[cut]) * (next_columns[cut] - columns[cut])
        out[row] = (np.searchsorted(np.sort(where), np.arange(shape[1]), side="right") % 2) == 1
    return out
