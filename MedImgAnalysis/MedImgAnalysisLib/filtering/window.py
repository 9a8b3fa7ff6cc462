"""Window and level as numbers: a range of values mapped to another, the rest clamped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import SimpleITK as sitk

from ..errors import ParameterError
from ..geometry import Grid
from ..kernels.separable import working_type
from ..operation import Operation
from ..parameters import Quantity
from ..progress import SILENT, Progress, run_filter
from ..values import Image, Mask
from .region import filter_inside
from .voxels import precise


@dataclass(frozen=True)
class Window(Operation):
    """Map a window of values to a range and clamp what is outside, as a viewer does.

    Values from level - width / 2 to level + width / 2 go linearly to `to_low` to `to_high` (the DICOM function
    LINEAR_EXACT; a viewer's own display is better changed in the viewer). The result is float32, float64
    for input of more than 16 bits.

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
    level
        Middle of the window.
    width
        Width of the window, above 0.
    to_low
        Result at the lower end of the window.
    to_high
        Result at its upper end; may be below `to_low` to invert.
    """

    name: ClassVar[str] = "window"
    title: ClassVar[str] = "Window"
    group: ClassVar[str] = "Enhance"
    vector: ClassVar[bool] = True
    memory_factor: ClassVar[float] = 2.25
    works_in_mask: ClassVar[bool] = True
    presets: ClassVar = {
        "CT soft tissue": {"level": 50.0, "width": 400.0},
        "CT lung": {"level": -600.0, "width": 1500.0},
        "CT bone": {"level": 400.0, "width": 1800.0},
        "CT brain": {"level": 40.0, "width": 80.0},
    }

    level: float = 50.0
    width: Annotated[float, Quantity("", low=1e-9)] = 400.0
    to_low: float = 0.0
    to_high: float = 1.0

    def check(self) -> None:
        if self.to_low == self.to_high:
            raise ParameterError(
                f"window: to_low and to_high are both {self.to_low:g}; they must differ.",
                operation=self.name,
                field="to_high",
            )

    def halo(self, grid: Grid) -> tuple[int, ...]:
        return (0,) * grid.dimension

    def run(self, image: Image, mask: Mask | None = None, *, progress: Progress = SILENT) -> Image:
        low, high = sorted((self.to_low, self.to_high))

        def compute(part: sitk.Image, inside: np.ndarray | None, progress: Progress) -> sitk.Image:
            narrow = working_type(precise(part, progress).dtype) is np.float32
            real = sitk.Cast(part, sitk.sitkFloat32 if narrow else sitk.sitkFloat64)
            window = sitk.IntensityWindowingImageFilter()
            window.SetWindowMinimum(self.level - self.width / 2)
            window.SetWindowMaximum(self.level + self.width / 2)
            window.SetOutputMinimum(low)
            window.SetOutputMaximum(high)
            mapped = run_filter(window, real, progress=progress, message="Window")
            return mapped if self.to_low < self.to_high else (low + high) - mapped

        margin = self.halo(Grid.of(image))
        return filter_inside(image, mask, margin, compute, progress, outside=self.to_low)
