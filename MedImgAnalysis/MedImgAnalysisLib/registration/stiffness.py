"""The step of a deformable registration: local equations at every node, tied together by the stiffness of the field.

    (A + S) v = b - S u

A (d x d at every node) and b come from the images, u is the field so far and v the step. S is the operator of the
energy of the field: squared second differences along the axes of the lattice (bending) and squared first differences
(stretching). Where the images say much, A rules; where they say nothing, S goes on smoothly from there. Solved by
conjugate gradients with the inverse of the local matrices as preconditioner.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from ..blockwise import for_each, ranges
from ..progress import SILENT, Progress

Entries = Mapping[tuple[int, int], np.ndarray]
"""Upper triangle of a symmetric matrix at every node."""

ENOUGH = 1e-6
"""Part of the squared residual at which the solution is good enough for single precision."""

PIECE = 1 << 14
"""Nodes whose matrices are inverted at a time, so that they stay in the cache of a core."""
WORTH_THREADS = 1 << 19
"""Numbers of a field from which its components are worked on in threads."""


class Stiffness(NamedTuple):
    """Weights of the squared second and first differences between neighbouring nodes."""

    bending: float
    stretching: float

    def times(self, field: np.ndarray, out: np.ndarray | None = None, progress: Progress = SILENT) -> np.ndarray:
        """S times a field (component, *nodes): the gradient of half its energy; added to `out` where given.

        Free at the border: nothing is assumed beyond.
        """
        out = np.zeros_like(field) if out is None else out

        def work(row: int) -> None:
            for axis in range(field.ndim - 1):
                self._along(field[row], axis, out[row])

        _rows(work, field, progress)
        return out

    def _along(self, part: np.ndarray, axis: int, into: np.ndarray) -> None:
        bending, stretching = (part.dtype.type(weight) for weight in self)
        if part.shape[axis] > 1 and stretching:
            low, high = _cut(part.ndim, axis, 0, -1), _cut(part.ndim, axis, 1, None)
            first = part[high] - part[low]
            first *= stretching
            into[high] += first
            into[low] -= first
        if part.shape[axis] > 2 and bending:
            behind, here, ahead = (_cut(part.ndim, axis, a, b) for a, b in ((0, -2), (1, -1), (2, None)))
            second = part[ahead] + part[behind]
            second -= 2 * part[here]
            second *= bending
            into[ahead] += second
            into[behind] += second
            second *= 2
            into[here] -= second

    @property
    def diagonal(self) -> float:
        """What S has on its diagonal for each axis, away from the border."""
        return 6 * self.bending + 2 * self.stretching


def solved(
    entries: Entries,
    right: np.ndarray,
    field: np.ndarray,
    stiffness: Stiffness,
    rounds: int,
    progress: Progress = SILENT,
) -> np.ndarray:
    """The step v for A, b and u (b and u are (component, *nodes)) after `rounds` of conjugate gradients.

    `right` is used up. Stops between the parts of a round when asked to.
    """
    number = field.dtype.type
    own = number(stiffness.diagonal * len(right))
    rest = right
    rest -= stiffness.times(field, progress=progress)
    step = np.zeros_like(field)
    # Holds what the matrix makes of the way, and then what the preconditioner makes of the rest.
    image = _inverse_times(entries, own, rest, np.empty_like(rest), progress)
    way = image.copy()
    size = first = _dot(rest, image)
    for _ in range(rounds):
        if size <= ENOUGH * first:
            break
        progress.check()
        times(entries, way, image)
        stiffness.times(way, image, progress)
        curvature = _dot(way, image)
        if curvature <= 0:
            break
        length = number(size / curvature)
        for into, along, sign in ((step, way, length), (rest, image, -length)):
            for part, other in zip(into, along, strict=True):
                part += sign * other
        progress.check()
        _inverse_times(entries, own, rest, image, progress)
        progress.check()
        before, size = size, _dot(rest, image)
        way *= number(size / before)
        way += image
    return step


def times(entries: Entries, field: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """A symmetric matrix times a vector (component, *nodes) at every node, into `out` where given."""
    into = np.empty_like(field) if out is None else out

    def work(row: int) -> None:
        np.multiply(entries[0, row], field[0], out=into[row])
        for column in range(1, len(field)):
            into[row] += entries[min(row, column), max(row, column)] * field[column]

    _rows(work, field, SILENT)
    return into


def _inverse_times(
    entries: Entries, more: np.number, field: np.ndarray, out: np.ndarray, progress: Progress
) -> np.ndarray:
    """The inverse of the matrix with `more` on its diagonal times a vector, into `out`.

    Inverses are made where they are needed, some layers at a time: held, they would be twice the memory of the step.
    """

    def work(piece: tuple[int, int]) -> None:
        layers = slice(*piece)
        part = {(a, b): values[layers] + more if a == b else values[layers] for (a, b), values in entries.items()}
        inverse = inverted(part)
        for row, into in enumerate(out):
            into[layers] = sum(inverse[min(row, c), max(row, c)] * field[c][layers] for c in range(len(field)))

    for_each(work, ranges(field.shape[1], int(np.prod(field.shape[2:])), PIECE), progress=progress)
    return out


def _rows(work: Callable[[int], None], field: np.ndarray, progress: Progress) -> None:
    """Do the components of a field, in threads where it is worth starting them."""
    if field.size >= WORTH_THREADS:
        for_each(work, range(len(field)), progress=progress)
        return
    progress.check()
    for row in range(len(field)):
        work(row)


def inverted(m: Entries) -> dict[tuple[int, int], np.ndarray]:
    """Inverse of a symmetric 2 x 2 or 3 x 3 matrix at every node."""
    if len(m) == 3:
        det = m[0, 0] * m[1, 1] - m[0, 1] * m[0, 1]
        return {(0, 0): m[1, 1] / det, (0, 1): -m[0, 1] / det, (1, 1): m[0, 0] / det}
    pairs = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
    a, b, c, d, e, f = (m[pair] for pair in pairs)
    cofactors = (d * f - e * e, c * e - b * f, b * e - c * d, a * f - c * c, b * c - a * e, a * d - b * b)
    det = a * cofactors[0] + b * cofactors[1] + c * cofactors[2]
    for cofactor in cofactors:
        cofactor /= det
    return dict(zip(pairs, cofactors, strict=True))


def _dot(a: np.ndarray, b: np.ndarray) -> float:
    return sum(float(np.sum(p * q, dtype=np.float64)) for p, q in zip(a, b, strict=True))


def _cut(dimension: int, axis: int, start: int, stop: int | None) -> tuple[slice, ...]:
    return tuple(slice(start, stop) if a == axis else slice(None) for a in range(dimension))
