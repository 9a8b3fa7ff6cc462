"""Shape of one segment from its sums, its mesh and its outermost voxels."""

from __future__ import annotations

import math
from itertools import combinations_with_replacement
from typing import Any

import numpy as np

from ..geometry import Grid
from ..progress import Progress, waited
from .one_pass import Shapes

PAIRS_AT_A_TIME = 1 << 19


def numbers_of(shapes: Shapes, number: int, grid: Grid, progress: Progress) -> dict[str, Any]:
    """The cells of a row; what is not defined is left out."""
    count = int(shapes.voxels[number])
    if not count:
        return {"voxels": 0}
    flat = grid.dimension == 2
    spacing = np.array((*grid.spacing, 1.0)[:3][::-1])
    middle = shapes.sums[number] / count
    at = grid.to_physical(middle[::-1][None, : grid.dimension])[0].tolist()
    row: dict[str, Any] = {"voxels": count, "l_mm": at[0], "p_mm": at[1]}
    size = count * grid.voxel_volume_mm3
    if flat:
        row["area_mm2"] = size
    else:
        area, volume = float(shapes.area[number]), float(shapes.volume[number])
        row |= {"volume_ml": size / 1000, "s_mm": at[2], "surface_mm2": area}
        row["sphericity"] = (36 * math.pi * volume**2) ** (1 / 3) / area
    row["max_diameter_mm"] = diameter(shapes.ends[number], spacing, flat, progress)
    if count > 1:
        covariance = (shapes.squares[number] / count - np.outer(middle, middle)) * np.outer(spacing, spacing)
        values = np.linalg.eigvalsh(covariance[1:, 1:] if flat else covariance)[::-1]
        # A straight line has no width but for rounding.
        values = np.where(values < values[0] * 1e-9, 0.0, values)
        row["elongation"] = math.sqrt(values[1] / values[0])
        if not flat:
            row["flatness"] = math.sqrt(values[2] / values[0])
    return row


def diameter(ends: np.ndarray, spacing: np.ndarray, flat: bool, progress: Progress) -> float:
    """Largest distance in millimetres of two points of the mesh of the voxels between row ends (m, 3) along (k, j, i).

    The convex hull of the mesh is that of the voxel centres widened by half a voxel along the axes, and corners of the
    hull of the centres are ends of rows. With the distance d of two corners and the spacing s, the two points are best
    moved apart along one axis, to |d|^2 + 2 s |d_a| + s^2, or along one each, to |d|^2 + s |d_a| + s |d_b| + s^2 / 2.
    """
    corners = waited(_hull, _bulging(ends) * spacing, progress=progress)
    axes = range(1 if flat else 0, 3)
    # No pair of a corner is wider than its distance from the middle and the largest one together.
    reach = np.linalg.norm(corners - corners.mean(axis=0), axis=1)
    far = corners[reach.argmax()]
    known = float(np.linalg.norm(corners - far, axis=1).max())
    corners = corners[reach + reach.max() + spacing.max() * 2 >= known]
    largest, step = 0.0, max(1, PAIRS_AT_A_TIME // len(corners))
    for start in range(0, len(corners), step):
        progress.check()
        apart = np.abs(corners[start : start + step, None] - corners[None, start:])
        square = np.square(apart).sum(axis=-1)
        for a, b in combinations_with_replacement(axes, 2):
            wider = apart[..., a] * spacing[a] + apart[..., b] * spacing[b]
            added = spacing[a] ** 2 if a == b else (spacing[a] ** 2 + spacing[b] ** 2) / 4
            largest = max(largest, float((square + wider).max()) + added)
    return math.sqrt(largest)


def _bulging(ends: np.ndarray) -> np.ndarray:
    """Those ends of rows that stand out between the ends of their neighbours on either side; the others are no corners.

    An end that is not beyond the middle of the ends of two opposite neighbours lies within the hull.
    """
    low = ends[:, :2].min(axis=0)
    size = np.ptp(ends[:, :2], axis=0) + 3
    k, j = (ends[:, :2] - low + 1).T
    found = []
    for outermost, sign in ((np.minimum, 1.0), (np.maximum, -1.0)):
        rows = np.full(tuple(size), np.inf)
        place = np.full(rows.shape, sign * np.inf)
        outermost.at(place, (k, j), ends[:, 2])
        # Turned so that the end is the smallest; rows without a voxel are beyond all.
        rows[k, j] = sign * place[k, j]
        inner = rows[1:-1, 1:-1]
        keep = np.isfinite(inner)
        n, m = rows.shape
        for dk, dj in ((1, 0), (0, 1), (1, 1), (1, -1)):
            one = rows[1 + dk : n - 1 + dk, 1 + dj : m - 1 + dj]
            two = rows[1 - dk : n - 1 - dk, 1 - dj : m - 1 - dj]
            keep &= 2 * inner < one + two
        at = np.argwhere(keep)
        found.append(np.column_stack([at + low, sign * inner[keep]]))
    return np.concatenate(found)


def _hull(points: np.ndarray) -> np.ndarray:
    """The corners of the convex hull, in the dimensions that the points have."""
    from scipy.spatial import ConvexHull, QhullError

    kept = np.flatnonzero(np.ptp(points, axis=0) > 0)
    if len(points) < 5 or not len(kept):
        return points
    if len(kept) == 1:
        order = np.argsort(points[:, kept[0]])
        return np.asarray(points[order[[0, -1]]])
    try:
        return np.asarray(points[ConvexHull(points[:, kept]).vertices])
    except QhullError:
        # On an oblique plane or line; a nudge makes a body of it, whose corners are among the points.
        return np.asarray(points[ConvexHull(points[:, kept], qhull_options="QJ").vertices])
