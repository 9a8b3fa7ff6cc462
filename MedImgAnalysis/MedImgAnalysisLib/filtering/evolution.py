"""What the operations that step a diffusion equation share: stable time steps, and running inside a mask."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import SimpleITK as sitk

from ..errors import ParameterError
from ..geometry import Grid
from ..kernels.diffusion import Scales, scales
from ..progress import Progress
from .region import filter_inside
from .voxels import floating, halfway

Evolve = Callable[[np.ndarray, Scales, Progress], np.ndarray]
"""(voxels (k, j, i), scales, progress) -> voxels after all iterations."""

USUAL_BITS = 20
"""Values up to 2 to this power are taken as they are."""


def moving_spacing(grid: Grid) -> list[float]:
    """Spacing of the axes along which there is anything to differ: those of more than one voxel."""
    return [s for s, n in zip(grid.spacing, grid.size, strict=True) if n > 1] or [1.0]


def stable_step(name: str, asked: float | None, share: float, limit: float) -> float:
    """The time step in mm2: what was asked for, or `share` of the limit; `ParameterError` beyond the limit."""
    if asked is None:
        return share * limit
    if asked > limit * (1 + 1e-9):
        raise ParameterError(
            f"{name}: time_step_mm2 is {asked:g}; on this grid it is stable up to {limit:.4g}.",
            operation=name,
            field="time_step_mm2",
            value=asked,
            limit=limit,
        )
    return asked


def evolve_inside(
    image: sitk.Image,
    mask: sitk.Image | None,
    iterations: int,
    evolve: Evolve,
    progress: Progress,
    known: Sequence[float] | None = None,
) -> sitk.Image:
    """The image after the steps, computed on the box of the mask and as many voxels around it as there are steps.

    `known` is the middle of the range of the whole image, by component, where the image is only a part of it.
    """
    middles = None if known is None else iter(known)
    grid = Grid.of(image)
    spacing = (1.0,) * (3 - grid.dimension) + grid.spacing_kji

    def compute(part: sitk.Image, inside: np.ndarray | None, progress: Progress) -> np.ndarray:
        array = floating(part, progress)
        solid = array[None] if array.ndim == 2 else array
        # Differences are taken near zero, where float32 has its digits.
        middle = array.dtype.type(next(middles) if middles else halfway(part))
        solid -= middle
        # The equations are the same in all units, but powers of large values would leave the numbers.
        exponent = int(np.frexp(np.abs(solid).max())[1])
        unit = np.ldexp(array.dtype.type(1), exponent if abs(exponent) > USUAL_BITS else 0)
        solid /= unit
        found = evolve(solid, scales(spacing), progress)
        found *= unit
        found += middle
        return found.reshape(array.shape)

    return filter_inside(image, mask, (iterations,) * grid.dimension, compute, progress)
