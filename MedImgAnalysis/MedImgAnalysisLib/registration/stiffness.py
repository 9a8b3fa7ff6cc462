"""The step of a deformable registration: local equations at every node, tied together by the stiffness of the field.

    (A + S) v = b - S u

A (d x d at every node) and b come from the images, u is the field so far and v the step. S is the operator of the
energy of the field: squared second differences along the axes of the lattice (bending) and squared first differences
(stretching). Where the images say much, A rules; where they say nothing, S goes on smoothly from there. Solved by
conjugate gradients with the inverse of the local matrices as preconditioner.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

Entries = Mapping[tuple[int, int], np.ndarray]
"""Upper triangle of a symmetric matrix at every node."""

ENOUGH = 1e-6
"""Part of the squared residual at which the solution is good enough for single precision."""


class Stiffness(NamedTuple):
    """Weights of the squared second and first differences between neighbouring nodes."""

    bending: float
    stretching: float

    def times(self, field: np.ndarray) -> np.ndarray:
        """S times a field (component, *nodes): the gradient of half its energy; free at the border."""
        out = np.zeros_like(field)
        bending, stretching = (field.dtype.type(w) for w in self)
        for axis in range(1, field.ndim):
            if field.shape[axis] > 1 and stretching:
                low, high = _along(field.ndim, axis, 0, -1), _along(field.ndim, axis, 1, None)
                first = field[high] - field[low]
                first *= stretching
                out[high] += first
                out[low] -= first
            if field.shape[axis] > 2 and bending:
                behind, here, ahead = (_along(field.ndim, axis, a, b) for a, b in ((0, -2), (1, -1), (2, None)))
                second = field[ahead] + field[behind]
                second -= 2 * field[here]
                second *= bending
                out[ahead] += second
                out[behind] += second
                second *= 2
                out[here] -= second
        return out

    @property
    def diagonal(self) -> float:
        """What S has on its diagonal for each axis, away from the border."""
        return 6 * self.bending + 2 * self.stretching


def solved(entries: Entries, right: np.ndarray, field: np.ndarray, stiffness: Stiffness, rounds: int) -> np.ndarray:
    """The step v for A, b and u (b and u are (component, *nodes)) after `rounds` of conjugate gradients."""
    number = field.dtype.type
    own = number(stiffness.diagonal * len(right))
    inverse = inverted({(a, b): values + own if a == b else values for (a, b), values in entries.items()})
    rest = right - stiffness.times(field)
    step = np.zeros_like(field)
    better = times(inverse, rest)
    way = better.copy()
    size = first = _dot(rest, better)
    for _ in range(rounds):
        if size <= ENOUGH * first:
            break
        image = stiffness.times(way)
        image += times(entries, way)
        curvature = _dot(way, image)
        if curvature <= 0:
            break
        step += number(size / curvature) * way
        image *= number(size / curvature)
        rest -= image
        better = times(inverse, rest)
        before, size = size, _dot(rest, better)
        way *= number(size / before)
        way += better
    return step


def times(entries: Entries, field: np.ndarray) -> np.ndarray:
    """A symmetric matrix times a vector (component, *nodes) at every node."""
    out = np.empty_like(field)
    for row in range(len(field)):
        np.multiply(entries[0, row], field[0], out=out[row])
        for column in range(1, len(field)):
            out[row] += entries[min(row, column), max(row, column)] * field[column]
    return out


def inverted(m: Entries) -> dict[tuple[int, int], np.ndarray]:
    """Inverse of a symmetric 2 x 2 or 3 x 3 matrix at every node."""
    if len(m) == 3:
        det = m[0, 0] * m[1, 1] - m[0, 1] * m[0, 1]
        return {(0, 0): m[1, 1] / det, (0, 1): -m[0, 1] / det, (1, 1): m[0, 0] / det}
    pairs = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
    a, b, c, d, e, f = (m[pair] for pair in pairs)
    cofactors = (d * f - e * e, c * e - b * f, b * e - c * d, a * f - c * c, b * c - a * e, a * d - b * b)
    det = a * cofactors[0] + b * cofactors[1] + c * cofactors[2]
    return {pair: cofactor / det for pair, cofactor in zip(pairs, cofactors, strict=True)}


def _dot(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.sum(a * b, dtype=np.float64))


def _along(dimension: int, axis: int, start: int, stop: int | None) -> tuple[slice, ...]:
    return tuple(slice(start, stop) if a == axis else slice(None) for a in range(dimension))
