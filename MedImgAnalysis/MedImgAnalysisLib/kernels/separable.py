"""Separable linear operators as banded matrices: one small matrix product per tile and axis.

A convolution, an interpolation along an axis or a wavelet step is a matrix with few non-zero entries beside its
diagonal. Its rows are cut into tiles, each with the columns that it needs, and the matrix library multiplies them:
exact, and faster than a loop over the taps. Products are kept so small that the library does not start threads of its
own for them, which would wait for ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from ..blockwise import for_each, ranges
from ..progress import SILENT, Progress

TILE_ROWS = 24
SMALL_PRODUCT = 250_000
"""Multiplications that matrix libraries still do in the calling thread."""
PIECE = 1 << 17
"""Values of planes that are worked on at a time."""
COLUMN_VALUES = 1 << 17
"""Values of a block of columns of the last step, so that it stays in the cache of a core."""


class Planes(Protocol):
    """An array of which some planes are made when they are wanted."""

    def __getitem__(self, planes: slice, /) -> np.ndarray: ...


class Tile(NamedTuple):
    """Rows `start` to `stop` of a matrix, which need the columns `low` to `high` only."""

    start: int
    stop: int
    low: int
    high: int
    weights: np.ndarray


def reflected(n: int, weights: np.ndarray) -> np.ndarray:
    """Matrix (n, n) of a convolution with an odd number of `weights`, the border mirrored (c b a | a b c)."""
    radius = len(weights) // 2
    matrix = np.zeros((n, n))
    rows = np.arange(n)
    offsets, values = np.arange(-radius, radius + 1), weights[::-1]
    if len(offsets) > 2 * n:
        # The mirrored values repeat themselves.
        values, offsets = np.bincount(np.mod(offsets, 2 * n), values, 2 * n), np.arange(2 * n)
    for offset, weight in zip(offsets.tolist(), values, strict=True):
        columns = np.mod(rows + offset, 2 * n)
        np.add.at(matrix, (rows, np.where(columns >= n, 2 * n - 1 - columns, columns)), weight)
    return matrix


def working_type(dtype: np.dtype) -> type:
    """float32 for up to 16 bits and float32, float64 for wider types, whose digits float32 would lose."""
    return np.float32 if dtype.itemsize <= 2 or dtype == np.float32 else np.float64


def apply(
    array: np.ndarray,
    matrices: Sequence[np.ndarray | None],
    progress: Progress = SILENT,
    message: str = "",
    dtype: type | None = None,
    times: np.ndarray | Planes | None = None,
) -> np.ndarray:
    """The array with each axis multiplied by its matrix (new length, length); None leaves the axis.

    Parameters
    ----------
    array
        (k, j, i) or (j, i), any real type; read some planes at a time, never copied whole.
    matrices
        One for each axis of `array`.
    dtype
        Type of result and computation; `working_type` of the array when None.
    times
        Real factors of the shape of `array`: their product is taken instead, without being made whole. Anything that
        gives the factors of some planes as `times[start:stop]` will do for three axes.
    """
    if array.ndim == 2:
        factors = None if times is None else np.asarray(times)[None]
        return apply(array[None], [None, *matrices], progress, message, dtype, factors)[0]
    dtype = dtype or working_type(array.dtype)
    along_k, along_j, along_i = (None if m is None else tiles_of(m, dtype) for m in matrices)
    lengths = [n if m is None else m.shape[0] for n, m in zip(array.shape, matrices, strict=True)]
    # The result takes the place of what is between, unless it is so much shorter that it would hold memory for nothing.
    same = 2 * lengths[0] >= array.shape[0]
    between = np.empty((max(array.shape[0], lengths[0]) if same else array.shape[0], *lengths[1:]), dtype)

    def planes(piece: tuple[int, int]) -> None:
        some = slice(*piece)
        values: np.ndarray = array[some].astype(dtype, copy=False)
        if times is not None:
            values = values * times[some].astype(dtype, copy=False)
        if along_i is not None:
            target = between[some] if along_j is None else np.empty((*values.shape[:2], lengths[2]), dtype)
            multiply(along_i, rows_of(values).T, rows_of(target).T)
            values = target
        if along_j is not None:
            multiply(along_j, values, between[some])
        elif along_i is None:
            between[some] = values

    split = 1.0 if along_k is None else 0.6
    pieces = ranges(array.shape[0], array[:1].size, PIECE)
    for_each(planes, pieces, progress=progress.part(0.0, split), message=message)
    if along_k is None:
        return between
    flat = between.reshape(len(between), -1)
    out = flat[: lengths[0]] if same else np.empty((lengths[0], flat.shape[1]), dtype)

    def columns(piece: tuple[int, int]) -> None:
        # Copied, a block of columns stays in the cache.
        some = slice(*piece)
        multiply(along_k, flat[: len(array), some].copy(), out[:, some])

    width = max(256, COLUMN_VALUES // max(array.shape[0], lengths[0]))
    blocks = -(-flat.shape[1] // width)
    pieces = ranges(flat.shape[1], 1, -(-flat.shape[1] // blocks))
    for_each(columns, pieces, progress=progress.part(split, 1.0), message=message)
    return out.reshape(lengths)


class Layers:
    """What `apply` makes of an array, some layers at a time: for results too large to be held whole.

    Parameters
    ----------
    matrices
        One for each axis of the arrays, (k, j, i) or (j, i).
    """

    def __init__(self, matrices: Sequence[np.ndarray], dtype: type = np.float32) -> None:
        self._first, self._dtype = matrices[0], dtype
        self._along = [tiles_of(matrix, dtype) for matrix in matrices[1:]]
        self._lengths = [matrix.shape[0] for matrix in matrices[1:]]

    def of(self, array: np.ndarray, rows: slice) -> np.ndarray:
        """Layers `rows` of the result."""
        tiles = tiles_of(self._first[rows], self._dtype, len(self._first))
        part = np.empty((tiles[0].stop, *array.shape[1:]), self._dtype)
        multiply(tiles, array.reshape(len(array), -1), part.reshape(len(part), -1))
        made = np.empty((len(part), *self._lengths), self._dtype)
        if array.ndim == 2:
            multiply(self._along[0], part.T, made.T)
            return made
        wide = np.empty((len(part), array.shape[1], self._lengths[1]), self._dtype)
        multiply(self._along[1], rows_of(part).T, rows_of(wide).T)
        multiply(self._along[0], wide, made)
        return made


def tiles_of(matrix: np.ndarray, dtype: type, rows_of_tile: int = TILE_ROWS) -> list[Tile]:
    """A matrix in tiles, for `multiply`."""
    tiles = []
    for start in range(0, matrix.shape[0], rows_of_tile):
        rows = matrix[start : start + rows_of_tile]
        used = np.flatnonzero(rows.any(axis=0))
        low, high = (int(used[0]), int(used[-1]) + 1) if used.size else (0, 1)
        tiles.append(Tile(start, start + len(rows), low, high, rows[:, low:high].astype(dtype)))
    return tiles


def rows_of(planes: np.ndarray) -> np.ndarray:
    """(k, j, i) as (k j, i)."""
    return planes.reshape(-1, planes.shape[-1])


def multiply(tiles: list[Tile], values: np.ndarray, out: np.ndarray) -> None:
    """out = matrix @ values, both (..., row, column), in blocks of columns of one product each."""
    for tile in tiles:
        part, target = values[..., tile.low : tile.high, :], out[..., tile.start : tile.stop, :]
        columns = max(8, SMALL_PRODUCT // tile.weights.size)
        whole = values.shape[-1] // columns * columns
        if whole:
            np.matmul(tile.weights, _blocks(part[..., :whole], columns), out=_blocks(target[..., :whole], columns))
        if whole < values.shape[-1]:
            np.matmul(tile.weights, part[..., whole:], out=target[..., whole:])


def _blocks(values: np.ndarray, columns: int) -> np.ndarray:
    """A view (..., block, row, column) of (..., row, column)."""
    return values.reshape(*values.shape[:-1], -1, columns).swapaxes(-3, -2)
