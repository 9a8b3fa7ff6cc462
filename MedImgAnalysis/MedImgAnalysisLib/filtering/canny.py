"""Canny's edge detector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import SimpleITK as sitk

from ..errors import ParameterError
from ..geometry import Grid
from ..kernels.canny import connected_to, ridges
from ..kernels.differences import gradient_magnitude
from ..kernels.gaussian import smooth
from ..kernels.ranks import percentiles
from ..operation import Operation
from ..parameters import Choice, Quantity
from ..progress import SILENT, Progress
from ..values import Image, Mask
from .lengths import gaussian_halo, sigmas_kji
from .region import filter_inside
from .voxels import centred, middle_of


@dataclass(frozen=True)
class Canny(Operation):
    """Mark edges as surfaces of one voxel: where the gradient is largest across the edge.

    The image is smoothed by a Gaussian; voxels whose gradient magnitude is no smaller than one step up and down along
    the gradient are edges when it is above the high threshold, or above the low one and connected to such voxels
    (Canny 1986). Gradients and directions are those of millimetres, also on anisotropic grids. With percentiles half
    of the image being air is no harm to the high threshold; raise both when noise shows.

    Inputs
    ------
    image
        Image with one number per voxel.
    mask
        Where edges are wanted, and percentiles are taken.

    Outputs
    -------
    mask
        The edges.

    Parameters
    ----------
    sigma_mm
        Standard deviation of the Gaussian that smooths first; 0 for none.
    low
        Edges go on down to this gradient.
    high
        Edges start above this gradient.
    thresholds
        What low and high are: percentiles of the gradient magnitude, or its values per millimetre.
    """

    name: ClassVar[str] = "canny"
    title: ClassVar[str] = "Canny edges"
    group: ClassVar[str] = "Edges"
    memory_factor: ClassVar[float] = 5.75
    squares: ClassVar[bool] = True
    works_in_mask: ClassVar[bool] = True
    why_whole: ClassVar[str] = "edges are followed through the whole image"
    presets: ClassVar = {"Fine": {"sigma_mm": 0.7, "low": 80.0, "high": 92.0}, "Coarse": {"sigma_mm": 2.0}}

    sigma_mm: Annotated[float, Quantity("mm", low=0.0, high=50.0)] = 1.0
    low: Annotated[float, Quantity("", low=0.0)] = 85.0
    high: Annotated[float, Quantity("", low=0.0)] = 95.0
    thresholds: Annotated[str, Choice("percentiles", "values")] = "percentiles"

    def check(self) -> None:
        if self.thresholds == "percentiles" and max(self.low, self.high) > 100:
            raise ParameterError(
                f"canny: low is {self.low:g} and high {self.high:g}; percentiles are at most 100.",
                operation=self.name,
                field="high",
            )
        if self.low > self.high:
            raise ParameterError(
                f"canny: low is {self.low:g}, above high, {self.high:g}; it must be at most that.",
                operation=self.name,
                field="low",
            )

    def run(self, image: Image, mask: Mask | None = None, *, progress: Progress = SILENT) -> Mask:
        grid = Grid.of(image)
        sigmas = sigmas_kji((self.sigma_mm,) * grid.dimension, grid)

        def compute(part: sitk.Image, inside: np.ndarray | None, progress: Progress) -> np.ndarray:
            smoothed = centred(part, middle_of(part), progress)
            if self.sigma_mm > 0:
                smoothed = smooth(smoothed, sigmas, progress.part(0.0, 0.3))
            magnitude = gradient_magnitude(smoothed, grid.spacing_kji, progress.part(0.3, 0.4))
            low, high = self.low, self.high
            if self.thresholds == "percentiles":
                low, high = percentiles(magnitude, [low, high], inside, progress.part(0.4, 0.5)).tolist()
            weak = ridges(smoothed, magnitude, grid.spacing_kji, low, progress.part(0.5, 0.9))
            edges = connected_to(weak, weak & (magnitude > high))
            progress.report(1.0, "Edges")
            return edges.astype(np.uint8)

        margin = tuple(n + 2 for n in gaussian_halo((self.sigma_mm,) * grid.dimension, grid))
        return filter_inside(image, mask, margin, compute, progress, outside=0.0)
