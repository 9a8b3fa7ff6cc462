"""Contrast around a value by a smooth S-shaped curve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import SimpleITK as sitk

from ..errors import ParameterError
from ..geometry import Grid
from ..kernels.pointwise import mapped
from ..kernels.ranks import percentiles
from ..kernels.separable import working_type
from ..progress import SILENT, Progress
from ..values import Image, Mask
from .region import Measuring, filter_measured
from .voxels import precise


@dataclass(frozen=True)
class Sigmoid(Measuring):
    """Raise the contrast around a value and fade the rest smoothly.

    to_low + (to_high - to_low) / (1 + exp(-(v - centre) / width)): like a window without corners, three quarters of the
    range are passed within 2 widths of the centre on both sides. A negative width inverts. Equal to ITK's
    sigmoid with alpha the width and beta the centre. A constant image with nothing given is mapped to the middle. The
    result is float32, float64 for input of more than 16 bits.

    Inputs
    ------
    image
        Image; vector images component by component.
    mask
        Where values are wanted; elsewhere the result is `to_low`.

    Outputs
    -------
    image
        Mapped image on the same grid.

    Parameters
    ----------
    centre
        Value in the middle of the curve. Not given: the median of the image, inside the mask where given.
    width
        Change of value over which the odds grow by e; not 0. Not given: a tenth of the distance from
        percentile 2 to 98.
    to_low
        Lower end of the result.
    to_high
        Upper end of the result.
    """

    name: ClassVar[str] = "sigmoid"
    title: ClassVar[str] = "Sigmoid"
    group: ClassVar[str] = "Enhance"
    vector: ClassVar[bool] = True
    memory_factor: ClassVar[float] = 4.0
    measuring_factor: ClassVar[float] = 1.25

    centre: float | None = None
    width: float | None = None
    to_low: float = 0.0
    to_high: float = 1.0

    def check(self) -> None:
        if self.to_low >= self.to_high:
            raise ParameterError(
                f"sigmoid: to_low is {self.to_low:g}; it must be below to_high, {self.to_high:g}.",
                operation=self.name,
                field="to_low",
            )
        if self.width == 0:
            raise ParameterError("sigmoid: width is 0; it must not be.", operation=self.name, field="width")

    measured_by: ClassVar[tuple[str, ...]] = ("centre", "width")

    def halo(self, grid: Grid) -> tuple[int, ...]:
        return (0,) * grid.dimension

    def numbers_of(self, part: sitk.Image, inside: np.ndarray | None, progress: Progress) -> tuple[float, float]:
        centre, width = self.centre, self.width
        if centre is None or width is None:
            array = precise(part, progress)
            low, median, high = percentiles(array, [2.0, 50.0, 98.0], inside, progress).tolist()
            centre = median if centre is None else centre
            width = (high - low) / 10 or 1.0 if width is None else width
        return centre, width

    def run(self, image: Image, mask: Mask | None = None, *, progress: Progress = SILENT) -> Image:
        def compute(
            part: sitk.Image, inside: np.ndarray | None, numbers: tuple[float, float], progress: Progress
        ) -> np.ndarray:
            array = precise(part, progress)
            centre, width = numbers

            def function(values: np.ndarray) -> np.ndarray:
                # Beyond 700 the exponential leaves float64.
                odds = np.exp(np.clip(-(values - centre) / width, -700, 700))
                return self.to_low + (self.to_high - self.to_low) / (1 + odds)

            return mapped(array, function, working_type(array.dtype), progress, "Sigmoid")

        margin = (0,) * Grid.of(image).dimension
        return filter_measured(self, image, mask, margin, compute, progress, outside=self.to_low, share=0.5)
