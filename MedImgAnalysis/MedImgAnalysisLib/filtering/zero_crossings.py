"""Edges where the Laplacian of the smoothed image changes its sign."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import SimpleITK as sitk

from ..blockwise import map_slabs
from ..geometry import Grid
from ..kernels.differences import gaussian_laplacian, gradient_magnitude
from ..kernels.gaussian import smooth
from ..parameters import Quantity
from ..progress import SILENT, Progress
from ..values import Image, Mask
from .lengths import gaussian_halo, sigmas_kji
from .region import Measuring, filter_measured
from .voxels import centred, middle_of

ROUNDING = 64
"""Changes of sign within this many last digits of the largest value are rounding."""


@dataclass(frozen=True)
class ZeroCrossings(Measuring):
    """Mark edges as closed surfaces: where the Laplacian of the smoothed image changes its sign.

    Of two face neighbours of different sign the one nearer to zero is marked (Marr and Hildreth 1980; the rule is
    ITK's). Surfaces are closed and need no threshold, but noise makes edges everywhere: `min_gradient` drops those
    where the smoothed image is nearly flat.

    Inputs
    ------
    image
        Image with one number per voxel.
    mask
        Where edges are wanted.

    Outputs
    -------
    mask
        The edges.

    Parameters
    ----------
    sigma_mm
        Standard deviation of the Gaussian.
    min_gradient
        Least gradient magnitude of the smoothed image at an edge, in units of the image per millimetre.
    """

    name: ClassVar[str] = "zero_crossings"
    title: ClassVar[str] = "Zero crossings"
    group: ClassVar[str] = "Edges"
    memory_factor: ClassVar[float] = 3.5
    squares: ClassVar[bool] = True
    memory_bytes: ClassVar[float] = 4e7

    sigma_mm: Annotated[float, Quantity("mm", low=0.05, high=50.0)] = 2.0
    min_gradient: Annotated[float, Quantity("", low=0.0)] = 0.0

    def halo(self, grid: Grid) -> tuple[int, ...]:
        return tuple(n + 1 for n in gaussian_halo((self.sigma_mm,) * grid.dimension, grid, least=1))

    def numbers_of(self, part: sitk.Image, inside: np.ndarray | None, progress: Progress) -> tuple[float, float]:
        return middle_of(part), 0.0

    def whole(self, inputs: Mapping[str, Any], progress: Progress = SILENT) -> list[Any]:
        span = _span(inputs["image"])
        return [(middle, span) for middle, _ in super().whole(inputs, progress)]

    def run(self, image: Image, mask: Mask | None = None, *, progress: Progress = SILENT) -> Mask:
        grid = Grid.of(image)
        sigmas = sigmas_kji((self.sigma_mm,) * grid.dimension, grid)
        span = _span(image) if self.known is None else self.known[0][1]
        least = ROUNDING * float(np.finfo(np.float32).eps) * span * sum(s**-2 for s in grid.spacing)

        def compute(
            part: sitk.Image, inside: np.ndarray | None, numbers: tuple[float, float], progress: Progress
        ) -> np.ndarray:
            array = centred(part, numbers[0], progress)
            curved = gaussian_laplacian(array, sigmas, grid.spacing_kji, progress.part(0.0, 0.6))
            found = map_slabs(
                lambda slab: _crossings(slab, least),
                curved,
                1,
                np.empty(array.shape, np.uint8),
                progress=progress.part(0.6, 0.7),
                message="Edges",
            )
            if self.min_gradient > 0:
                smoothed = smooth(array, sigmas, progress.part(0.7, 0.9))
                steep = gradient_magnitude(smoothed, grid.spacing_kji, progress.part(0.9, 1.0)) >= self.min_gradient
                found *= steep
            progress.report(1.0, "Edges")
            return found

        return filter_measured(self, image, mask, self.halo(grid), compute, progress, outside=0.0)


def _span(image: sitk.Image) -> float:
    array = sitk.GetArrayViewFromImage(image)
    return float(array.max()) - float(array.min())


def _crossings(values: np.ndarray, least: float) -> np.ndarray:
    """Voxels with a face neighbour of the other sign that is at least as far from zero, together above `least`."""
    found = np.zeros(values.shape, bool)
    size = np.abs(values)
    positive = values > 0
    for axis in range(values.ndim):
        lower = tuple(slice(None, -1) if a == axis else slice(None) for a in range(values.ndim))
        upper = tuple(slice(1, None) if a == axis else slice(None) for a in range(values.ndim))
        crosses = (positive[lower] != positive[upper]) & (size[lower] + size[upper] > least)
        found[lower] |= crosses & (size[lower] < size[upper])
        found[upper] |= crosses & (size[upper] <= size[lower])
    return found.astype(np.uint8)
