"""Values for missing voxels from those around them: nearest, linear along an axis, or as smooth as a bent plate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..blockwise import for_each, ranges, thread_count
from ..progress import SILENT, Progress

CHUNK = 1 << 16
MOST_SMOOTH = 2_000_000
"""Missing voxels that the smooth fill takes on."""
ENOUGH = 1e-9
MOST_TURNS = 20_000


def fill_nearest(array: np.ndarray, missing: np.ndarray, spacing: Sequence[float], progress: Progress = SILENT) -> None:
    """Give each missing voxel of `array` (k, j, i), in place, the value of the nearest other one in millimetres.

    Of the others only face neighbours of missing voxels can be the nearest, so few have to be searched.
    """
    from scipy.spatial import cKDTree

    known = np.argwhere(_beside(missing) & ~missing)
    wanted = np.argwhere(missing)
    progress.check()
    scale = np.asarray(spacing, float)
    tree = cKDTree(known * scale)
    values = array[tuple(known.T)]
    for start in range(0, len(wanted), CHUNK):
        progress.report(start / len(wanted), "Filling")
        part = wanted[start : start + CHUNK]
        _, found = tree.query(part * scale, workers=thread_count())
        array[tuple(part.T)] = values[found]


def _beside(mask: np.ndarray) -> np.ndarray:
    """Face neighbours of a mask, and the mask itself."""
    wider = mask.copy()
    for axis in range(mask.ndim):
        low, high = ([slice(None)] * mask.ndim for _ in range(2))
        low[axis], high[axis] = slice(None, -1), slice(1, None)
        wider[tuple(low)] |= mask[tuple(high)]
        wider[tuple(high)] |= mask[tuple(low)]
    return wider


def fill_between_slices(array: np.ndarray, missing: np.ndarray, progress: Progress = SILENT) -> np.ndarray:
    """Fill in place along the first axis, linear between the nearest voxels that are there, constant beyond the ends.

    Returns what is still missing: columns that have no voxel at all.
    """
    n = array.shape[0]
    left: np.ndarray = np.zeros(array.shape[1:], bool)
    place = np.arange(n).reshape(-1, *[1] * (array.ndim - 2))

    def rows(part: tuple[int, int]) -> None:
        for j in range(*part):
            gone = missing[:, j]
            if not gone.any():
                continue
            below = np.maximum.accumulate(np.where(gone, -1, place), axis=0)
            above = np.minimum.accumulate(np.where(gone, n, place)[::-1], axis=0)[::-1]
            low = np.where(below < 0, above, below)
            high = np.where(above == n, below, above)
            left[j] = low[0] == n
            low, high = np.clip(low, 0, n - 1), np.clip(high, 0, n - 1)
            plane = array[:, j]
            weight = (place - low) / np.maximum(high - low, 1)
            first, second = np.take_along_axis(plane, low, 0), np.take_along_axis(plane, high, 0)
            array[:, j] = np.where(gone, first + (second - first) * weight, plane)

    for_each(rows, ranges(array.shape[1], array[:, :1].size), progress=progress, message="Filling")
    return missing & left[None]


def fill_smoothly(
    array: np.ndarray, missing: np.ndarray, spacing: Sequence[float], progress: Progress = SILENT
) -> bool:
    """Fill `array` (float64, already with a first guess) in place so that the sum of squared Laplacians is smallest.

    The result solves the biharmonic equation with the values and slopes of the voxels around, as a thin plate bends;
    polynomials up to the third degree come back exactly. Differences count in millimetres; at the border of the
    image an axis without both neighbours does not count. Conjugate gradients; returns whether they came to the end.
    """
    from scipy.sparse import csr_matrix

    scale = float(np.abs(array[_beside(missing)]).max(initial=0.0))
    rows = np.argwhere(_beside(missing))
    number = np.full(missing.shape, -1)
    unknown = np.argwhere(missing)
    number[missing] = np.arange(len(unknown))
    progress.check()
    entries: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    fixed = np.zeros(len(rows))
    for axis, step in enumerate(spacing):
        size = missing.shape[axis]
        inner = np.flatnonzero((rows[:, axis] > 0) & (rows[:, axis] < size - 1))
        for offset, weight in ((-1, 1.0), (0, -2.0), (1, 1.0)):
            index = rows[inner].copy()
            index[:, axis] += offset
            place = tuple(index.T)
            column = number[place]
            known = column < 0
            value = weight / step**2
            np.add.at(fixed, inner[known], value * array[place][known])
            entries.append((inner[~known], column[~known], np.full(int((~known).sum()), value)))
        progress.check()
    row, column, weights = (np.concatenate([entry[n] for entry in entries]) for n in range(3))
    matrix = csr_matrix((weights, (row, column)), (len(rows), len(unknown)))
    start = array[tuple(unknown.T)]
    found, finished = _least_squares(matrix, -fixed, start, scale, progress)
    array[tuple(unknown.T)] = found
    return finished


def _least_squares(
    matrix: Any, target: np.ndarray, start: np.ndarray, scale: float, progress: Progress
) -> tuple[np.ndarray, bool]:
    """The x for which |matrix x - target| is smallest, by conjugate gradients with columns of length one."""
    from scipy.sparse import diags

    lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=0)).ravel())
    lengths[lengths == 0] = 1.0
    scaled = matrix @ diags(1 / lengths)
    turned = scaled.T.tocsr()
    x = start * lengths
    residual = target - scaled @ x
    gradient = turned @ residual
    direction = gradient.copy()
    size = float(gradient @ gradient)
    limit = (ENOUGH * scale * float(lengths.max())) ** 2 * len(x) + 1e-300
    for turn in range(MOST_TURNS):
        if size <= limit:
            return x / lengths, True
        if turn % 16 == 0:
            progress.report(min(0.99, turn / 400), "Filling smoothly")
        image = scaled @ direction
        length = size / float(image @ image)
        x += length * direction
        residual -= length * image
        gradient = turned @ residual
        size, before = float(gradient @ gradient), size
        direction = gradient + size / before * direction
    return x / lengths, False
