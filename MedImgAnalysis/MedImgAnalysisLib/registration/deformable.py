"""The deformable stage of a registration: a smooth invertible field ahead of a linear transform."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..geometry import Grid
from ..progress import Progress
from .field_result import Linear, field_transform, smooth_around, spline_transform
from .flow_level import FlowLevel, Force
from .jacobian import folded
from .pyramid import SMALLEST
from .relation import FLOOR
from .rigid import matrix_of
from .source import Source
from .stiffness import Stiffness
from .units import Masks

Trace = list[tuple[int, int, float]]

BENDING, STRETCHING = 0.5, 0.05
"""Stiffness of the field between neighbouring nodes, relative to the mean certainty that the images give a node."""
LOCAL_VOXELS = 2.0
STILL = 0.005
"""A level ends when a step moves nodes by less than this part of its voxel size (RMS)."""
ACROSS = 64
"""Voxels that the last level has along the longest side at the least, where the image has as many."""
ROUNDS = 20
MENDS = 12


@dataclass(frozen=True)
class DeformableSettings:
    """What the deformable stage does.

    Attributes
    ----------
    model
        `demons` gives a displacement on every second fixed voxel along each axis, `bspline` a cubic B-spline.
    similarity
        `local_correlation` where intensities are related within a few voxels, whatever the sign (CT and CT, MR of any
        contrast); `mean_squares` for equal intensities; `mutual_information` for any relation that holds throughout.
    folding
        False composes small steps and mends what still folds; True adds them up, which is faster and may fold.
    finest_mm
        Voxel size of the last level, at the least the smallest spacing of the fixed image; finer where this would leave
        fewer than 64 voxels.
    smoothing_mm
        SD of the window in which a displacement is found, at the last level; 0 takes four voxels. Wider is smoother
        and less disturbed by noise.
    stiffness
        Factor of the resistance of the field to bending and stretching.
    levels
        Largest number of resolutions, each half as fine as the next.
    iterations
        Largest number of steps per level, from the finest one backwards; the last one for all coarser ones.
    grid_mm
        Distance of the control points of a B-spline.
    """

    model: Literal["bspline", "demons"] = "demons"
    similarity: Literal["local_correlation", "mean_squares", "mutual_information"] = "local_correlation"
    folding: bool = False
    finest_mm: float = 1.0
    smoothing_mm: float = 0.0
    stiffness: float = 1.0
    levels: int = 4
    iterations: tuple[int, ...] = (5, 8, 12, 12)
    grid_mm: float = 10.0


class Deformed(NamedTuple):
    """`transform` maps points of the fixed to the moving image in LPS millimetres, the linear part included.

    It is one displacement field or B-spline, defined all over the fixed grid. `trace` has (level, iteration,
    similarity) with level 0 the coarsest; `folded_percent` is the part of the fixed voxels where the determinant of the
    Jacobian is not positive.
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
    """Deform the moving image onto the fixed one, beginning at a linear transform (fixed to moving, LPS).

    Gauss-Newton steps from coarse to fine (`flow_level`), invertible by composition; the Jacobian of the result is
    looked at, and where it folds nevertheless the field is smoothed there, with a warning.

    Parameters
    ----------
    fixed, moving
        Images of one dimension (2 or 3) with finite values.
    linear
        Where the linear stages ended: any SimpleITK transform that is linear.
    fixed_mask, moving_mask
        Non-zero where differences count; the field goes on smoothly beyond.

    Raises
    ------
    InputError
        Values that are not finite, a transform that is not linear, or masks that leave nothing.
    """
    for role, image in (("fixed", fixed), ("moving", moving)):
        if not np.isfinite(sitk.GetArrayViewFromImage(image).sum(dtype=np.float64)):
            raise InputError(f"The {role} image has values that are not finite.", role=role)
    return refine(Source((fixed, moving)), linear, settings, progress, (fixed_mask, moving_mask))


def refine(
    source: Source, linear: sitk.Transform, settings: DeformableSettings, progress: Progress, masks: Masks
) -> Deformed:
    """`refine_deformable` of images that are made when they are needed, and not held when they are not."""
    if not linear.IsLinear():
        raise InputError("The deformable stage begins at a linear transform; this one is not.")
    way = matrix_of(linear)
    level, trace = _levels(source, way, settings, masks, progress.part(0.0, 0.85))
    return _finished(level, source.grid, way, settings, trace, progress.part(0.85, 1.0))


