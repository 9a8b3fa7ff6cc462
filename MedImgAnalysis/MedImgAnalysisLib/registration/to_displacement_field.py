"""Any transform as a displacement field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import SimpleITK as sitk

from ..geometry import Grid, image_like
from ..operation import Operation
from ..progress import SILENT, Progress
from ..values import Column, Image, Measurements, Transform
from .definition import defined, displacement, slab_grids
from .midway import between, error_columns, error_row
from .reach import NOTICEABLE, grid_of, same_dimension

COLUMNS = (
    Column("n", "Voxels", "", "Voxels of the field", int),
    Column("n_outside", "Undefined", "", "Voxels where the transform is not defined; the displacement is 0 there", int),
    Column("largest_mm", "Largest displacement", "mm", "Largest length of T(x) - x at a voxel"),
    *error_columns("interpolation", "|F(x) - T(x)| midway between voxels, where linear interpolation is worst"),
    Column("status", "Status", "", "Why a number is missing", str),
)


class Field(NamedTuple):
    transform: Transform
    table: Measurements


@dataclass(frozen=True)
class ToDisplacementField(Operation):
    """Turn any transform into a displacement field on the grid of a reference image.

    The field holds T(x) - x at every voxel centre in LPS millimetres, float64, and is interpolated linearly in between,
    in ITK as in Slicer. How far it is from the transform midway between the voxels is told: a finer reference makes
    that smaller, it is 0 for linear transforms. Written as `.nrrd`, `.nii.gz` or `.mha` it is a vector image that
    other programs read.

    Inputs
    ------
    transform
        Any transform, fixed to moving points.
    reference
        Image whose grid the field gets, usually the fixed one.

    Outputs
    -------
    transform
        The displacement field as a transform; points outside its grid stay in place.
    table
        How large the displacements are, and how far the field is from the transform.
    """

    name: ClassVar[str] = "to_displacement_field"
    title: ClassVar[str] = "Convert to displacement field"
    group: ClassVar[str] = "Transforms"
    vector: ClassVar[bool] = True
    finite_only: ClassVar[bool] = False
    memory_factor: ClassVar[float] = 20.0

    def run(self, transform: Transform, reference: Image, *, progress: Progress = SILENT) -> Field:
        progress.report(0.0, "Displacements")
        same_dimension(transform, reference.GetDimension(), "reference", "reference")
        grid = grid_of(reference, progress)
        values, known = sampled(transform, grid, progress.part(0.0, 0.6))
        outside = known.size - int(np.count_nonzero(known))
        field = sitk.DisplacementFieldTransform(image_like(values, grid))
        if outside > NOTICEABLE * known.size:
            progress.warn(
                f"The transform is not defined at {outside} of {known.size} voxels of the reference; points there stay "
                "in place."
            )
        largest = float(np.sqrt(max(float(np.square(layer).sum(axis=-1).max()) for layer in values)))
        row: dict[str, Any] = {"n": known.size, "n_outside": outside, "largest_mm": largest}
        gaps = between(grid, [transform], [field], progress.part(0.6, 0.95), known)
        row |= error_row("interpolation", gaps, progress)
        row["status"] = "" if gaps.size else "no_voxel_between (interpolation)"
        progress.report(1.0)
        return Field(field, Measurements(COLUMNS, (row,)))


def sampled(transform: sitk.Transform, grid: Grid, progress: Progress) -> tuple[np.ndarray, np.ndarray]:
    """T(x) - x at every voxel centre, float64 (k, j, i, component), and where T is defined, boolean (k, j, i)."""
    values = np.empty((*grid.size[::-1], grid.dimension))
    known = np.ones(grid.size[::-1], bool)
    for where, part in slab_grids(grid, progress, "Displacements"):
        values[where] = displacement(transform, part)
        there = defined(transform, part)
        if there is not None:
            known[where] = there
    return values, known
