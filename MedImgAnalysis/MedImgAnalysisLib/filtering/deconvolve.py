"""Undo the blur of a known Gaussian point spread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import SimpleITK as sitk

from ..geometry import Grid
from ..kernels.deconvolution import richardson_lucy, wiener
from ..kernels.wavelets import noise_sigma
from ..operation import Operation
from ..parameters import Choice, Quantity
from ..progress import SILENT, Progress
from ..values import Image, Mask
from .lengths import gaussian_halo, per_axis, sigmas_kji, warn_of_still_axes
from .region import filter_inside
from .voxels import floating

REACH = 3
"""Margin of a mask in half widths of the kernel."""


@dataclass(frozen=True)
class Deconvolve(Operation):
    """Undo a known blur: the image whose Gaussian blur is the one that was measured.

    The point spread is a Gaussian (its full width at half maximum is 2.355 sigma). Richardson-Lucy multiplies by the
    blurred ratio of measured to expected at each step; it assumes counts above a ground, which is the smallest value
    of the image, keeps the sum, and its noise grows with the iterations. Wiener divides by the response, damped where
    noise is stronger than signal: F G / (G^2 + K), where K is
    (noise / SD of the image)^2 and at least 1 / (2 largest_gain)^2; edges may ring. Neither can bring back
    what lies below the noise. With a mask the work is on its box and three kernel half widths around it. The result
    is float32, float64 for input of more than 16 bits.

    Inputs
    ------
    image
        Blurred image; vector images component by component.
    mask
        Where to deconvolve; elsewhere the image is unchanged.

    Outputs
    -------
    image
        Sharper image on the same grid.

    Parameters
    ----------
    method
        Richardson-Lucy for counts such as PET and microscopy, Wiener for CT and MR.
    sigma_mm
        Standard deviation of the point spread.
    axis_sigmas_mm
        Standard deviations along the image axes i, j and k where they differ; 0 for none. They replace the single one.
    iterations
        Steps of Richardson-Lucy.
    noise
        Standard deviation of the noise in the unit of the image, for Wiener. Not given: estimated from the finest
        wavelet details.
    largest_gain
        No frequency is raised by more than this factor, for Wiener; edges ring when the point spread is wider than the
        real one, and more so the larger this is.
    """

    name: ClassVar[str] = "deconvolve"
    title: ClassVar[str] = "Deconvolution"
    group: ClassVar[str] = "Enhance"
    vector: ClassVar[bool] = True
    memory_factor: ClassVar[float] = 4.5
    squares: ClassVar[bool] = True
    memory_bytes: ClassVar[float] = 3e7
    works_in_mask: ClassVar[bool] = True
    why_whole: ClassVar[str] = "the blur is undone step by step through the whole image"
    keeps: ClassVar = {"image": "image"}
    presets: ClassVar = {
        "PET, 6 mm FWHM": {"method": "richardson_lucy", "sigma_mm": 2.55, "iterations": 10},
        "CT, 1 mm FWHM": {"method": "wiener", "sigma_mm": 0.42},
    }

    method: Annotated[str, Choice("richardson_lucy", "wiener")] = "richardson_lucy"
    sigma_mm: Annotated[float, Quantity("mm", low=0.05, high=20.0)] = 1.0
    axis_sigmas_mm: Annotated[tuple[float, ...], Quantity("mm", low=0.0, high=20.0)] = ()
    iterations: Annotated[int, Quantity("", low=1, high=500)] = 10
    noise: Annotated[float | None, Quantity("", low=0.0)] = None
    largest_gain: Annotated[float, Quantity("", low=1.0, high=1000.0)] = 5.0

    def effort(self, grid: Grid) -> float:
        return self.iterations / 10 if self.method == "richardson_lucy" else 0.3

    def run(self, image: Image, mask: Mask | None = None, *, progress: Progress = SILENT) -> Image:
        grid = Grid.of(image)
        millimetres = per_axis(self.sigma_mm, self.axis_sigmas_mm, grid, "axis_sigmas_mm")
        halo = gaussian_halo(millimetres, grid)
        if not self.axis_sigmas_mm:
            warn_of_still_axes(halo, f"Sigma {self.sigma_mm:g} mm", grid, progress)
        sigmas = sigmas_kji(millimetres, grid)

        def compute(part: sitk.Image, inside: np.ndarray | None, progress: Progress) -> np.ndarray:
            array = floating(part, progress)
            if self.method == "richardson_lucy":
                ground = array.min()
                array -= ground
                estimate = richardson_lucy(array, sigmas, self.iterations, progress)
                estimate += ground
                return estimate
            level = self.noise
            if level is None:
                level = noise_sigma(array, progress.part(0.0, 0.2))
            mean = array.dtype.type(array.mean(dtype=float))
            array -= mean
            spread = float(np.sqrt(np.square(array).mean(dtype=float)))
            if spread == 0:
                return array + mean
            ratio = max(level / spread, 0.5 / self.largest_gain) ** 2
            restored = wiener(array, sigmas, ratio, progress.part(0.2, 1.0))
            restored += mean
            return restored

        return filter_inside(image, mask, [REACH * n for n in halo], compute, progress)