def level_spacings(fixed: Grid, settings: DeformableSettings) -> list[float]:
    """Voxel sizes of the levels in mm, coarse to fine; small images have fewer levels."""
    longest = max(n * s for n, s in zip(fixed.size, fixed.spacing, strict=True))
    spacings = [max(min(settings.finest_mm, longest / ACROSS), min(fixed.spacing))]
    while len(spacings) < settings.levels and longest / (2 * spacings[0]) >= 2 * SMALLEST:
        spacings.insert(0, 2 * spacings[0])
    return spacings


def _levels(
    source: Source,
    linear: Linear,
    settings: DeformableSettings,
    masks: Masks,
    progress: Progress,
) -> tuple[FlowLevel, Trace]:
    trace: Trace = []
    spacings = level_spacings(source.grid, settings)
    force = _force(source, settings, spacings[-1])
    level: FlowLevel | None = None
    begin = 0.0
    for number, spacing in enumerate(spacings):
        # Each level has eight times the voxels of the one before.
        end = 1.0 if number == len(spacings) - 1 else 0.5 * (begin + 0.5)
        share = progress.part(begin, end)
        begin = end
        images = source.at(spacing)
        small = tuple(
            _mask(mask, image, role) for mask, image, role in zip(masks, images, ("fixed", "moving"), strict=True)
        )
        before, level = level, FlowLevel(images, linear, spacing, force, (small[0], small[1]), share)
        del images
        if before is not None:
            level.start_from(before)
            del before
        backwards = len(spacings) - 1 - number
        steps = settings.iterations[min(backwards, len(settings.iterations) - 1)]
        for iteration in range(steps):
            measure, moved = level.step()
            trace.append((number, iteration + 1, measure))
            text = f"Deforming: {spacing:.3g} mm, iteration {iteration + 1}, metric {measure:.4f}"
            share.report((iteration + 1) / steps, text)
            if moved < STILL * spacing:
                break
    assert level is not None
    return level, trace


def _force(source: Source, settings: DeformableSettings, finest: float) -> Force:
    ranges = source.ranges()
    floors = tuple(FLOOR * (high - low) for low, high in ranges)
    window = settings.smoothing_mm / finest if settings.smoothing_mm > 0 else 4.0
    stiffness = Stiffness(BENDING * settings.stiffness, STRETCHING * settings.stiffness)
    return Force(
        settings.similarity,
        window,
        LOCAL_VOXELS,
        stiffness,
        ROUNDS,
        (floors[0], floors[1]),
        ranges,
        composed=not settings.folding,
    )


def _mask(mask: sitk.Image | None, image: sitk.Image, role: str) -> np.ndarray | None:
    if mask is None:
        return None
    small = sitk.Resample(mask, image, sitk.Transform(mask.GetDimension(), sitk.sitkIdentity), sitk.sitkNearestNeighbor)
    array = sitk.GetArrayFromImage(small) != 0
    if not array.any():
        if not sitk.GetArrayViewFromImage(mask).any():
            raise InputError(f"The mask of the {role} image is empty.", role=f"{role}_mask")
        return None
    return array


def _finished(
    level: FlowLevel, grid: Grid, linear: Linear, settings: DeformableSettings, trace: Trace, progress: Progress
) -> Deformed:
    """The transform, checked; where it folds the field is smoothed, ever wider, until it does not."""
    level.release()
    mended = 0
    for attempt in range(MENDS + 1):
        share = progress.part(attempt / (MENDS + 1), (attempt + 1) / (MENDS + 1))
        if settings.model == "bspline":
            transform = spline_transform(level, grid, linear, settings.grid_mm)
        else:
            transform = field_transform(level, grid, linear, share)
        # The outermost voxels, of which only one-sided differences are known, count too.
        bad = folded(transform, grid, share)
        count = int(np.count_nonzero(bad))
        if count == 0 or settings.folding or attempt == MENDS:
            break
        mended = max(mended, count)
        smooth_around(level, bad, grid, 0.8 * 1.3**attempt)
    progress.report(1.0, "Jacobian")
    percent = 100 * count / bad.size
    if percent:
        progress.warn(f"The deformation folds at {percent:.2g} % of the voxels; look at its Jacobian before using it.")
    elif mended:
        progress.warn(f"The deformation was smoothed around {mended} voxels at which it would have folded.")
    return Deformed(transform, trace, percent)
