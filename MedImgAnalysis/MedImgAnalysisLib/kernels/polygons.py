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
    ends = np.roll(points, -1, axis=0)
    for i in range(n - 2):
        # The last edge is a neighbour of the first.
        rest = slice(i + 2, n - 1 if i == 0 else n)
        a, b, c, d = points[i], ends[i], points[rest], ends[rest]
        crossing = (_side(a, b, c) * _side(a, b, d) < 0) & (_side(c, d, a) * _side(c, d, b) < 0)
        if crossing.any():
            return True
    return False


def _side(p: np.ndarray, q: np.ndarray, r: np.ndarray) -> np.ndarray:
    """1 or -1 for points r on either side of the line from p to q, 0 on it."""
    along, away = q - p, r - p
    return np.asarray(np.sign(along[..., 0] * away[..., 1] - along[..., 1] * away[..., 0]))


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
