"""Images at the resolutions at which registration works."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import SimpleITK as sitk

from ..geometry import Grid
from ..progress import SILENT, Progress, run_filter
from .models import STAGES

SMALLEST = 4
USUAL_EXTENT_MM = 128.0
"""Smaller images (small animals, single joints) are aligned at resolutions that are finer in proportion."""


class Level(NamedTuple):
    """One resolution and how the optimiser runs there.

    `spacing_mm` is what the voxels are averaged to, `samples` the number of fixed voxels that the metric looks at
    (None: as many as allowed). `quasi_newton` takes L-BFGS-B, which in the narrow valleys of nearly round objects,
    such as heads, comes near in some ten iterations; the ripples that interpolation leaves in the metric can hold it
    up, so regular steps come after it. `step_voxels` is how far the first of these may move a point.
    """

    spacing_mm: float
    samples: int | None
    iterations: int
    step_voxels: float = 0.5
    quasi_newton: bool = True


START_LEVEL = Level(8.0, 12_000, 40)
COARSE = (Level(8.0, 20_000, 60),)
MIDDLE = (Level(4.0, 20_000, 40),)
SETTLED = (Level(4.0, 20_000, 25, quasi_newton=False),)
FINE = (Level(2.0, 40_000, 30), Level(1.0, None, 30))
LAST = Level(1.0, None, 25, quasi_newton=False)


class Step(NamedTuple):
    """A level and the linear model that is aligned there."""

    model: str
    level: Level


def plan(model: str, started: bool, finest_mm: float, scale: float) -> list[Step]:
    """What is aligned one after the other: coarse to fine, and few degrees of freedom before many.

    Parameters
    ----------
    model
        Any model; a deformable one gets the linear stages that come before it.
    started
        The start was found by a search at the coarsest level, which is left out then.
    finest_mm
        Resolution of the last level for images of the usual size.
    scale
        From `scale_of`: the levels of small images are finer.
    """
    first, last = STAGES[model][0], STAGES[model][-1]
    steps = [Step(first, level) for level in (*(() if started else COARSE), *MIDDLE)]
    if last != first:
        steps += [Step(last, level) for level in MIDDLE]
    steps += [Step(last, level) for level in SETTLED]
    steps += [Step(last, level) for level in FINE]
    kept = [step for step in steps if step.level.spacing_mm >= finest_mm] or [Step(last, COARSE[0])]
    kept.append(Step(last, LAST._replace(spacing_mm=kept[-1].level.spacing_mm, samples=kept[-1].level.samples)))
    return [Step(m, level._replace(spacing_mm=level.spacing_mm * scale)) for m, level in kept]


def scale_of(fixed: sitk.Image, moving: sitk.Image) -> float:
    """1, or the mean side of the smaller image as part of the usual extent when that is less."""
    sides = [np.multiply(image.GetSize(), image.GetSpacing()) for image in (fixed, moving)]
    return float(min(1.0, *(np.exp(np.log(side).mean()) / USUAL_EXTENT_MM for side in sides)))


def factors(image: sitk.Image, spacing_mm: float) -> list[int]:
    """How many voxels are averaged along (i, j, k) to come to about `spacing_mm`; at least four stay per axis."""
    return [max(1, min(round(spacing_mm / s), n // SMALLEST)) for s, n in zip(image.GetSpacing(), image.GetSize())]


def shrunk(image: sitk.Image, spacing_mm: float, progress: Progress = SILENT) -> sitk.Image:
    """`image` averaged over blocks of voxels to about `spacing_mm`."""
    blocks = factors(image, spacing_mm)
    if max(blocks) == 1:
        return image
    shrink = sitk.BinShrinkImageFilter()
    shrink.SetShrinkFactors(blocks)
    made: sitk.Image = run_filter(shrink, image, progress=progress, message="Averaging")
    return made


def small_mask(mask: sitk.Image | None, image: sitk.Image) -> sitk.Image | None:
    """The mask on the grid of a shrunk image; None when a thin one vanished there."""
    if mask is None:
        return None
    grid = Grid.of(image)
    small = sitk.Resample(
        mask,
        list(grid.size),
        sitk.Transform(grid.dimension, sitk.sitkIdentity),
        sitk.sitkNearestNeighbor,
        grid.origin,
        grid.spacing,
        grid.direction,
    )
    return small if sitk.GetArrayViewFromImage(small).any() else None
