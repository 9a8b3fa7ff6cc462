"""An image on another grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Annotated, ClassVar

import numpy as np

from ..errors import GeometryError, InputError, ParameterError
from ..geometry import Grid
from ..operation import Operation
from ..parameters import Choice, Quantity
from ..progress import SILENT, Progress
from ..resampling import checked_value, resample, smallest
from ..values import Image

MOST_VOXELS = 2**31


@dataclass(frozen=True)
class Resample(Operation):
    """Give an image another voxel size, another number of voxels, or the grid of a reference.

    Spacing and size keep the field of view: the outer edges of the image stay where they are to within half a new
    voxel (exactly when a size is asked for). Without spacing, size and reference the voxels become cubes as small as
    the smallest side of the old ones. A reference gives its grid, wherever it lies in space.

    Where voxels become larger, `anti_alias` smooths first, along these axes only, with the Gaussian that turns the old
    voxel into the new one: `sigma = sqrt(new^2 - old^2) / 2.355` (Cardoso et al. 2015); without it fine detail
    and noise turn up as coarse patterns. The pixel type is kept; whole numbers are rounded, not cut off. The cubic
    B-spline overshoots at sharp edges. Labels want `nearest`.

    Inputs
    ------
    image
        Image to resample; vector images component by component.
    reference
        Image whose grid is taken; not together with spacing or size.

    Outputs
    -------
    image
        Image on the new grid.

    Parameters
    ----------
    spacing_mm
        New voxel size: one number for cubes, or one for each axis (i, j, k).
    size_voxels
        New number of voxels: one for all axes, or one for each axis (i, j, k).
    interpolation
        Linear, nearest (for labels) or bspline (cubic).
    anti_alias
        Smooth before voxels become larger; has no effect with nearest.
    outside_value
        Value where the image is not defined; if not set, the smallest value of the image.
    """

    name: ClassVar[str] = "resample"
    title: ClassVar[str] = "Resample"
    group: ClassVar[str] = "Geometry"
    vector: ClassVar[bool] = True
    memory_factor: ClassVar[float] = 3.0
    keeps: ClassVar = {"image": "image"}
    keeps_grid: ClassVar[bool] = False
    presets: ClassVar = {
        "Cubes of the smallest side": {},
        "1 mm": {"spacing_mm": [1.0]},
        "2 mm": {"spacing_mm": [2.0]},
        "1 mm, cubic": {"spacing_mm": [1.0], "interpolation": "bspline"},
    }

    spacing_mm: Annotated[tuple[float, ...] | None, Quantity("mm", low=1e-3, high=1e3)] = None
    size_voxels: Annotated[tuple[float, ...] | None, Quantity("voxels", low=1, high=1e5)] = None
    interpolation: Annotated[str, Choice("linear", "nearest", "bspline")] = "linear"
    anti_alias: bool = True
    outside_value: float | None = None

    def check(self) -> None:
        if self.spacing_mm is not None and self.size_voxels is not None:
            raise ParameterError(
                "resample: size_voxels and spacing_mm are both given; give one of them.",
                operation=self.name,
                field="size_voxels",
                value=repr(self.size_voxels),
            )
        for field in ("spacing_mm", "size_voxels"):
            per_axis(getattr(self, field), 3, field, self.name)
        whole_numbers(self.size_voxels, "size_voxels", self.name)

    def growth(self, grids: Sequence[Grid]) -> float:
        made = self._grid(grids[0], grids[1] if len(grids) > 1 else None)
        return prod(made.size) / prod(grids[0].size)

    def run(self, image: Image, reference: Image | None = None, *, progress: Progress = SILENT) -> Image:
        grid = self._grid(Grid.of(image), None if reference is None else Grid.of(reference))
        outside = smallest(image) if self.outside_value is None else self.outside_value
        checked_value(outside, image, "outside_value")
        progress.report(0.0, "Resampling")
        if grid.same_as(Grid.of(image)):
            progress.warn("The image is on the wanted grid already; it was not changed.")
        return resample(image, grid, None, self.interpolation, outside, anti_alias=self.anti_alias, progress=progress)

    def _grid(self, own: Grid, reference: Grid | None) -> Grid:
        if reference is not None:
            if self.spacing_mm is not None or self.size_voxels is not None:
                raise InputError(
                    "A reference and a spacing or size are given; the grid can come from one of them only.",
                    role="reference",
                )
            if reference.dimension != own.dimension:
                raise InputError("A 2-D and a 3-D image have no common grid.", role="reference")
            if not own.overlaps(reference):
                raise GeometryError(
                    "The reference does not overlap the image; check that both are of one patient.", role="reference"
                )
            grid = reference
        elif self.size_voxels is not None:
            size = tuple(int(n) for n in per_axis(self.size_voxels, own.dimension, "size_voxels", self.name))
            spacing = tuple(n * s / m for n, s, m in zip(own.size, own.spacing, size))
            grid = _centred(own, size, spacing)
        else:
            spacing = per_axis(self.spacing_mm or (min(own.spacing),), own.dimension, "spacing_mm", self.name)
            size = tuple(max(1, round(n * s / t)) for n, s, t in zip(own.size, own.spacing, spacing))
            grid = _centred(own, size, spacing)
        if np.prod(grid.size, dtype=float) > MOST_VOXELS:
            raise InputError(
                f"The new image would have {grid.describe()}; that is more than 2^31 voxels.", role="image"
            )
        return grid


def per_axis(values: tuple[float, ...] | None, dimension: int, field: str, operation: str) -> tuple[float, ...]:
    """One value for each axis (i, j, k) from one for all or one each; a 2-D image takes the first two of three."""
    if values is None:
        return ()
    if len(values) not in (1, 2, 3) or (len(values) == 2 and dimension == 3):
        raise ParameterError(
            f"{operation}: {field} has {len(values)} numbers; it must have one, or one for each axis (i, j, k).",
            operation=operation,
            field=field,
            value=repr(values),
        )
    return (values * dimension)[:dimension] if len(values) == 1 else values[:dimension]


def whole_numbers(values: tuple[float, ...] | None, field: str, operation: str) -> None:
    """Refuse numbers of voxels with fractions."""
    if values is not None and any(value != int(value) for value in values):
        raise ParameterError(
            f"{operation}: {field} is {', '.join(f'{v:g}' for v in values)}; it must be whole numbers.",
            operation=operation,
            field=field,
            value=repr(values),
        )


def _centred(own: Grid, size: tuple[int, ...], spacing: tuple[float, ...]) -> Grid:
    """The grid with these voxels and the same axes and middle as `own`."""
    middle = own.to_physical((np.array([own.size]) - 1) / 2)[0]
    axes = np.reshape(own.direction, (own.dimension,) * 2) * np.array(spacing)
    origin = middle - axes @ ((np.array(size) - 1) / 2)
    return Grid(size, tuple(float(s) for s in spacing), tuple(origin.tolist()), own.direction)
