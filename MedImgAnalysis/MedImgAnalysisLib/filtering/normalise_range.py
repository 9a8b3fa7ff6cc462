"""Intensities from minimum to maximum brought to a fixed range."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import SimpleITK as sitk

from ..geometry import Grid
from ..kernels.ranks import ranked
from ..operation import Operation
from ..progress import SILENT, Progress
from ..values import Image, Mask
from .normalise_percentile import rising
from .normalising import inside_of, remapped, require_spread, where


@dataclass(frozen=True)
class NormaliseRange(Operation):
    """Bring the values from minimum to maximum to a fixed range.

    `to_low + (v - min) / (max - min) (to_high - to_low)`. One odd voxel decides the scale: for measured images
    prefer percentiles. With a mask minimum and maximum are those of its voxels, and all voxels are mapped. The result
    is float32 (float64 for input of more than 16 bits that is not float32). A constant image is refused.

    Inputs
    ------
    image
        Image to normalise.
    mask
        Where minimum and maximum are taken; without it everywhere.

    Outputs
    -------
    image
        Normalised image on the same grid.

    Parameters
    ----------
    to_low
        What the minimum becomes.
    to_high
        What the maximum becomes.
    clip
        Set voxels outside the mask that lie beyond its minimum or maximum to the ends of the range.
    """

    name: ClassVar[str] = "normalise_range"
    title: ClassVar[str] = "Normalise to a range"
    group: ClassVar[str] = "Intensity"
    memory_factor: ClassVar[float] = 3.5
    measuring_factor: ClassVar[float] = 1.25
    presets: ClassVar = {"0 to 1": {}, "-1 to 1": {"to_low": -1.0}, "0 to 255": {"to_high": 255.0}}

    to_low: float = 0.0
    to_high: float = 1.0
    clip: bool = True

    def check(self) -> None:
        rising(self, "to_low", "to_high")

    def halo(self, grid: Grid) -> tuple[int, ...]:
        return (0,) * grid.dimension

    def whole(self, inputs: Mapping[str, Any], progress: Progress = SILENT) -> tuple[float, float]:
        array, inside = sitk.GetArrayViewFromImage(inputs["image"]), inside_of(inputs.get("mask"))
        n = array.size if inside is None else int(np.count_nonzero(inside))
        low, high = ranked(array, (0, n - 1), inside, progress).astype(np.float64).tolist()
        return low, high

    def run(self, image: Image, mask: Mask | None = None, *, progress: Progress = SILENT) -> Image:
        low, high = self.known or self.whole({"image": image, "mask": mask}, progress.part(0.0, 0.5))
        require_spread(low, high, "normalised", where(mask))

        def normalised(values: np.ndarray) -> np.ndarray:
            part = (values - low) / (high - low)
            scaled = self.to_low * (1 - part) + self.to_high * part
            return np.clip(scaled, self.to_low, self.to_high) if self.clip else scaled

        return remapped(image, normalised, progress.part(0.5, 1.0), "Normalising")
