"""Linear transforms from pairs of points of which many are wrong."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..progress import Progress
from .point_fit import degenerate, fit_points, least_points

TRIALS, BATCH = 2000, 100
"""Random sets of points that are tried, and those that are tried at once."""
ENOUGH = 0.9999
"""Trials end when a set of right pairs was among them with this probability."""
REFITS = 20
PAIR_VALUES = 1 << 20


class RobustFit(NamedTuple):
    """y = A x + b, which pairs agree with it, and the distance |A x + b - y| of each pair in millimetres."""

    matrix: np.ndarray
    offset: np.ndarray
    inliers: np.ndarray
    residuals: np.ndarray


def robust_fit(
    fixed: np.ndarray, moving: np.ndarray, model: str, tolerance_mm: float, seed: int, progress: Progress
) -> RobustFit | None:
    """The transform with most pairs within `tolerance_mm`, fitted to these by least squares (Fischler and Bolles 1981).

    Parameters
    ----------
    fixed, moving
        (N, d) LPS millimetres, row by row a pair.
    model
        rigid, similarity or affine.

    Returns None when no set of points determines a transform.
    """
    n, d = fixed.shape
    least = least_points(model, d)
    if n < least + 1:
        return None
    rng = np.random.default_rng(seed)
    best: tuple[int, float, np.ndarray] | None = None
    wanted, tried = TRIALS, 0
    batch = max(1, min(BATCH, PAIR_VALUES // n))
    while tried < wanted:
        progress.check()
        sets = np.argsort(rng.random((batch, n)), axis=1)[:, :least] if n < 64 else rng.integers(0, n, (batch, least))
        tried += batch
        matrices, offsets = fit_points(fixed[sets], moving[sets], model)
        usable = np.isfinite(matrices).all(axis=(1, 2)) & (np.linalg.det(matrices) > 1e-3)
        matrices, offsets = matrices[usable], offsets[usable]
        apart = np.linalg.norm(np.einsum("tij,nj->tni", matrices, fixed) + offsets[:, None] - moving, axis=2)
        near = apart <= tolerance_mm
        for number in np.argsort(-near.sum(axis=1), kind="stable")[:3]:
            agreed = near[number]
            rank = (int(agreed.sum()), -float(apart[number][agreed].sum()))
            if best is None or rank > best[:2]:
                best = (*rank, agreed)
        if best is not None and best[0] > least:
            right = (best[0] / n) ** least
            wanted = min(TRIALS, int(np.ceil(np.log(1 - ENOUGH) / np.log1p(-min(right, 1 - 1e-12)))))
    if best is None:
        return None
    return _settled(fixed, moving, model, tolerance_mm, best[2])


def _settled(
    fixed: np.ndarray, moving: np.ndarray, model: str, tolerance_mm: float, inliers: np.ndarray
) -> RobustFit | None:
    """Fit to the inliers and find them anew until they stay the same."""
    found = None
    for _ in range(REFITS):
        if degenerate(fixed[inliers], model) or degenerate(moving[inliers], model):
            return found
        matrix, offset = fit_points(fixed[inliers], moving[inliers], model)
        residuals = np.linalg.norm(fixed @ matrix.T + offset - moving, axis=1)
        now = residuals <= tolerance_mm
        found = RobustFit(matrix, offset, now, residuals)
        if (now == inliers).all():
            break
        inliers = now
    return found
