"""Bring an image to the standard intensity scale of a cohort."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..geometry import Grid
from ..kernels.pointwise import piecewise_linear
from ..operation import Operation
from ..progress import SILENT, Progress
from ..values import Image, Mask, Measurements
from .normalising import remapped, where
from .standard_scale import landmarks_of, scale_of


@dataclass(frozen=True)
class StandardiseLandmarks(Operation):
    """Bring an image to the standard intensity scale that learn_standard_scale has learnt from a cohort.

    The percentiles of the image become the standard values of the table, linear between them and continued beyond
    the lowest and highest (Nyul, Udupa and Zhang 2000), so that a tissue has about the same value in every image. The
    voxels that are looked at are those of the mask, else those that the table was learnt from (all or above the
    mean). Where two percentiles of the image coincide, that value becomes the mean of both standard values. The
    result is float32 (float64 for input of more than 16 bits that is not float32).

    Inputs
    ------
    image
        Image to standardise.
    scale
        Table of learn_standard_scale: columns percent and value.
    mask
        Where the percentiles are taken, of the same kind of region as in the cohort; all voxels are mapped.

    Outputs
    -------
    image
        Image on the standard scale.
    """

    name: ClassVar[str] = "standardise_landmarks"
    title: ClassVar[str] = "Standardise by landmarks"
    group: ClassVar[str] = "Intensity"
    memory_factor: ClassVar[float] = 4.5
    measuring_factor: ClassVar[float] = 1.25

    def halo(self, grid: Grid) -> tuple[int, ...]:
        return (0,) * grid.dimension

    def whole(self, inputs: Mapping[str, Any], progress: Progress = SILENT) -> tuple[np.ndarray, np.ndarray]:
        mask = inputs.get("mask")
        percent, standard, voxels = scale_of(inputs["scale"])
        own = landmarks_of(inputs["image"], mask, percent, voxels, where(mask), progress)
        x, place = np.unique(own, return_inverse=True)
        return x, np.bincount(place, standard) / np.bincount(place)

    def run(self, image: Image, scale: Measurements, mask: Mask | None = None, *, progress: Progress = SILENT) -> Image:
        given = {"image": image, "scale": scale, "mask": mask}
        x, y = self.known or self.whole(given, progress.part(0.0, 0.6))
        return remapped(image, lambda values: piecewise_linear(values, x, y), progress.part(0.6, 1.0), "Standardising")
