"""The step of a deformable registration: local equations at every node, tied together by the stiffness of the field.

    (A + S) v = b - S u

A (d x d at every node) and b come from the images, u is the field so far and v the step. S is the operator of the
energy of the field: squared second differences along the axes of the lattice (bending) and squared first differences
(stretching). Where the images say much, A rules; where they say nothing, S goes on smoothly from there. Solved by
conjugate gradients in the variables in which the local matrices are the identity, some layers at a time in threads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from ..blockwise import for_each, ranges
from ..kernels import separable
from ..progress import SILENT, Progress

Done = TypeVar("Done")
Entries = Mapping[tuple[int, int], np.ndarray]
"""Upper triangle of a symmetric matrix at every node."""

ENOUGH = 1e-6
"""Part of the squared residual at which the solution is good enough for single precision."""

PIECE = 1 << 17
"""Nodes that are worked on at a time; with fewer, threads would mostly wait for each other."""
ROUNDING = 16
"""Units in the last place of a sum of few products of local matrices."""
TILE_ROWS = 12
"""Rows of a tile of a matrix with five diagonals."""


class Stiffness(NamedTuple):
    """Weights of the squared second and first differences between neighbouring nodes."""

    bending: float
    stretching: float

    def matrix(self, nodes: int) -> np.ndarray:
        """The gradient of half the energy along an axis, (nodes, nodes); free at the border."""
        # Without a product of large matrices, for which the matrix library would start threads that get in our way.
        matrix = np.zeros((nodes, nodes))
        for weight, differences in ((self.stretching, (-1, 1)), (self.bending, (1, -2, 1))):
            of_all = np.diff(np.eye(nodes), len(differences) - 1, axis=0)
            for first, factor in enumerate(differences):
                matrix[first : first + len(of_all)] += weight * factor * of_all
        return matrix

    @property
    def diagonal(self) -> float:
        """What S has on its diagonal for each axis, away from the border."""
        return 6 * self.bending + 2 * self.stretching


class Springs:
    """S - `less` I of a lattice."""

    def __init__(self, stiffness: Stiffness, shape: Sequence[int], dtype: np.dtype, less: float = 0.0) -> None:
        self._type = dtype.type
        self._first, *others = (stiffness.matrix(n) for n in shape)
        self._first -= less * np.eye(shape[0])
        self._others = [separable.tiles_of(matrix, self._type, TILE_ROWS) for matrix in others]

    def times(self, field: np.ndarray, layers: slice = slice(None)) -> np.ndarray:
        """Some layers of the product with a field (component, *nodes)."""
        own = np.ascontiguousarray(field[:, layers])
        out, more = np.empty_like(own), np.empty_like(own)
        first = separable.tiles_of(self._first[layers], self._type, TILE_ROWS)
        separable.multiply(first, field.reshape(*field.shape[:2], -1), out.reshape(*out.shape[:2], -1))
        for axis, tiles in enumerate(self._others, 2):
            # The last axis is that of the rows, whose columns lie side by side.
            last = axis == field.ndim - 1
            ways = (separable.rows_of(part).T if last else part for part in (own, more))
            separable.multiply(tiles, *ways)
            out += more
        return out


def solved(
    entries: Entries,
    right: np.ndarray,
    field: np.ndarray,
    stiffness: Stiffness,
    rounds: int,
    progress: Progress = SILENT,
) -> np.ndarray:
    """The step v for A, b and u (b and u are (component, *nodes)) after `rounds` of conjugate gradients.

    `entries` and `right` are used up. Stops between the parts of a round when asked to.

    With the factors L L' = M = A + own I, own the diagonal of S, v = L'^-1 w solves

        (I + L^-1 (S - own I) L'^-1) w = L^-1 (b - S u)
    """
    number = field.dtype.type
    own = number(stiffness.diagonal * len(right))
    layers = [slice(*piece) for piece in ranges(field.shape[1], field[0, :1].size, PIECE)]
    springs, free = (Springs(stiffness, field.shape[1:], field.dtype, less) for less in (0.0, float(own)))
    rest, step, way, turned, image = right, *(np.zeros_like(field) for _ in range(4))

    def begun(at: slice) -> float:
        for axis in range(len(right)):
            entries[axis, axis][at] += own
        whiten({pair: values[at] for pair, values in entries.items()})
        rest[:, at] = lower_times(entries, rest[:, at] - springs.times(field, at), at)
        return _dot(rest[:, at], rest[:, at])

    def turn(at: slice, part: np.number) -> None:
        way[:, at] *= part
        way[:, at] += rest[:, at]
        turned[:, at] = upper_times(entries, way[:, at], at)

    def look(at: slice) -> float:
        image[:, at] = lower_times(entries, free.times(turned, at), at)
        image[:, at] += way[:, at]
        return _dot(way[:, at], image[:, at])

    def go(at: slice, length: np.number) -> float:
        step[:, at] += length * turned[:, at]
        rest[:, at] -= length * image[:, at]
        return _dot(rest[:, at], rest[:, at])

    def all_of(work: Callable[..., Done], *numbers: np.number) -> list[Done]:
        return for_each(lambda at: work(at, *numbers), layers, progress=progress)

    size = first = sum(all_of(begun))
    before = np.inf
    for _ in range(rounds):
        if size <= ENOUGH * first:
            break
        all_of(turn, number(size / before))
        curvature = sum(all_of(look))
        if curvature <= 0:
            break
        before, size = size, sum(all_of(go, number(size / curvature)))
    return step


def whiten(m: Entries) -> None:
    """Put the inverse of the lower Cholesky factor of a symmetric matrix, transposed, in its place at every node.

    What is singular but for rounding counts as regular by as much as that.
    """
    d = max(m)[0] + 1
    for a in range(d):
        least = m[a, a] * (ROUNDING * np.finfo(m[a, a].dtype).eps)
        for c in range(a):
            m[a, a][...] -= np.square(m[c, a])
        np.maximum(m[a, a], least, out=m[a, a])
        np.sqrt(m[a, a], out=m[a, a])
        for b in range(a + 1, d):
            for c in range(a):
                m[a, b][...] -= m[c, a] * m[c, b]
            m[a, b][...] /= m[a, a]
    for b in range(d):
        np.reciprocal(m[b, b], out=m[b, b])
        for a in range(b):
            total = sum(m[c, b] * m[a, c] for c in range(a, b))
            np.multiply(total, -m[b, b], out=m[a, b])


def lower_times(factor: Entries, part: np.ndarray, layers: slice) -> np.ndarray:
    """Some layers of a lower triangular matrix, given transposed, times those of a vector (component, *layers)."""
    return _triangle(part, [[(b, factor[b, a][layers]) for b in range(a + 1)] for a in range(len(part))])


def upper_times(factor: Entries, part: np.ndarray, layers: slice) -> np.ndarray:
    """Some layers of an upper triangular matrix times those of a vector (component, *layers)."""
    return _triangle(part, [[(b, factor[a, b][layers]) for b in range(a, len(part))] for a in range(len(part))])


def _triangle(part: np.ndarray, rows: Sequence[Sequence[tuple[int, np.ndarray]]]) -> np.ndarray:
    out = np.empty_like(part)
    for into, ((first, value), *others) in zip(out, rows, strict=True):
        np.multiply(value, part[first], out=into)
        for column, value in others:
            into += value * part[column]
    return out


def _dot(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.sum(a * b))
