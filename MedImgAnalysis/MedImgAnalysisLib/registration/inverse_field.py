"""The inverse of a transform that bends, as a displacement field."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..geometry import Grid, image_like
from ..progress import Progress
from .chain import through
from .definition import defined, displacement, parts, slab_grids
from .landmark_error import inverse_point
from .reach import centres, thinned
from .rigid import matrix_of

STEPS = 60
LEAST_PACE = 1 / 64
"""Part of a whole step below which a point is given up."""
ONE_BY_ONE, NEAR_MM = 1000, 2.0
"""Points that are solved one by one at the most, and how near they must have come: others lie beyond the definition."""
EDGE = -1e-6
"""A solution at the very edge of the definition of the transform does not count."""
PER_CONTROL_POINT = 12
MOST_VOXELS = 1 << 22


class InverseField(NamedTuple):
    """Displacements T^-1(y) - y, float64 (k, j, i, component), |T(T^-1(y)) - y| in mm, and where both are known."""

    values: np.ndarray
    residual: np.ndarray
    known: np.ndarray


def own_grid(part: sitk.Transform, per_control_point: int = PER_CONTROL_POINT) -> Grid:
    """Where a field or a b-spline is defined, as a grid: its lattice, or its domain in finer steps."""
    if isinstance(part, sitk.DisplacementFieldTransform):
        return Grid.of(part.GetDisplacementField())
    if not isinstance(part, sitk.BSplineTransform):
        raise InputError(f"A {part.GetName()} has no grid of its own; give a reference image.", role="reference")
    sides, mesh = np.array(part.GetTransformDomainPhysicalDimensions()), np.array(part.GetTransformDomainMeshSize())
    cells = mesh * per_control_point
    fewer = max(1.0, (math.prod(int(n) + 1 for n in cells) / MOST_VOXELS) ** (1 / len(cells)))
    cells = np.maximum(1, np.ceil(cells / fewer)).astype(int)
    spacing = tuple((sides / cells).tolist())
    size = tuple((cells + 1).tolist())
    return Grid(size, spacing, part.GetTransformDomainOrigin(), part.GetTransformDomainDirection())


def inverse_field(transform: sitk.Transform, grid: Grid, tolerance_mm: float, progress: Progress) -> InverseField:
    """Solve T(x) = y for the voxel centres y of `grid`.

    Fixed-point iteration (Chen et al. 2008, Med Phys 35:81) on the deviation from the linear part of T, with a step
    per point that is halved where it leads away; what is left is solved point by point with Newton's method. Where no
    point within the definition of T leads to y the displacement is that of the nearest voxel that has one.
    """
    steps = parts(transform)
    back = np.linalg.inv(_linear_part(steps))
    shape = grid.size[::-1]
    values, residual, known = np.empty((*shape, grid.dimension)), np.empty(shape), np.empty(shape, bool)
    allowed = ONE_BY_ONE
    for where, part in slab_grids(grid, progress, "Inverse"):
        here, far = _solved(steps, part, back, tolerance_mm, progress)
        inside = _inside(transform, here, part)
        stubborn = np.argwhere(inside & (far > tolerance_mm) & (far < NEAR_MM))[:allowed]
        if len(stubborn):
            allowed -= len(stubborn)
            _one_by_one(transform, part, here, far, stubborn, progress)
            inside = _inside(transform, here, part)
        good = inside & (far <= tolerance_mm)
        values[where], residual[where], known[where] = here, far, good
    if not known.any():
        raise InputError(
            "The transform leads to no voxel of the reference: give the moving image as reference, it is where the "
            "inverse starts from.",
            role="reference",
        )
    _fill(values, known, grid, progress)
    return InverseField(values, residual, known)


def _inside(transform: sitk.Transform, here: np.ndarray, grid: Grid) -> np.ndarray:
    """Where y + here lies within the definition of the transform."""
    found = defined(transform, grid, sitk.DisplacementFieldTransform(image_like(here, grid)), EDGE)
    return np.ones(here.shape[:-1], bool) if found is None else found


def _linear_part(steps: list[sitk.Transform]) -> np.ndarray:
    """The matrix (d + 1, d + 1) that is nearest to the transform where it is defined."""
    d = steps[0].GetDimension()
    whole = np.eye(d + 1)
    for step in steps:
        one = np.eye(d + 1)
        if step.IsLinear():
            one[:d, :d], one[:d, d] = matrix_of(step)
        else:
            grid = thinned(own_grid(step), 12)
            points = centres(grid)
            there = points + displacement(step, grid).reshape(points.shape)
            design = np.column_stack([points - points.mean(axis=0), np.ones(len(points))])
            fit = np.linalg.lstsq(design, there, rcond=None)[0].T
            one[:d, :d] = fit[:, :d]
            one[:d, d] = fit[:, d] - fit[:, :d] @ points.mean(axis=0)
            if not np.linalg.det(one) > 0.01:
                # One slice, or a field that folds nearly everywhere: no better start than standing still.
                one = np.eye(d + 1)
        whole = one @ whole
    return whole


def _solved(
    steps: list[sitk.Transform], grid: Grid, back: np.ndarray, tolerance_mm: float, progress: Progress
) -> tuple[np.ndarray, np.ndarray]:
    """Displacements x - y with T(x) near y, and |T(x) - y| in mm.

    Only points that are not solved yet go into the next step; one whose steps have become small is given up.
    """
    d = grid.dimension
    shape = grid.size[::-1]
    at = centres(grid)
    points = at @ back[:d, :d].T + back[:d, d]
    gap = through(steps, points) - at
    size, pace = np.linalg.norm(gap, axis=1), np.ones(len(at))
    for _ in range(STEPS):
        progress.check()
        open_ = np.flatnonzero((size > tolerance_mm / 2) & (pace > LEAST_PACE))
        if not open_.size:
            break
        trial = points[open_] - pace[open_, None] * (gap[open_] @ back[:d, :d].T)
        ahead = through(steps, trial) - at[open_]
        smaller = np.linalg.norm(ahead, axis=1)
        good = smaller < size[open_]
        better = open_[good]
        points[better], gap[better], size[better] = trial[good], ahead[good], smaller[good]
        pace[open_] = np.where(good, np.minimum(1.0, 1.5 * pace[open_]), pace[open_] / 2)
    return (points - at).reshape((*shape, d)), size.reshape(shape)


def _one_by_one(
    transform: sitk.Transform, grid: Grid, here: np.ndarray, far: np.ndarray, where: np.ndarray, progress: Progress
) -> None:
    """Newton's method for single voxels (k, j, i); `here` and `far` are changed where it finds something."""
    places = grid.to_physical(where[:, ::-1])
    for index, place in zip(map(tuple, where), places):
        progress.check()
        found = inverse_point(transform, place, place + here[index])
        if np.isfinite(found).all():
            here[index] = found - place
            far[index] = np.linalg.norm(np.array(transform.TransformPoint(found.tolist())) - place)


def _fill(values: np.ndarray, known: np.ndarray, grid: Grid, progress: Progress) -> None:
    """Voxels that are not known take over the displacement of the nearest known one."""
    if known.all():
        return
    from scipy.ndimage import distance_transform_edt

    progress.check()
    nearest = distance_transform_edt(~known, sampling=grid.spacing_kji, return_distances=False, return_indices=True)
    lost = ~known
    values[lost] = values[tuple(axis[lost] for axis in nearest)]
