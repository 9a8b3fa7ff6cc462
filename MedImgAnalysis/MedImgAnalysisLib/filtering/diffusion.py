"""What both anisotropic diffusions share: their roles and parameters, and the run of their steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np

from ..geometry import Grid
from ..operation import Operation
from ..parameters import Quantity
from ..progress import SILENT, Progress
from ..values import Image, Mask
from .evolution import evolve_inside, moving_spacing, stable_step


@dataclass(frozen=True)
class Diffusion(Operation):
    """Base of the diffusions whose conductance is exp(-|grad u|^2 / (2 K^2)).

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
    iterations
        Number of steps.
    """

    group: ClassVar[str] = "Denoise"
    vector: ClassVar[bool] = True
    memory_factor: ClassVar[float] = 3.75
    squares: ClassVar[bool] = True
    memory_bytes: ClassVar[float] = 3e7
    works_in_mask: ClassVar[bool] = True
    why_whole: ClassVar[str] = "each step is steered by the mean gradient of the whole image"
    keeps: ClassVar = {"image": "image"}

    kernel: ClassVar[Any]
    """(voxels, scales, iterations, step, conductance, progress) -> voxels."""
    limit: ClassVar[Any]
    """Longest stable step in mm2 from the spacings."""
    share: ClassVar[float]
    """The step that is taken if none is asked for, as a part of the limit."""

    iterations: Annotated[int, Quantity("", low=1, high=200)] = 5
    conductance: Annotated[float, Quantity("", low=0.05, high=1000.0)] = 2.0
    time_step_mm2: Annotated[float | None, Quantity("mm2", low=1e-9)] = None

    def effort(self, grid: Grid) -> float:
        return self.iterations / 5

    def run(self, image: Image, mask: Mask | None = None, *, progress: Progress = SILENT) -> Image:
        limit = self.limit(moving_spacing(Grid.of(image)))
        step = stable_step(self.name, self.time_step_mm2, self.share, limit)

        def evolve(array: np.ndarray, scale: Any, progress: Progress) -> np.ndarray:
            found: np.ndarray = self.kernel(array, scale, self.iterations, step, self.conductance, progress)
            return found

        return evolve_inside(image, mask, self.iterations, evolve, progress)
