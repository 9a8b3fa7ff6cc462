"""Remove a slowly varying background."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple

import numpy as np
import SimpleITK as sitk

from ..geometry import Grid, image_like
from ..kernels.gaussian import smooth
from ..kernels.morphology import close_grey, open_grey
from ..kernels.separable import working_type
from ..parameters import Choice, Quantity
from ..progress import SILENT, Progress
from ..values import Image, Mask
from .lengths import ball_radii, gaussian_halo, radii_kji, sigmas_kji
from .region import Measuring, filter_measured
from .voxels import floating, halfway


class Subtracted(NamedTuple):
    image: Image
    background: Image


@dataclass(frozen=True)
class SubtractBackground(Measuring):
    """Subtract a background that varies more slowly than the structures of interest.

    `opening`: the background is the opening by a box of the radius, smoothed by a Gaussian of half the radius and
    never above the image, so that bright structures narrower than the box stay at their height on a ground of 0; dark
    ones are treated the other way round. `smoothing`: it is the image smoothed by a Gaussian of the radius, and
    structures of both signs stay, with halos. For the multiplicative shading of MR use bias field correction. The
    results are float32, float64 for input of more than 16 bits.

    Inputs
    ------
    image
        Image; vector images component by component.
    mask
        Where it is wanted; elsewhere the results are 0.

    Outputs
    -------
    image
        Image minus background.
    background
        What was subtracted.

    Parameters
    ----------
    method
        How the background is found.
    radius_mm
        More than half the width of the widest structures of interest.
    structures
        Bright ones on darker ground, or dark ones on brighter ground, for the opening.
    """

    name: ClassVar[str] = "subtract_background"
    title: ClassVar[str] = "Subtract background"
    group: ClassVar[str] = "Enhance"
    vector: ClassVar[bool] = True
    memory_factor: ClassVar[float] = 4.0
    memory_bytes: ClassVar[float] = 1e8

    method: Annotated[str, Choice("opening", "smoothing")] = "opening"
    radius_mm: Annotated[float, Quantity("mm", low=0.1, high=200.0)] = 15.0
    structures: Annotated[str, Choice("bright", "dark")] = "bright"

    def halo(self, grid: Grid) -> tuple[int, ...]:
        sigma = self.radius_mm if self.method == "smoothing" else self.radius_mm / 2
        blur = gaussian_halo((sigma,) * grid.dimension, grid)
        passes = 0 if self.method == "smoothing" else 2
        return tuple(b + passes * r for b, r in zip(blur, ball_radii(self.radius_mm, grid), strict=True))

    def numbers_of(self, part: sitk.Image, inside: np.ndarray | None, progress: Progress) -> float:
        return halfway(part)

    def run(self, image: Image, mask: Mask | None = None, *, progress: Progress = SILENT) -> Subtracted:
        grid = Grid.of(image)
        radii = radii_kji(self.radius_mm, grid)
        sigma = self.radius_mm if self.method == "smoothing" else self.radius_mm / 2
        sigmas = sigmas_kji((sigma,) * grid.dimension, grid)

        def compute(part: sitk.Image, inside: np.ndarray | None, middle: float, progress: Progress) -> np.ndarray:
            array = floating(part, progress)
            # Smoothed near zero, so that rounding is that of the contrast.
            level = array.dtype.type(middle)
            array -= level
            if self.method == "smoothing":
                flat = smooth(array, sigmas, progress)
                flat += level
                return flat
            bright = self.structures == "bright"
            ground = (open_grey if bright else close_grey)(array, radii, "box", progress.part(0.0, 0.6))
            flat = smooth(ground, sigmas, progress.part(0.6, 1.0))
            del ground
            (np.minimum if bright else np.maximum)(flat, array, out=flat)
            flat += level
            return flat

        background = filter_measured(self, image, mask, self.halo(grid), compute, progress, outside=0.0)
        original = sitk.GetArrayViewFromImage(image)
        rest: np.ndarray = original.astype(working_type(original.dtype))
        rest -= sitk.GetArrayViewFromImage(background)
        if mask is not None:
            rest[sitk.GetArrayViewFromImage(mask) == 0] = 0
        return Subtracted(image_like(rest, image), background)
