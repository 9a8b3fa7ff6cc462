"""Smoothing by the motion of level sets with their mean curvature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import SimpleITK as sitk

from ..geometry import Grid
from ..kernels.diffusion import curvature_limit, flow_by_curvature
from ..parameters import Quantity
from ..progress import SILENT, Progress
from ..values import Image, Mask
from .evolution import evolve_inside, moving_spacing, stable_step
from .region import Measuring
from .voxels import halfway


@dataclass(frozen=True)
class CurvatureFlow(Measuring):
    """Straighten the contours of all grey values: small bumps and specks vanish, large smooth edges stay sharp.

    Every level set moves inwards with the sum of its principal curvatures, u_t = |grad u| div(grad u / |grad u|)
    (Sethian 1996). A ball of radius r shrinks by r^2 - 4 t (3-D) or r^2 - 2 t (2-D) with t = iterations x time_step,
    so everything smaller than that is gone: there is no contrast parameter. Distances are millimetres along all axes;
    equal to ITK's curvature flow with the same numbers. The result is float32, float64 for input of more than 16
    bits.

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
    time_step_mm2
        Length of a step. Not given: nine tenths of the limit 1 / (sum 2 / spacing x sqrt(sum 2 / spacing^2)); larger
        than the limit is refused.
    """

    name: ClassVar[str] = "curvature_flow"
    title: ClassVar[str] = "Curvature flow"
    group: ClassVar[str] = "Denoise"
    vector: ClassVar[bool] = True
    memory_factor: ClassVar[float] = 3.75
    squares: ClassVar[bool] = True
    memory_bytes: ClassVar[float] = 1e7
    keeps: ClassVar = {"image": "image"}
    presets: ClassVar = {"Light": {"iterations": 3}, "Medium": {"iterations": 8}, "Strong": {"iterations": 20}}

    iterations: Annotated[int, Quantity("", low=1, high=500)] = 5
    time_step_mm2: Annotated[float | None, Quantity("mm2", low=1e-9)] = None

    def halo(self, grid: Grid) -> tuple[int, ...]:
        return (self.iterations,) * grid.dimension

    def numbers_of(self, part: sitk.Image, inside: np.ndarray | None, progress: Progress) -> float:
        return halfway(part)

    def effort(self, grid: Grid) -> float:
        return self.iterations / 5

    def run(self, image: Image, mask: Mask | None = None, *, progress: Progress = SILENT) -> Image:
        limit = curvature_limit(moving_spacing(Grid.of(image)))
        step = stable_step(self.name, self.time_step_mm2, 0.9, limit)
        return evolve_inside(
            image,
            mask,
            self.iterations,
            lambda array, scale, progress: flow_by_curvature(array, scale, self.iterations, step, progress),
            progress,
            self.known,
        )
