"""Points that go through several transforms, a slab of voxel centres at a time.

Composites of ITK copy their transforms, and fields are large; here each transform is asked in turn.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk

from ..geometry import Grid, image_like
from .definition import displacement
from .reach import centres
from .rigid import matrix_of


def moved_by(steps: Sequence[sitk.Transform], grid: Grid, start: np.ndarray | None = None) -> np.ndarray:
    """Where voxel centres come out, minus themselves: LPS millimetres, float64 of shape (k, j, i, component).

    The points go through all `steps`, the first one first; with `start` (same shape) they are displaced by that before.
    """
    here = start
    for step in steps:
        here = displacement(step, grid) if here is None else _onward(step, here, grid)
    return np.zeros((*grid.size[::-1], grid.dimension)) if here is None else here


def through(steps: Sequence[sitk.Transform], points: np.ndarray) -> np.ndarray:
    """Where points (N, d) in LPS millimetres come out of all `steps`, the first one first."""
    count, d = points.shape
    # The points become the displaced voxels of a row, which ITK maps in C++ and in several threads.
    row = Grid((count, *(1,) * (d - 1)), (1.0,) * d, tuple(points.mean(axis=0).tolist()), tuple(np.eye(d).ravel()))
    at = centres(row)
    moved = moved_by(steps, row, np.ascontiguousarray((points - at).reshape((*row.size[::-1], d))))
    return at + moved.reshape(points.shape)


def _onward(step: sitk.Transform, here: np.ndarray, grid: Grid) -> np.ndarray:
    if step.IsLinear():
        matrix, offset = matrix_of(step)
        at = centres(grid).reshape(here.shape)
        return (at + here) @ matrix.T + offset - at
    way = sitk.DisplacementFieldTransform(image_like(here, grid))
    if not isinstance(step, sitk.DisplacementFieldTransform):
        return displacement(sitk.CompositeTransform([step, way]), grid)
    further = sitk.Resample(
        step.GetDisplacementField(),
        list(grid.size),
        way,
        sitk.sitkLinear,
        grid.origin,
        grid.spacing,
        grid.direction,
        0.0,
        sitk.sitkVectorFloat64,
    )
    return here + sitk.GetArrayFromImage(further)
