"""Intensities in standard deviations from the mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import SimpleITK as sitk

from ..errors import InputError
from ..geometry import Grid
from ..operation import Operation
from ..progress import SILENT, Progress
from ..values import Image, Mask
from .normalising import ALIKE, inside_of, mean_and_sd, remapped, where


@dataclass(frozen=True)
class NormaliseZscore(Operation):
    """Bring the values to mean 0 and standard deviation 1.

    `(v - mean) / SD` with the sample standard deviation (n - 1), as ITK's normalising filter does. With a mask,
    mean and SD are those of its voxels, and all voxels are mapped: for MR give a mask of the brain or the body, or
    else the share of air decides. The result is float32 (float64 for input of more than 16 bits that is not
    float32). A constant image is refused.

    Inputs
    ------
    image
        Image to normalise.
    mask
        Where mean and standard deviation are taken; without it everywhere.

    Outputs
    -------
    image
        Normalised image on the same grid.
    """

    name: ClassVar[str] = "normalise_zscore"
    title: ClassVar[str] = "Normalise to z-scores"
    group: ClassVar[str] = "Intensity"
    memory_factor: ClassVar[float] = 2.75
    squares: ClassVar[bool] = True
    measuring_factor: ClassVar[float] = 1.25

    def halo(self, grid: Grid) -> tuple[int, ...]:
        return (0,) * grid.dimension

    def whole(self, inputs: Mapping[str, Any], progress: Progress = SILENT) -> tuple[float, float]:
        image, mask = inputs["image"], inputs.get("mask")
        return mean_and_sd(sitk.GetArrayViewFromImage(image), inside_of(mask), progress)

    def run(self, image: Image, mask: Mask | None = None, *, progress: Progress = SILENT) -> Image:
        mean, sd = self.known or self.whole({"image": image, "mask": mask}, progress.part(0.0, 0.5))
        if not sd > ALIKE * abs(mean):
            raise InputError(
                f"The {where(mask)} is constant ({mean:.6g}), so its values cannot be told in standard deviations.",
                role="image",
                value=mean,
            )
        return remapped(image, lambda values: (values - mean) / sd, progress.part(0.5, 1.0), "Normalising")
