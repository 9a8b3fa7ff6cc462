"""Bilateral filter: near neighbours of like value are averaged."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, prod
from typing import Annotated, ClassVar

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..geometry import Grid
from ..kernels.neighbours import bilateral
from ..parameters import Quantity
from ..progress import SILENT, Progress
from ..values import Image, Mask
from .lengths import sigmas_kji, warn_of_still_axes
from .noise_level import noise_level
from .region import Measuring, filter_measured, wanted
from .voxels import floating

CUT = 2.5
MOST_NEIGHBOURS = 1_000_000
"""Half width of the neighbourhood in sigmas, as in ITK."""


@dataclass(frozen=True)
class Bilateral(Measuring):
    """Average near neighbours of like value, so that edges stay.

    Each neighbour weighs exp(-distance^2 / (2 sigma_mm^2)) exp(-difference^2 / (2 range^2)): edges much higher than
    the range are kept, lower ones are smoothed like by a Gaussian (Tomasi and Manduchi 1998). Exact, where ITK's
    filter reads the second factor from a table. The time grows with the cube of sigma over spacing; use a mask or
    `gradient_diffusion` for wide smoothing. Border voxels are repeated. The result is float32, float64 for input of
    more than 16 bits.

    Inputs
    ------
    image
        Image to smooth; vector images component by component.
    mask
        Where to smooth; elsewhere the image is unchanged.

    Outputs
    -------
    image
        Smoothed image on the same grid.

    Parameters
    ----------
    sigma_mm
        Standard deviation of the weight by distance; neighbours up to 2.5 sigma count.
    range_sigma
        Standard deviation of the weight by difference, in the unit of the image. Not given: three times the noise,
        the larger of that in the finest wavelet details and in flat regions of the image, or of the mask.
    """

    name: ClassVar[str] = "bilateral"
    title: ClassVar[str] = "Bilateral"
    group: ClassVar[str] = "Denoise"
    vector: ClassVar[bool] = True
    memory_factor: ClassVar[float] = 3.25
    squares: ClassVar[bool] = True
    revision: ClassVar[int] = 2
    measuring_factor: ClassVar[float] = 1.5
    keeps: ClassVar = {"image": "image"}
    presets: ClassVar = {
        "Light": {"sigma_mm": 0.8},
        "CT soft tissue": {"sigma_mm": 1.5, "range_sigma": 40.0},
    }

    sigma_mm: Annotated[float, Quantity("mm", low=0.05, high=10.0)] = 1.0
    range_sigma: Annotated[float | None, Quantity("", low=1e-9)] = None

    measured_by: ClassVar[tuple[str, ...]] = ("range_sigma",)

    def halo(self, grid: Grid) -> tuple[int, ...]:
        # A neighbour that weighs less than exp(-32) even at the same value is left out.
        return tuple(ceil(CUT * self.sigma_mm / s) if 8 * self.sigma_mm > s else 0 for s in grid.spacing)

    def numbers_of(self, part: sitk.Image, inside: np.ndarray | None, progress: Progress) -> float:
        return self.range_sigma or 3 * noise_level(None, part, inside, progress)

    def effort(self, grid: Grid) -> float:
        neighbours = prod(2 * radius + 1 for radius in self.halo(grid))
        return neighbours / (2 * ceil(CUT) + 1) ** 3  # by those of sigma 1 mm in voxels of 1 mm

    def run(self, image: Image, mask: Mask | None = None, *, progress: Progress = SILENT) -> Image:
        grid = Grid.of(image)
        radii = self.halo(grid)
        if prod(2 * r + 1 for r in radii) > MOST_NEIGHBOURS:
            raise InputError(
                f"Sigma {self.sigma_mm:g} mm is {max(radii) / CUT:.3g} voxels of this image, so that every voxel has "
                f"more than {MOST_NEIGHBOURS} neighbours; take a smaller sigma, or gradient_diffusion.",
                role="image",
            )
        warn_of_still_axes(radii, f"Sigma {self.sigma_mm:g} mm", grid, progress)
        extra = (0,) * (3 - grid.dimension)
        sigmas = [1.0] * len(extra) + sigmas_kji((self.sigma_mm,) * grid.dimension, grid)

        def compute(part: sitk.Image, inside: np.ndarray | None, level: float, progress: Progress) -> np.ndarray:
            array = floating(part, progress)
            if level == 0:
                return array
            solid = array[None] if extra else array
            box = (slice(0, 1),) * len(extra) + wanted(self, array.shape, inside)
            found = bilateral(solid, sigmas, (*extra, *reversed(radii)), level, progress, box)
            return found.reshape(array.shape)

        return filter_measured(self, image, mask, radii, compute, progress, share=0.05)
