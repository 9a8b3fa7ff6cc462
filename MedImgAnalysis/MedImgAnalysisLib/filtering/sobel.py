"""Strength of the edges by Sobel's differences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import SimpleITK as sitk

from ..geometry import Grid
from ..kernels.differences import sobel_magnitude
from ..progress import SILENT, Progress
from ..values import Image, Mask
from .region import Measuring, filter_measured
from .voxels import contrast_middle, contrast_of


@dataclass(frozen=True)
class Sobel(Measuring):
    """Show how fast values change, by differences that are averaged along the edge.

    Central differences along each axis, smoothed with the weights 1, 2, 1 along the others, are put together to
    sqrt(sum (df/dx)^2). Less noise than the plain gradient and about a voxel more blur along the edges. Normalised: a
    linear ramp gives its slope per millimetre on every grid, where ITK and textbooks give a multiple of it per voxel.
    The border is mirrored. The result is float32.

    Inputs
    ------
    image
        Image; vector images component by component.
    mask
        Where edges are wanted; elsewhere the result is 0.

    Outputs
    -------
    image
        Edge strength on the same grid.
    """

    name: ClassVar[str] = "sobel"
    title: ClassVar[str] = "Sobel edges"
    group: ClassVar[str] = "Edges"
    vector: ClassVar[bool] = True
    memory_factor: ClassVar[float] = 2.5
    squares: ClassVar[bool] = True

    def halo(self, grid: Grid) -> tuple[int, ...]:
        return (1,) * grid.dimension

    def numbers_of(self, part: sitk.Image, inside: np.ndarray | None, progress: Progress) -> float:
        return contrast_middle(part)

    def run(self, image: Image, mask: Mask | None = None, *, progress: Progress = SILENT) -> Image:
        grid = Grid.of(image)

        def compute(part: sitk.Image, inside: np.ndarray | None, middle: float, progress: Progress) -> np.ndarray:
            array = contrast_of(part, middle, progress)
            return sobel_magnitude(array, grid.spacing_kji, progress)

        return filter_measured(self, image, mask, self.halo(grid), compute, progress, outside=0.0)
