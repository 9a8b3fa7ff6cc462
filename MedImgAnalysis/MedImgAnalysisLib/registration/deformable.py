"""The deformable stage of a registration: a smooth field on top of a linear transform."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..geometry import Grid, image_like
from ..progress import Progress
from .flow_level import FlowLevel, Force
from .jacobian import jacobian_determinant
from .pyramid import SMALLEST, shrunk
from .rigid import matrix_of

Trace = list[tuple[int, int, float]]


@dataclass(frozen=True)
class DeformableSettings:
    """What the deformable stage does.

    Attributes
    ----------
    model
        `demons` gives a displacement field on the fixed grid, `bspline` a cubic B-spline.
    similarity
        `local_correlation` for images whose intensities are related locally, whatever the sign (CT-CT, MR-MR, T1-T2);
        `mean_squares` for equal intensities; `mutual_information` for any relation, B-spline only.
    folding
        False keeps the result invertible. True takes larger steps with less smoothing, which may fold.
    finest_mm
        Voxel size of the last level; 0 takes the smallest spacing of the fixed image.
    levels
        Largest number of resolutions, each twice as fine as the one before.
    window_voxels, smoothing_voxels
        SD of the window in which a step is found, and of the smoothing of the field after each step, in voxels of the
        level.
    iterations
        Largest number of steps per level, from the finest one backwards.
    grid_mm
        Distance of the control points of the B-spline.
    """

    model: Literal["bspline", "demons"] = "demons"
    similarity: Literal["local_correlation", "mean_squares", "mutual_information"] = "local_correlation"
    folding: bool = False
    finest_mm: float = 0.0
    levels: int = 3
    window_voxels: float = 3.0
    smoothing_voxels: float = 1.5
    iterations: tuple[int, ...] = (5, 8, 12, 12)
    grid_mm: float = 10.0


class Deformed(NamedTuple):
    """Result: `transform` maps points of the fixed to the moving image in LPS millimetres, the linear part included.

    `trace` has (level, iteration, metric), level 0 the coarsest; `folded_percent` is the part of the fixed voxels at
    which the determinant of the Jacobian is not positive.
    """

    transform: sitk.Transform
    trace: Trace
    folded_percent: float


def refine_deformable(
    fixed: sitk.Image,
    moving: sitk.Image,
    linear: sitk.Transform,
    settings: DeformableSettings,
    progress: Progress,
    fixed_mask: sitk.Image | None = None,
    moving_mask: sitk.Image | None = None,
) -> Deformed:
    """Deform the moving image onto the fixed one, starting from a linear transform (fixed to moving, LPS).

    Parameters
    ----------
    fixed, moving
        Float images of one dimension (2 or 3) with finite values.
    linear
        Where the linear stages ended; any linear SimpleITK transform.
    fixed_mask, moving_mask
        Non-zero where differences count; the field goes on smoothly beyond. Each on the grid of its image.
    """
    if not linear.IsLinear():
        raise InputError("The deformable stage starts from a linear transform; this one is not.")
    trace: Trace = []
    matrix, offset = matrix_of(linear)
    spacings = level_spacings(fixed, settings)
    before: FlowLevel | None = None
    for number, spacing in enumerate(spacings):
        share = progress.part(0.9 * number / len(spacings), 0.9 * (number + 1) / len(spacings))
        small_fixed, small_moving = shrunk(fixed, spacing), shrunk(moving, spacing)
        masks = (_on(fixed_mask, small_fixed), _on(moving_mask, small_moving))
        level = FlowLevel(
            small_fixed, small_moving, (matrix, offset), spacing, _force(settings, fixed, moving), masks, share
        )
        if before is not None:
            level.start_from(before)
        steps = settings.iterations[min(len(spacings) - 1 - number, len(settings.iterations) - 1)]
        for iteration in range(steps):
            measure, moved = level.step()
            trace.append((number, iteration, measure))
            share.report(
                (iteration + 1) / steps, f"Deforming: {spacing:.3g} mm, iteration {iteration + 1}, metric {measure:.4f}"
            )
            if moved < 0.01 * spacing:
                break
        before = level
    assert before is not None
    transform = _field_transform(before, Grid.of(fixed), matrix, offset)
    found = jacobian_determinant(transform, Grid.of(fixed), progress.part(0.9, 1.0))
    values = found.values if found.valid is None else found.values[found.valid]
    folded = 100 * float(np.mean(values <= 0)) if values.size else 0.0
    if folded > 0:
        progress.warn(f"The deformation folds at {folded:.2g} % of the voxels.")
    return Deformed(transform, trace, folded)


def level_spacings(fixed: sitk.Image, settings: DeformableSettings) -> list[float]:
    """Voxel sizes of the levels in mm, coarse to fine."""
    finest = max(settings.finest_mm, min(fixed.GetSpacing()))
    longest = max(n * s for n, s in zip(fixed.GetSize(), fixed.GetSpacing()))
    spacings = [finest]
    while len(spacings) < settings.levels and longest / (2 * spacings[0]) >= 2 * SMALLEST:
        spacings.insert(0, 2 * spacings[0])
    return spacings


def _force(settings: DeformableSettings, fixed: sitk.Image, moving: sitk.Image) -> Force:
    floors = (noise_floor(fixed), noise_floor(moving))
    return Force(
        settings.similarity == "local_correlation", settings.window_voxels, settings.smoothing_voxels, 2.0, floors
    )


def noise_floor(image: sitk.Image) -> float:
    """Texture below this SD counts little: a twentieth of the range from the 1st to the 99th percentile."""
    low, high = np.percentile(sitk.GetArrayViewFromImage(image), [1, 99])
    return max(0.05 * float(high - low), 1e-6)


def _on(mask: sitk.Image | None, image: sitk.Image) -> sitk.Image | None:
    return None if mask is None else sitk.Resample(mask, image, sitk.Transform(), sitk.sitkNearestNeighbor)


def _field_transform(level: FlowLevel, grid: Grid, matrix: np.ndarray, offset: np.ndarray) -> sitk.Transform:
    """T(x) - x on every voxel centre of the fixed grid, with the linear part."""
    along = level.at(grid)
    turn = np.reshape(grid.direction, (grid.dimension,) * 2)
    index = np.meshgrid(*[np.arange(n) for n in grid.size[::-1]], indexing="ij", sparse=True)
    field = np.empty((*grid.size[::-1], grid.dimension))
    to_lps = matrix @ turn
    from_index = (matrix - np.eye(grid.dimension)) @ grid.axes
    begin = (matrix - np.eye(grid.dimension)) @ np.array(grid.origin) + offset
    for row in range(grid.dimension):
        part = field[..., row]
        part[...] = begin[row]
        for axis in range(grid.dimension):
            part += from_index[row, axis] * index[grid.dimension - 1 - axis]
            part += to_lps[row, axis] * along[grid.dimension - 1 - axis]
    return sitk.DisplacementFieldTransform(image_like(field, grid))
