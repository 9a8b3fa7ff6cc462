"""Strength of the edges: magnitude of the gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import SimpleITK as sitk

from ..geometry import Grid
from ..kernels.differences import gradient_magnitude
from ..kernels.gaussian import smooth
from ..parameters import Quantity
from ..progress import SILENT, Progress
from ..values import Image, Mask
from .lengths import gaussian_halo, sigmas_kji
from .region import Measuring, filter_measured
from .voxels import centred, contrast_middle, contrast_of, middle_of


@dataclass(frozen=True)
class GradientMagnitude(Measuring):
    """Show how fast values change, per millimetre.

    sqrt(sum (df/dx)^2) by central differences, (f(x + h) - f(x - h)) / 2 h, of the image or of the image smoothed by
    a Gaussian. A linear ramp gives its slope; a step of height H blurred by s in all has the peak H / (2.5 s). The
    border is repeated. Without smoothing equal to ITK's gradient magnitude. The result is float32, in units of the
    image per millimetre.

    Inputs
    ------
    image
        Image; vector images component by component.
    mask
        Where the gradient is wanted; elsewhere the result is 0.

    Outputs
    -------
    image
        Magnitude of the gradient on the same grid.

    Parameters
    ----------
    sigma_mm
        Standard deviation of the Gaussian that smooths first; 0 for none.
    """

    name: ClassVar[str] = "gradient_magnitude"
    title: ClassVar[str] = "Gradient magnitude"
    group: ClassVar[str] = "Edges"
    vector: ClassVar[bool] = True
    memory_factor: ClassVar[float] = 2.5
    squares: ClassVar[bool] = True

    measured_by: ClassVar[tuple[str, ...]] = ("sigma_mm",)

    sigma_mm: Annotated[float, Quantity("mm", low=0.0, high=50.0)] = 0.0

    def halo(self, grid: Grid) -> tuple[int, ...]:
        return tuple(n + 1 for n in gaussian_halo((self.sigma_mm,) * grid.dimension, grid))

    def numbers_of(self, part: sitk.Image, inside: np.ndarray | None, progress: Progress) -> float:
        return middle_of(part) if self.sigma_mm > 0 else contrast_middle(part)

    def run(self, image: Image, mask: Mask | None = None, *, progress: Progress = SILENT) -> Image:
        grid = Grid.of(image)
        sigmas = sigmas_kji((self.sigma_mm,) * grid.dimension, grid)

        def compute(part: sitk.Image, inside: np.ndarray | None, middle: float, progress: Progress) -> np.ndarray:
            if self.sigma_mm > 0:
                array = smooth(centred(part, middle, progress), sigmas, progress.part(0.0, 0.7))
            else:
                array = contrast_of(part, middle, progress)
            return gradient_magnitude(array, grid.spacing_kji, progress.part(0.7 if self.sigma_mm else 0.0, 1.0))

        return filter_measured(self, image, mask, self.halo(grid), compute, progress, outside=0.0)
