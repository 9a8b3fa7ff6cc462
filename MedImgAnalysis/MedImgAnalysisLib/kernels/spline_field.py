"""Smooth fields as sums of cubic B-splines on a coarse lattice: evaluated and fitted to scattered voxels, axis by axis.

The fit is the multilevel B-spline approximation of Lee, Wolberg and Shin (1997), as ITK's N4 filter uses it. On a grid
of voxels its sums are products along the axes, so that a fit costs no more than a resampling.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..progress import SILENT, Progress
from . import separable


def basis(at: np.ndarray, length: int, spans: int) -> np.ndarray:
    """Matrix (positions, spans + 3) of cubic B-splines; `spans` equal pieces lead from voxel 0 to `length` - 1.

    An axis of one voxel has one constant function.
    """
    if length == 1:
        return np.ones((len(at), 1))
    u = np.asarray(at, float) / (length - 1) * spans
    low = np.clip(np.floor(u).astype(int), 0, spans - 1)
    t = u - low
    weights = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
    matrix = np.zeros((len(u), spans + 3))
    rows = np.arange(len(u))
    for offset, weight in enumerate(weights):
        matrix[rows, low + offset] = weight / 6
    return matrix


def refined(coefficients: np.ndarray, lengths: Sequence[int], spans: Sequence[int], finer: Sequence[int]) -> np.ndarray:
    """Coefficients of the same field on a lattice whose `finer` numbers of spans are multiples of `spans`."""
    matrices = []
    for length, before, after in zip(lengths, spans, finer, strict=True):
        dense = np.linspace(0, length - 1, 4 * (after + 3))
        matrices.append(np.linalg.lstsq(basis(dense, length, after), basis(dense, length, before), rcond=None)[0])
    return separable.apply(coefficients, matrices, dtype=np.float64)


class Fitter:
    """Fits lattices to values at voxels that count by `weights`, and evaluates them there.

    Parameters
    ----------
    bases
        Matrix of `basis` for each axis (k, j, i).
    weights
        (k, j, i), 0 where there is no value.
    """

    def __init__(self, bases: Sequence[np.ndarray], weights: np.ndarray, progress: Progress = SILENT) -> None:
        self.bases = list(bases)
        self._cubes = [(b**3).T / (b**2).sum(axis=1) for b in self.bases]
        self._weights = weights
        self._density = separable.apply(weights, [(b**2).T for b in self.bases], progress, dtype=np.float64)

    def fit(self, values: np.ndarray, progress: Progress = SILENT) -> np.ndarray:
        """Coefficients for `values` (k, j, i) that are multiplied by the weights already."""
        sums = separable.apply(values, self._cubes, progress, dtype=np.float64)
        return np.divide(sums, self._density, out=np.zeros_like(sums), where=self._density > 0)

    def evaluate(self, coefficients: np.ndarray, progress: Progress = SILENT) -> np.ndarray:
        """The field at the voxels, float64."""
        return separable.apply(coefficients, self.bases, progress, dtype=np.float64)
