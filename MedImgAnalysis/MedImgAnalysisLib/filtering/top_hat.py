"""Small bright or dark structures: what opening or closing removes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import SimpleITK as sitk

from ..geometry import Grid
from ..kernels.morphology import close_grey, open_grey
from ..kernels.separable import working_type
from ..operation import Operation
from ..parameters import Choice, Quantity
from ..progress import SILENT, Progress
from ..values import Image, Mask
from .lengths import ball_radii, radii_kji, warn_of_still_axes
from .region import filter_inside


@dataclass(frozen=True)
class TopHat(Operation):
    """Bring out bright or dark structures that are narrower than a ball, whatever the background.

    Bright: the image minus its opening; dark: its closing minus the image. Structures into which the ball (or box)
    does not fit keep their height, all else becomes 0. Never negative. The result is float32, float64 for input of
    more than 16 bits.

    Inputs
    ------
    image
        Image; vector images component by component.
    mask
        Where it is wanted; elsewhere the result is 0.

    Outputs
    -------
    image
        Height of the structures on the same grid.

    Parameters
    ----------
    structures
        Bright ones on darker ground, or dark ones on brighter ground.
    radius_mm
        Radius of the ball, or half width of the box: more than half the width of the structures.
    shape
        Neighbourhood: ball, or a box along the image axes, which is faster.
    """

    name: ClassVar[str] = "top_hat"
    title: ClassVar[str] = "Top hat"
    group: ClassVar[str] = "Enhance"
    vector: ClassVar[bool] = True
    memory_factor: ClassVar[float] = 3.25
    works_in_mask: ClassVar[bool] = True

    structures: Annotated[str, Choice("bright", "dark")] = "bright"
    radius_mm: Annotated[float, Quantity("mm", low=0.01, high=200.0)] = 3.0
    shape: Annotated[str, Choice("ball", "box")] = "ball"

    def halo(self, grid: Grid) -> tuple[int, ...]:
        return tuple(2 * n for n in ball_radii(self.radius_mm, grid))

    def run(self, image: Image, mask: Mask | None = None, *, progress: Progress = SILENT) -> Image:
        grid = Grid.of(image)
        warn_of_still_axes(ball_radii(self.radius_mm, grid), f"Radius {self.radius_mm:g} mm", grid, progress)
        radii = radii_kji(self.radius_mm, grid)

        def compute(part: sitk.Image, inside: np.ndarray | None, progress: Progress) -> np.ndarray:
            array = sitk.GetArrayViewFromImage(part)
            dtype = working_type(array.dtype)
            if self.structures == "bright":
                return np.subtract(array, open_grey(array, radii, self.shape, progress), dtype=dtype)
            return np.subtract(close_grey(array, radii, self.shape, progress), array, dtype=dtype)

        return filter_inside(image, mask, self.halo(grid), compute, progress, outside=0.0)
