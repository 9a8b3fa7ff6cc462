"""Whether pairs of blocks hold an answer in all directions, or let it slide along smooth surfaces.

A block on a smooth surface looks the same a little further along it. Its partner is certain across the surface only,
and where most blocks are such, many pairs agree with a transform that is wrong: bodies that are nearly round turn
freely. So the fit is made once more with every pair counted only along the directions in which its block varies (by
its structure tensor). Where the answer moves, the pairs did not hold it.
"""

from __future__ import annotations

import numpy as np

from .models import freedom
from .robust_fit import RobustFit


def block_tensors(values: np.ndarray, places: np.ndarray, size: int, axes: np.ndarray) -> np.ndarray:
    """Sums of g g' over the cubes of `size` voxels around places (N, 3), each of trace 1, in the frame of `axes`.

    Parameters
    ----------
    values
        float32 (k, j, i) with cubic voxels.
    axes
        (3, 3), columns: where a step along i, j and k leads.
    """
    from scipy.ndimage import uniform_filter

    gradient = np.gradient(values)[::-1]
    found = np.empty((len(places), 3, 3))
    at = tuple(places.T)
    for a in range(3):
        for b in range(a, 3):
            found[:, a, b] = found[:, b, a] = uniform_filter(gradient[a] * gradient[b], size)[at]
    found /= np.maximum(np.trace(found, axis1=1, axis2=2), 1e-30)[:, None, None]
    return np.asarray(axes @ found @ axes.T)


def slide_mm(fixed: np.ndarray, moving: np.ndarray, tensors: np.ndarray, fit: RobustFit, model: str) -> float:
    """Mean way in mm that the pairs that agree go when each counts only along the directions that its block holds.

    Parameters
    ----------
    fixed, moving
        (N, d) LPS millimetres.
    tensors
        (N, d, d) of trace 1, in the frame of the fixed image.
    """
    places, partners = fixed[fit.inliers], moving[fit.inliers]
    d = places.shape[1]
    apart = partners - places @ fit.matrix.T - fit.offset
    turned = np.linalg.solve(fit.matrix, apart.T).T
    middle = places.mean(axis=0)
    unit = max(float(np.abs(places - middle).max()), 1e-9)
    position = np.concatenate([np.ones((len(places), 1)), (places - middle) / unit], axis=1)
    ways = freedom(model, d).reshape(d, 1 + d, -1)
    # (pair, component, way): where each way of the model takes each place.
    jacobian = np.einsum("np,cpw->ncw", position, ways)
    weighted = tensors[fit.inliers] @ jacobian
    matrix = np.einsum("ncw,ncv->wv", jacobian, weighted)
    right = np.einsum("ncw,nc->w", weighted, turned)
    step = np.linalg.lstsq(matrix, right, rcond=1e-9)[0]
    return float(np.linalg.norm(jacobian @ step, axis=1).mean())
