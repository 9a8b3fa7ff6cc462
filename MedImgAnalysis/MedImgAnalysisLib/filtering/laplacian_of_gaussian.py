"""Blobs and edges of one size: Laplacian of the smoothed image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import SimpleITK as sitk

from ..geometry import Grid
from ..kernels.differences import gaussian_laplacian
from ..parameters import Quantity
from ..progress import SILENT, Progress
from ..values import Image, Mask
from .lengths import gaussian_halo, sigmas_kji
from .region import Measuring, filter_measured
from .voxels import centred


@dataclass(frozen=True)
class LaplacianOfGaussian(Measuring):
    """Bring out blobs of one size, and edges as changes of sign.

    The Laplacian sum d2f/dx2 of the image smoothed by a Gaussian of `sigma_mm`, by the sampled second derivatives of
    the Gaussian, exact for parabolas on every grid. Bright blobs of radius r are most negative at sigma = r / sqrt(3)
    (3-D) or r / sqrt(2) (2-D). Normalised by sigma^2 responses of different sigmas compare and have the unit of the
    image; else it is that per mm2. The border is mirrored. The result is float32.

    Inputs
    ------
    image
        Image; vector images component by component.
    mask
        Where it is wanted; elsewhere the result is 0.

    Outputs
    -------
    image
        Laplacian on the same grid.

    Parameters
    ----------
    sigma_mm
        Standard deviation of the Gaussian.
    normalise
        Multiply by sigma squared.
    """

    name: ClassVar[str] = "laplacian_of_gaussian"
    title: ClassVar[str] = "Laplacian of Gaussian"
    group: ClassVar[str] = "Edges"
    vector: ClassVar[bool] = True
    memory_factor: ClassVar[float] = 3.5
    squares: ClassVar[bool] = True
    presets: ClassVar = {"Fine": {"sigma_mm": 1.0}, "Coarse": {"sigma_mm": 4.0}}

    sigma_mm: Annotated[float, Quantity("mm", low=0.05, high=50.0)] = 2.0
    normalise: bool = True

    def halo(self, grid: Grid) -> tuple[int, ...]:
        return gaussian_halo((self.sigma_mm,) * grid.dimension, grid, least=1)

    def run(self, image: Image, mask: Mask | None = None, *, progress: Progress = SILENT) -> Image:
        grid = Grid.of(image)
        sigmas = sigmas_kji((self.sigma_mm,) * grid.dimension, grid)

        def compute(part: sitk.Image, inside: np.ndarray | None, middle: float, progress: Progress) -> np.ndarray:
            found = gaussian_laplacian(centred(part, middle, progress), sigmas, grid.spacing_kji, progress)
            if self.normalise:
                found *= found.dtype.type(self.sigma_mm**2)
            return found

        return filter_measured(self, image, mask, self.halo(grid), compute, progress, outside=0.0)
