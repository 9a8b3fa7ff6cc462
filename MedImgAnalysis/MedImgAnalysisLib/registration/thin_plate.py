"""Thin-plate splines through points: the smoothest deformation that takes each point to its partner."""

from __future__ import annotations

from itertools import product

import numpy as np

from ..geometry import Grid
from ..progress import SILENT, Progress

CHUNK = 1 << 21
"""Kernel values that are computed between two looks at the wish to stop."""


class ThinPlate:
    """m(x) = A x + b + sum_j w_j U(|x - f_j|), U = r^2 ln r in 2-D and -r in 3-D (Bookstein 1989, IEEE TPAMI 11:567).

    `regularisation` 0 interpolates the points. Above, lambda I is added to the kernel matrix (Rohr et al. 2001, IEEE
    TMI 20:526), lambda being `regularisation` times the mean of |U| over pairs of points: the number has no unit, and
    for large ones the result is the affine least squares fit.

    Parameters
    ----------
    fixed, moving
        (N, d) LPS millimetres, N > d, not degenerate.
    """

    def __init__(self, fixed: np.ndarray, moving: np.ndarray, regularisation: float = 0.0) -> None:
        n, d = fixed.shape
        self._centre = fixed.mean(axis=0)
        # Without a unit the matrix is well conditioned; the side conditions make the result independent of the scale.
        self._scale = float(np.sqrt(((fixed - self._centre) ** 2).sum(axis=1).mean()))
        self._points = (fixed - self._centre) / self._scale
        kernel = _kernel(self._points, self._points)
        self._lambda = regularisation * float(np.abs(kernel).sum()) / max(n * (n - 1), 1)
        matrix = np.zeros((n + d + 1, n + d + 1))
        matrix[:n, :n] = kernel + self._lambda * np.eye(n)
        matrix[:n, n] = matrix[n, :n] = 1
        matrix[:n, n + 1 :], matrix[n + 1 :, :n] = self._points, self._points.T
        self._inverse = np.linalg.inv(matrix)
        right = np.concatenate([moving, np.zeros((d + 1, d))])
        weights = self._inverse @ right
        # One step of refinement takes away what the inverse lost to rounding.
        self._weights = weights + self._inverse @ (right - matrix @ weights)

    def __call__(self, points: np.ndarray, progress: Progress = SILENT) -> np.ndarray:
        """Where points (M, d) in LPS millimetres go, (M, d)."""
        n = len(self._points)
        found = np.empty(points.shape)
        step = max(1, CHUNK // n)
        for start in range(0, len(points), step):
            progress.report(start / len(points), "Thin-plate spline")
            x = (points[start : start + step] - self._centre) / self._scale
            found[start : start + step] = (
                _kernel(x, self._points) @ self._weights[:n] + self._weights[n] + x @ self._weights[n + 1 :]
            )
        return found

    def left_out_errors(self) -> np.ndarray:
        """For each point the error vector (N, d) of a spline of equal lambda through all others; NaN where undefined.

        By the rule of Rippa (1999, Adv Comput Math 11:193): the weight of the point over its diagonal element of the
        inverse. It has no value where the others do not determine a spline.
        """
        n = len(self._points)
        diagonal = np.diag(self._inverse)[:n]
        known = np.abs(diagonal) > 1e-9 * np.abs(diagonal).max()
        return np.where(known[:, None], -self._weights[:n] / np.where(known, diagonal, 1.0)[:, None], np.nan)


def _kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    squared = np.zeros((len(a), len(b)))
    for axis in range(a.shape[1]):
        squared += np.square(a[:, axis, None] - b[None, :, axis])
    if a.shape[1] == 3:
        return -np.sqrt(squared)
    return 0.5 * squared * np.log(np.where(squared > 0, squared, 1.0))


def field_grid(points: np.ndarray, like: Grid | None, spacing_mm: float, margin_mm: float) -> Grid:
    """A lattice of about `spacing_mm` that covers `points` (N, d) with a margin, or all of `like` and the points.

    Its axes are those of `like`, else those of space. One more voxel lies beyond on every side, so that differences
    are central in all that is covered.
    """
    d = points.shape[1]
    axes = np.eye(d) if like is None else np.reshape(like.direction, (d, d))
    covered = points if like is None else np.concatenate([points, like.corners])
    along = covered @ axes
    margin = margin_mm if like is None else 0.0
    low, high = along.min(axis=0) - margin, along.max(axis=0) + margin
    counts = np.maximum(np.ceil((high - low) / spacing_mm - 1e-9), 1) + 1
    steps = np.where(high - low > spacing_mm, (high - low) / (counts - 1), spacing_mm)
    counts += 2
    origin = (low + high) / 2 - steps * (counts - 1) / 2
    return Grid(
        tuple(int(n) for n in counts), tuple(steps.tolist()), tuple((axes @ origin).tolist()), tuple(axes.ravel())
    )


def meet(shift: np.ndarray, grid: Grid, points: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Change a sampled field so that linear interpolation meets `wanted` at the points; returns what it missed before.

    The lattice points around them change by as little as possible in the sense of least squares.

    Parameters
    ----------
    shift
        (lattice points, d) in the order of numpy (k, j, i), changed in place.
    points, wanted
        (N, d) LPS millimetres inside the lattice, and the displacement of each.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.linalg import lsqr

    index = grid.to_index(points)
    low = np.clip(np.floor(index).astype(int), 0, np.array(grid.size) - 2)
    part = index - low
    strides = np.cumprod([1, *grid.size[:-1]])
    rows, columns, weights = [], [], []
    for corner in product((0, 1), repeat=grid.dimension):
        rows.append(np.arange(len(points)))
        columns.append((low + corner) @ strides)
        weights.append(np.prod(np.where(corner, part, 1 - part), axis=1))
    near, at = np.unique(np.concatenate(columns), return_inverse=True)
    interpolate = csr_array((np.concatenate(weights), (np.concatenate(rows), at)), shape=(len(points), len(near)))
    missed = interpolate @ shift[near] - wanted
    for axis in range(grid.dimension):
        shift[near, axis] -= lsqr(interpolate, missed[:, axis], atol=1e-12, btol=1e-12)[0]
    return np.asarray(missed)
