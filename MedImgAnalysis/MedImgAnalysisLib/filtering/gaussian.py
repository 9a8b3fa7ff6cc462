"""Gaussian smoothing by the exact sampled kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from ..blockwise import map_slabs
from ..geometry import Grid
from ..operation import Operation
from ..parameters import Quantity
from ..progress import SILENT, Progress
from ..values import Image, Mask
from .voxels import finished, floating

TRUNCATE = 4.0


@dataclass(frozen=True)
class Gaussian(Operation):
    """Smooth with a Gaussian kernel.

    Lowers noise and blurs edges by about `sigma_mm`. Convolution with the sampled Gaussian, cut at
    four sigma and normalised to one, along each axis in turn; sigma is in millimetres, so the blur
    is the same along all axes of an anisotropic image. Values are mirrored at the border. White noise
    of an isotropic 3-D image keeps about (voxel / (3.54 sigma)) ** 1.5 of its standard deviation. The result
    is float32, float64 for input of more than 16 bits. A sigma below a third of the spacing of an axis
    has no effect along it.

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
        Standard deviation of the kernel.
    """

    name: ClassVar[str] = "gaussian"
    title: ClassVar[str] = "Gaussian smoothing"
    group: ClassVar[str] = "Denoise"
    vector: ClassVar[bool] = True
    memory_factor: ClassVar[float] = 3.0
    keeps: ClassVar = {"image": "image"}
    presets: ClassVar = {"Light": {"sigma_mm": 0.5}, "Medium": {"sigma_mm": 1.0}, "Strong": {"sigma_mm": 2.0}}

    sigma_mm: Annotated[float, Quantity("mm", low=0.05, high=50.0)] = 1.0

    def halo(self, grid: Grid) -> tuple[int, ...]:
        return tuple(int(TRUNCATE * self.sigma_mm / s + 0.5) for s in grid.spacing)

    def run(self, image: Image, mask: Mask | None = None, *, progress: Progress = SILENT) -> Image:
        grid = Grid.of(image)
        sigmas = [self.sigma_mm / s for s in grid.spacing_kji]
        still = [
            axis
            for axis, radius in zip("kji"[-grid.dimension :], reversed(self.halo(grid)), strict=True)
            if radius == 0
        ]
        if still:
            progress.warn(
                f"Sigma {self.sigma_mm:g} mm is too small beside the spacing to smooth along {', '.join(still)}."
            )
        array = floating(image, progress)
        smooth_separably(array, sigmas, progress)
        return finished(array, image, mask)


def smooth_separably(array: np.ndarray, sigmas: list[float], progress: Progress = SILENT) -> None:
    """Smooth `array` (k, j, i[, component]) in place with `sigmas` in voxels per spatial axis.

    The slabs of the last step run along j, so that no step needs a halo.
    """
    from scipy.ndimage import gaussian_filter1d

    def along(axes: list[int]) -> None:
        first = 1 if 0 in axes else 0
        view = np.moveaxis(array, first, 0)

        def work(slab: np.ndarray) -> np.ndarray:
            for axis in axes:
                moved = axis + 1 if axis < first else axis
                slab = gaussian_filter1d(slab, sigmas[axis], axis=moved, mode="reflect", truncate=TRUNCATE)
            return slab

        start = 0.0 if first == 0 else 0.6
        map_slabs(
            work,
            view,
            0,
            view,
            progress=progress.part(start, start + (0.6 if first == 0 else 0.4)),
            message="Smoothing",
        )

    wide = [axis for axis, sigma in enumerate(sigmas) if int(TRUNCATE * sigma + 0.5) > 0]
    for axes in ([axis for axis in wide if axis != 0], [axis for axis in wide if axis == 0]):
        if axes:
            along(axes)
