"""The part of an image around a mask."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import SimpleITK as sitk

from ..geometry import Grid
from ..operation import Operation
from ..parameters import Quantity
from ..progress import SILENT, Progress
from ..values import Image, Mask


@dataclass(frozen=True)
class Crop(Operation):
    """Cut an image down to the box around a mask.

    The box has the axes of the image, holds every voxel of the mask and `margin_mm` more on all sides as far as the
    image goes (rounded up to whole voxels). No voxel is resampled: the ones that are kept have the same values and
    the same place in space. A mask from a box of interest crops to that box.

    Inputs
    ------
    image
        Image to crop.
    mask
        What must be kept.

    Outputs
    -------
    image
        Cropped image.

    Parameters
    ----------
    margin_mm
        What is kept around the mask on each side.
    """

    name: ClassVar[str] = "crop"
    title: ClassVar[str] = "Crop to mask"
    group: ClassVar[str] = "Geometry"
    vector: ClassVar[bool] = True
    memory_factor: ClassVar[float] = 1.0
    keeps: ClassVar = {"image": "image"}
    keeps_grid: ClassVar[bool] = False
    presets: ClassVar = {"Tight": {}, "10 mm margin": {"margin_mm": 10.0}}

    margin_mm: Annotated[float, Quantity("mm", low=0.0, high=1000.0)] = 0.0

    def run(self, image: Image, mask: Mask, *, progress: Progress = SILENT) -> Image:
        progress.report(0.0, "Cropping")
        grid = Grid.of(image)
        low, high = bounds(mask)
        margin = [math.ceil(self.margin_mm / s - 1e-9) for s in grid.spacing]
        first = [max(0, a - m) for a, m in zip(low, margin)]
        last = [min(n, b + m) for b, m, n in zip(high, margin, grid.size)]
        cut = [name for name, a, b, m, n in zip("ijk", low, high, margin, grid.size) if a < m or b + m > n]
        if cut:
            progress.warn(f"The margin goes beyond the image along {', '.join(cut)}; the image ends there.")
        part = sitk.RegionOfInterest(image, [b - a for a, b in zip(first, last)], first)
        progress.report(1.0)
        return part


def bounds(mask: sitk.Image) -> tuple[list[int], list[int]]:
    """First voxel (i, j, k) of a mask that is not empty, and one beyond the last."""
    inside = sitk.GetArrayViewFromImage(mask) != 0
    low, high = [], []
    for axis in reversed(range(inside.ndim)):
        others = tuple(a for a in range(inside.ndim) if a != axis)
        hit = np.flatnonzero(inside.any(axis=others))
        low.append(int(hit[0]))
        high.append(int(hit[-1]) + 1)
    return low, high
