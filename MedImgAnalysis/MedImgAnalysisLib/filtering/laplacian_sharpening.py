"""Sharpening by the Laplacian: a small blur undone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import SimpleITK as sitk

from ..geometry import Grid
from ..kernels.differences import laplacian
from ..operation import Operation
from ..parameters import Quantity
from ..progress import SILENT, Progress
from ..values import Image, Mask
from .region import filter_inside
from .voxels import floating


@dataclass(frozen=True)
class LaplacianSharpening(Operation):
    """Undo a small blur: subtract the Laplacian times half the variance of the blur.

    f - (sigma_mm^2 / 2) sum d2f/dx2 inverts a Gaussian of that sigma to first order. Second differences in
    millimetres, the border repeated. The finest noise rises by 1 + 2 sigma^2 sum 1 / spacing^2, so keep sigma below
    the voxel, of which a larger one is warned; for more use `deconvolve`. The mean stays. Unlike ITK's filter of this
    name values are not stretched to the old range. The result is float32, float64 for input of more than 16 bits.

    Inputs
    ------
    image
        Image to sharpen; vector images component by component.
    mask
        Where to sharpen; elsewhere the image is unchanged.

    Outputs
    -------
    image
        Sharpened image on the same grid.

    Parameters
    ----------
    sigma_mm
        Standard deviation of the blur to undo.
    """

    name: ClassVar[str] = "laplacian_sharpening"
    title: ClassVar[str] = "Laplacian sharpening"
    group: ClassVar[str] = "Enhance"
    vector: ClassVar[bool] = True
    memory_factor: ClassVar[float] = 2.25
    squares: ClassVar[bool] = True
    works_in_mask: ClassVar[bool] = True
    keeps: ClassVar = {"image": "image"}

    sigma_mm: Annotated[float, Quantity("mm", low=0.01, high=10.0)] = 0.5

    def halo(self, grid: Grid) -> tuple[int, ...]:
        return (1,) * grid.dimension

    def run(self, image: Image, mask: Mask | None = None, *, progress: Progress = SILENT) -> Image:
        grid = Grid.of(image)
        gain = 1 + 2 * self.sigma_mm**2 * sum(s**-2 for s, n in zip(grid.spacing, grid.size, strict=True) if n > 1)
        if self.sigma_mm > min(grid.spacing):
            progress.warn(
                f"Sigma {self.sigma_mm:g} mm is larger than the voxel: the finest detail and noise rise by up to "
                f"{gain:.3g} times. deconvolve undoes larger blurs."
            )

        def compute(part: sitk.Image, inside: np.ndarray | None, progress: Progress) -> np.ndarray:
            array = floating(part, progress)
            detail = laplacian(array, grid.spacing_kji, progress)
            detail *= detail.dtype.type(self.sigma_mm**2 / 2)
            array -= detail
            return array

        return filter_inside(image, mask, self.halo(grid), compute, progress)
