"""Fewer voxels by averaging blocks or leaving voxels out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import SimpleITK as sitk

from ..blockwise import map_slabs
from ..geometry import Grid, image_like
from ..operation import Operation
from ..parameters import Choice, Quantity
from ..progress import SILENT, Progress, run_filter
from ..values import Image
from .resample import per_axis, whole_numbers


@dataclass(frozen=True)
class Shrink(Operation):
    """Make an image smaller by a whole factor along each axis.

    `mean` averages the voxels of a block: noise falls with the root of their number, and detail finer than the new
    voxels is averaged out. `subsample` takes the middle voxel of each block (of an even number the one before the
    middle): noise and sharpness stay, and fine detail turns up as coarse patterns. Voxels at the end that do not fill
    a block are left out (with a warning). An axis with fewer voxels than its factor becomes one voxel. The pixel type
    is kept; means of whole numbers are rounded.

    Inputs
    ------
    image
        Image to shrink; vector images component by component.

    Outputs
    -------
    image
        Image with larger voxels over the same field of view.

    Parameters
    ----------
    factor
        Voxels that become one: one factor for all axes, or one for each axis (i, j, k).
    method
        Average of the block, or one voxel of it.
    """

    name: ClassVar[str] = "shrink"
    title: ClassVar[str] = "Shrink"
    group: ClassVar[str] = "Geometry"
    vector: ClassVar[bool] = True
    memory_factor: ClassVar[float] = 2.0
    revision: ClassVar[int] = 2
    keeps: ClassVar = {"image": "image"}
    keeps_grid: ClassVar[bool] = False
    presets: ClassVar = {"Half": {}, "Half in plane": {"factor": [2.0, 2.0, 1.0]}, "A quarter": {"factor": [4.0]}}

    factor: Annotated[tuple[float, ...], Quantity("", low=1, high=256)] = (2.0,)
    method: Annotated[str, Choice("mean", "subsample")] = "mean"

    def check(self) -> None:
        per_axis(self.factor, 3, "factor", self.name)
        whole_numbers(self.factor, "factor", self.name)

    def run(self, image: Image, *, progress: Progress = SILENT) -> Image:
        progress.report(0.0, "Shrinking")
        wanted = per_axis(self.factor, image.GetDimension(), "factor", self.name)
        factors = [min(int(f), n) for f, n in zip(wanted, image.GetSize())]
        left = [f"{n % f} along {name}" for name, f, n in zip("ijk", factors, image.GetSize()) if n % f]
        if left:
            progress.warn(f"The voxels at the end that do not fill a block were left out: {', '.join(left)}.")
        if math.prod(factors) == 1:
            progress.warn("Every factor is 1; the image was not changed.")
        if self.method == "subsample":
            return _every(image, factors, progress)
        return _means(image, factors, progress)


def _means(image: sitk.Image, factors: list[int], progress: Progress) -> sitk.Image:
    parts = image.GetNumberOfComponentsPerPixel()
    if parts > 1:
        # Of vectors ITK cuts the fraction of a mean off instead of rounding it.
        return sitk.Compose(
            [
                _means(sitk.VectorIndexSelectionCast(image, c), factors, progress.part(c / parts, (c + 1) / parts))
                for c in range(parts)
            ]
        )
    # Sums of integers of 32 bits do not fit into them, and ITK lets them wrap.
    wide = sitk.GetArrayViewFromImage(image).dtype.kind in "iu" and image.GetSizeOfPixelComponent() >= 4
    shrinker = sitk.BinShrinkImageFilter()
    shrinker.SetShrinkFactors(factors)
    given = sitk.Cast(image, sitk.sitkFloat64) if wide else image
    smaller: sitk.Image = run_filter(shrinker, given, progress=progress, message="Shrinking")
    return sitk.Cast(sitk.Round(smaller), image.GetPixelID()) if wide else smaller


def _every(image: sitk.Image, factors: list[int], progress: Progress) -> sitk.Image:
    """One voxel of each block, where it is: ITK's own filter moves even factors by half a voxel."""
    grid = Grid.of(image)
    first = [(f - 1) // 2 for f in factors]
    size = [n // f for n, f in zip(grid.size, factors)]
    array = sitk.GetArrayViewFromImage(image)
    view = array[tuple(slice(a, a + n * f, f) for a, n, f in zip(first[::-1], size[::-1], factors[::-1]))]
    out = np.empty(view.shape, array.dtype)
    map_slabs(lambda slab: slab, view, 0, out, progress=progress, message="Shrinking")
    spacing = tuple(s * f for s, f in zip(grid.spacing, factors))
    origin = tuple(grid.to_physical(np.array([first], float))[0].tolist())
    return image_like(out, Grid(tuple(size), spacing, origin, grid.direction))
