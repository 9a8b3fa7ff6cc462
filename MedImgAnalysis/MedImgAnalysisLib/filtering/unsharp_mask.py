"""Sharpening by the difference to a blurred copy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import SimpleITK as sitk

from ..geometry import Grid
from ..kernels.gaussian import smooth
from ..operation import Operation
from ..parameters import Quantity
from ..progress import SILENT, Progress
from ..values import Image, Mask
from .lengths import gaussian_halo, sigmas_kji, warn_of_still_axes
from .region import filter_inside
from .voxels import floating


@dataclass(frozen=True)
class UnsharpMask(Operation):
    """Sharpen by adding back what a Gaussian blur takes away.

    f + amount (f - G f), where |f - G f| is above the threshold. Edges get overshoots on both sides and noise rises
    by up to 1 + amount: look at the residual before measuring in the result. The mean stays. The result is float32,
    float64 for input of more than 16 bits, and not clamped.

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
        Standard deviation of the blur: about the width of the edges.
    amount
        How much of the difference is added.
    threshold
        Smaller differences, in the unit of the image, are taken for noise and not added.
    """

    name: ClassVar[str] = "unsharp_mask"
    title: ClassVar[str] = "Unsharp mask"
    group: ClassVar[str] = "Enhance"
    vector: ClassVar[bool] = True
    memory_factor: ClassVar[float] = 2.25
    squares: ClassVar[bool] = True
    works_in_mask: ClassVar[bool] = True
    keeps: ClassVar = {"image": "image"}
    presets: ClassVar = {"Light": {"amount": 0.3}, "Medium": {"amount": 0.7}, "Strong": {"amount": 1.5}}

    sigma_mm: Annotated[float, Quantity("mm", low=0.05, high=50.0)] = 1.0
    amount: Annotated[float, Quantity("", low=0.0, high=10.0)] = 0.7
    threshold: Annotated[float, Quantity("", low=0.0)] = 0.0

    def halo(self, grid: Grid) -> tuple[int, ...]:
        return gaussian_halo((self.sigma_mm,) * grid.dimension, grid)

    def run(self, image: Image, mask: Mask | None = None, *, progress: Progress = SILENT) -> Image:
        grid = Grid.of(image)
        warn_of_still_axes(self.halo(grid), f"Sigma {self.sigma_mm:g} mm", grid, progress)
        sigmas = sigmas_kji((self.sigma_mm,) * grid.dimension, grid)

        def compute(part: sitk.Image, inside: np.ndarray | None, progress: Progress) -> np.ndarray:
            array = floating(part, progress)
            detail = smooth(array, sigmas, progress)
            np.subtract(array, detail, out=detail)
            if self.threshold > 0:
                detail[np.abs(detail) <= self.threshold] = 0
            detail *= detail.dtype.type(self.amount)
            array += detail
            return array

        return filter_inside(image, mask, self.halo(grid), compute, progress)
