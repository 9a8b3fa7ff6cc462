"""The inverse of a transform, with the error that it makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..geometry import Grid, image_like
from ..operation import Operation
from ..parameters import Choice, Quantity
from ..progress import SILENT, Progress
from ..values import Column, Image, Measurements, Transform
from .chain import moved_by
from .compose_transforms import composite
from .definition import parts, slab_grids
from .inverse_field import InverseField, inverse_field, own_grid
from .jacobian import jacobian_determinant, jacobian_statistics
from .midway import between, error_columns, error_row
from .reach import NOTICEABLE, grid_of, same_dimension, thinned
from .rigid import matrix_of

SINGULAR = 1e-9
"""Smallest determinant of a matrix, relative to its largest number, that can be inverted."""
EXACT_BOX_MM = 200.0
FOLDING_VOXELS = 6
"""Voxels per control point of a b-spline at which folding is looked for."""
COLUMNS = (
    Column("kind", "Kind", "", "linear, field or composite: how the inverse is made", str),
    Column("n", "Voxels", "", "Voxels of the moving side where the inverse was measured", int),
    Column(
        "n_outside", "Without inverse", "", "Voxels that no point leads to; they take over their nearest neighbour", int
    ),
    Column("folding_percent", "Folding", "%", "Part of the voxels of the transform with det J <= 0; 0 when linear"),
    *error_columns("residual", "|T(T^-1(x)) - x| at the voxels"),
    *error_columns("between", "|T(T^-1(x)) - x| midway between voxels, where interpolation is worst"),
    Column("status", "Status", "", "Why a number is missing", str),
)


class Inverted(NamedTuple):
    transform: Transform
    table: Measurements


@dataclass(frozen=True)
class InvertTransform(Operation):
    """Invert a transform and tell how good the inverse is.

    The inverse maps points of the moving image to points of the fixed image: it resamples the fixed image onto the
    moving one. Linear transforms are inverted exactly. Displacement fields, b-splines and whatever contains them become
    displacement fields: T(x) = y is solved at every voxel centre y (fixed-point iteration, Chen et al. 2008, and
    Newton's method for what it leaves). With a reference the inverse is one field on its grid; without one each bending
    part is inverted on its own lattice and linear parts stay exact.

    A transform that folds has no inverse: two points of the fixed image lead to the same point of the moving one.

    Inputs
    ------
    transform
        Maps fixed to moving points, LPS millimetres.
    reference
        Image whose grid the inverse field gets: the moving image. The finer it is the smaller the error in between.

    Outputs
    -------
    transform
        Maps moving to fixed points, LPS millimetres.
    table
        How far points are from where they were after the inverse and then the transform.

    Parameters
    ----------
    tolerance_mm
        Residual at a voxel up to which it counts as solved.
    folded
        Refuse a transform that folds, or warn and give one of the possible inverses.
    """

    name: ClassVar[str] = "invert_transform"
    title: ClassVar[str] = "Invert transform"
    group: ClassVar[str] = "Transforms"
    vector: ClassVar[bool] = True
    finite_only: ClassVar[bool] = False
    memory_factor: ClassVar[float] = 24.0

    tolerance_mm: Annotated[float, Quantity("mm", low=1e-6, high=1.0)] = 0.001
    folded: Annotated[str, Choice("refuse", "warn")] = "refuse"

    def run(self, transform: Transform, reference: Image | None = None, *, progress: Progress = SILENT) -> Inverted:
        progress.report(0.0, "Checking")
        grid = None
        if reference is not None:
            same_dimension(transform, reference.GetDimension(), "reference", "reference")
            grid = grid_of(reference, progress)
        steps = parts(transform)
        if all(step.IsLinear() for step in steps):
            inverse = exact_inverse(composite(steps))
            row = _measured(steps, [inverse], grid or _box(transform), None, progress.part(0.1, 1.0))
            row |= {"kind": "linear", "n_outside": 0, "folding_percent": 0.0}
        else:
            folding = self._folding(steps, progress.part(0.0, 0.3))
            if grid is not None:
                found = inverse_field(transform, grid, self.tolerance_mm, progress.part(0.3, 0.9))
                inverse = sitk.DisplacementFieldTransform(image_like(found.values, grid))
                row = {"kind": "field", **self._row(steps, [inverse], grid, found, progress.part(0.9, 1.0))}
            else:
                inverse, row = self._by_parts(steps, progress.part(0.3, 1.0))
            row["folding_percent"] = folding
        progress.report(1.0)
        missing = [key for key in ("residual", "between") if not np.isfinite(row[f"{key}_mean_mm"])]
        row["status"] = f"no_voxel_solved ({', '.join(missing)})" if missing else ""
        return Inverted(inverse, Measurements(COLUMNS, (row,)))

    def _folding(self, steps: list[sitk.Transform], progress: Progress) -> float:
        """Percent of folded voxels of the part that folds most; refuses or warns."""
        bent = [step for step in steps if not step.IsLinear()]
        worst = 0.0
        for number, step in enumerate(bent):
            part = progress.part(number / len(bent), (number + 1) / len(bent))
            found = jacobian_statistics(jacobian_determinant(step, own_grid(step, FOLDING_VOXELS), part), None, part)
            if np.isfinite(found["folding_percent"]):
                worst = max(worst, found["folding_percent"])
        if worst > 0:
            sentence = f"The transform folds in {worst:.3g} % of its voxels (det J <= 0), so it has no inverse there"
            if self.folded == "refuse":
                raise InputError(
                    f"{sentence}; choose folded = warn for one of the possible inverses, or a registration that does "
                    "not fold.",
                    role="transform",
                    folding_percent=worst,
                )
            progress.warn(f"{sentence}; the result is one of several.")
        return worst

    def _by_parts(self, steps: list[sitk.Transform], progress: Progress) -> tuple[sitk.Transform, dict[str, Any]]:
        """The inverse of each part on its own lattice, and the errors of the last bending one, through the whole."""
        inverses: list[sitk.Transform] = []
        measured: tuple[Grid, InverseField] | None = None
        for number, step in enumerate(steps):
            if step.IsLinear():
                inverses.insert(0, exact_inverse(step))
                continue
            part = progress.part(0.8 * number / len(steps), 0.8 * (number + 1) / len(steps))
            grid = own_grid(step)
            found = inverse_field(step, grid, self.tolerance_mm, part)
            inverses.insert(0, sitk.DisplacementFieldTransform(image_like(found.values, grid)))
            measured = grid, found
        assert measured is not None
        grid, found = measured
        after = steps[max(n for n, step in enumerate(steps) if not step.IsLinear()) + 1 :]
        row = self._row(steps, inverses, _pushed(grid, after), found, progress.part(0.8, 1.0))
        inverse = composite(inverses)
        return inverse, {"kind": "field" if len(inverses) == 1 else "composite", **row}

    def _row(
        self,
        forward: list[sitk.Transform],
        inverse: list[sitk.Transform],
        grid: Grid,
        found: InverseField,
        progress: Progress,
    ) -> dict[str, Any]:
        row = _measured(forward, inverse, grid, found.known, progress)
        lost = found.known.size - row["n"]
        row["n_outside"] = lost
        if lost > NOTICEABLE * found.known.size:
            progress.warn(
                f"No point leads to {lost} of {found.known.size} voxels ({lost / found.known.size:.0%}): the inverse "
                "continues there as at the nearest voxel that has one."
            )
        return row


def exact_inverse(transform: sitk.Transform) -> sitk.Transform:
    """The inverse of a linear transform; `InputError` when it has none."""
    matrix, _ = matrix_of(transform)
    if abs(np.linalg.det(matrix)) < SINGULAR * max(float(np.abs(matrix).max()), 1e-300) ** len(matrix):
        raise InputError("The transform has no inverse: its matrix is singular.", role="transform")
    return transform.GetInverse()


def _measured(
    forward: list[sitk.Transform],
    inverse: list[sitk.Transform],
    grid: Grid,
    known: np.ndarray | None,
    progress: Progress,
) -> dict[str, Any]:
    """Errors of T(T^-1(x)) at the voxels of a grid and between them."""
    found = []
    for where, part in slab_grids(grid, progress.part(0.0, 0.5), "Residual"):
        apart = np.sqrt(np.square(moved_by([*inverse, *forward], part)).sum(axis=-1))
        found.append(apart.ravel() if known is None else apart[known[where]])
    errors = np.concatenate(found)
    row: dict[str, Any] = {"n": errors.size, **error_row("residual", errors, progress)}
    gaps = between(grid, [*inverse, *forward], [], progress.part(0.5, 1.0), known)
    return row | error_row("between", gaps, progress)


def _pushed(grid: Grid, steps: list[sitk.Transform]) -> Grid:
    """Where linear transforms take a grid; its axes need not be at right angles any more."""
    axes, origin = grid.axes, np.array(grid.origin)
    for step in steps:
        matrix, offset = matrix_of(step)
        axes, origin = matrix @ axes, matrix @ origin + offset
    spacing = np.linalg.norm(axes, axis=0)
    return Grid(grid.size, tuple(spacing.tolist()), tuple(origin.tolist()), tuple((axes / spacing).ravel().tolist()))


def _box(transform: sitk.Transform) -> Grid:
    """A box of 200 mm about the origin, for transforms without a grid of their own."""
    d = transform.GetDimension()
    identity = tuple(float(v) for v in np.eye(d).ravel())
    return thinned(Grid((9,) * d, (EXACT_BOX_MM / 8,) * d, (-EXACT_BOX_MM / 2,) * d, identity))
