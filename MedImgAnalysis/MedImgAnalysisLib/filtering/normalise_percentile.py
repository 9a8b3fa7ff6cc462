"""Intensities between two percentiles brought to a fixed range."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import SimpleITK as sitk

from ..errors import ParameterError
from ..geometry import Grid
from ..kernels.ranks import percentiles
from ..operation import Operation
from ..parameters import Quantity
from ..progress import SILENT, Progress
from ..values import Image, Mask
from .normalising import inside_of, remapped, require_spread, where


@dataclass(frozen=True)
class NormalisePercentile(Operation):
    """Bring the values between two percentiles to a fixed range.

    `to_low + (v - p_low) / (p_high - p_low) (to_high - to_low)`: a few very bright or dark voxels do not decide
    the scale, as they would with minimum and maximum. Percentiles are exact, linear between neighbouring ranks.
    With a mask they are those of its voxels, and all voxels are mapped. The result is float32 (float64 for input of
    more than 16 bits that is not float32). An image whose two percentiles are the same is refused.

    Inputs
    ------
    image
        Image to normalise.
    mask
        Where the percentiles are taken; without it everywhere.

    Outputs
    -------
    image
        Normalised image on the same grid.

    Parameters
    ----------
    low_percent
        Percentile that becomes the lower end.
    high_percent
        Percentile that becomes the upper end.
    to_low
        Lower end of the range.
    to_high
        Upper end of the range.
    clip
        Set values outside the range to its ends; off lets them lie outside.
    """

    name: ClassVar[str] = "normalise_percentile"
    title: ClassVar[str] = "Normalise by percentiles"
    group: ClassVar[str] = "Intensity"
    memory_factor: ClassVar[float] = 4.0
    measuring_factor: ClassVar[float] = 1.25
    presets: ClassVar = {
        "0.5 to 99.5 %, 0 to 1": {},
        "1 to 99 %, -1 to 1": {"low_percent": 1.0, "high_percent": 99.0, "to_low": -1.0, "to_high": 1.0},
    }

    measured_by: ClassVar[tuple[str, ...]] = ("low_percent", "high_percent")

    low_percent: Annotated[float, Quantity("%", low=0.0, high=100.0)] = 0.5
    high_percent: Annotated[float, Quantity("%", low=0.0, high=100.0)] = 99.5
    to_low: float = 0.0
    to_high: float = 1.0
    clip: bool = True

    def check(self) -> None:
        rising(self, "low_percent", "high_percent")
        rising(self, "to_low", "to_high")

    def halo(self, grid: Grid) -> tuple[int, ...]:
        return (0,) * grid.dimension

    def whole(self, inputs: Mapping[str, Any], progress: Progress = SILENT) -> tuple[float, float]:
        array, inside = sitk.GetArrayViewFromImage(inputs["image"]), inside_of(inputs.get("mask"))
        low, high = percentiles(array, (self.low_percent, self.high_percent), inside, progress).tolist()
        return low, high

    def run(self, image: Image, mask: Mask | None = None, *, progress: Progress = SILENT) -> Image:
        low, high = self.known or self.whole({"image": image, "mask": mask}, progress.part(0.0, 0.5))
        between = f" between its percentiles {self.low_percent:g} and {self.high_percent:g}"
        require_spread(low, high, "normalised", where(mask), between)

        def normalised(values: np.ndarray) -> np.ndarray:
            part = (values - low) / (high - low)
            scaled = self.to_low * (1 - part) + self.to_high * part
            return np.clip(scaled, self.to_low, self.to_high) if self.clip else scaled

        return remapped(image, normalised, progress.part(0.5, 1.0), "Normalising")


def rising(operation: Operation, low: str, high: str) -> None:
    """Refuse a lower end that is not below the upper one."""
    a, b = getattr(operation, low), getattr(operation, high)
    if not a < b:
        raise ParameterError(
            f"{operation.name}: {low} is {a:g}; it must be below {high}, which is {b:g}.",
            operation=operation.name,
            field=low,
            value=repr(a),
        )
