"""The linear stages of a registration: coarse to fine, few degrees of freedom before many."""

from __future__ import annotations

from contextlib import nullcontext
from itertools import groupby
from typing import Any, NamedTuple

import SimpleITK as sitk

from ..blockwise import ONE_THREAD
from ..progress import Progress
from .local_stage import refine_locally
from .models import linear
from .optimise import Settings, method_for, optimise_level
from .pyramid import Level, Step, factors, shrunk
from .starts import Pose, centre
from .units import Masks, Scaled, in_units, unit_of


class Aligned(NamedTuple):
    """The transform, the metric at the end, and what each level is called."""

    transform: sitk.Transform
    metric: float
    names: tuple[str, ...]


def align(
    images: tuple[sitk.Image, sitk.Image],
    masks: Masks,
    start: Pose,
    steps: list[Step],
    settings: Settings,
    progress: Progress,
) -> Aligned:
    """Go through the steps of a plan, from a pose.

    Parameters
    ----------
    images
        Fixed and moving, float32.
    settings
        `settings.trace` gets (level, iteration, metric); levels count from 0 in the order of the steps.
    """
    fixed, moving = images
    steps = _different(steps, fixed, moving)
    unit = unit_of(fixed)
    names: list[str] = []
    metric = float("nan")
    for spacing, group in groupby(enumerate(steps), key=lambda pair: pair[1].level.spacing_mm):
        quiet = progress.part(len(names) / len(steps), len(names) / len(steps))
        small = shrunk(fixed, spacing, quiet), shrunk(moving, spacing, quiet)
        with in_units(*small, masks, unit) as scaled:
            for number, step in group:
                settings.level = number
                names.append(f"{step.model} {spacing:.3g} mm{'' if step.level.quasi_newton else ', steps'}")
                share = progress.part(number / len(steps), (number + 1) / len(steps))
                start, metric = optimise_level(
                    scaled, start, step.model, step.level, settings, share, f"Aligning, {step.model}"
                )
    model, matrix, offset = steps[-1].model, start.matrix, start.offset
    if settings.local:
        found = refine_locally(
            images, masks, (matrix, offset), model, steps[-1].level.spacing_mm, progress.part(1.0, 1.0)
        )
        (matrix, offset), number = found.linear, len(names)
        names.append(f"{model} {found.spacing_mm:.3g} mm, local correlation")
        settings.trace += [(number, iteration, value) for iteration, value in enumerate(found.measures, 1)]
        settings.level = number
    return Aligned(linear(model, matrix, offset, centre(fixed)), metric, tuple(names))


def _different(steps: list[Step], fixed: sitk.Image, moving: sitk.Image) -> list[Step]:
    """The steps without repeats: of those with one model and equal voxels the first two and the last two stay."""
    groups: dict[tuple[Any, ...], list[Step]] = {}
    for step in steps:
        spacing = step.level.spacing_mm
        voxels = (step.model, *factors(fixed, spacing), *factors(moving, spacing))
        groups.setdefault(voxels, []).append(step)
    return [
        step for group in groups.values() for number, step in enumerate(group) if number < 2 or number >= len(group) - 2
    ]


def metric_of(
    transform: sitk.Transform,
    images: tuple[sitk.Image, sitk.Image],
    masks: Masks,
    level: Level,
    settings: Settings,
    progress: Progress,
) -> float:
    """The metric as it is told, of any transform, with the samples of a level; NaN where too little overlaps."""
    fixed, moving = (shrunk(image, level.spacing_mm, progress) for image in images)
    own = sitk.TranslationTransform(fixed.GetDimension())
    method = method_for(Scaled(fixed, moving, masks, 1.0), own, level.samples, settings)
    method.SetMovingInitialTransform(transform)
    try:
        with ONE_THREAD if settings.reproducible else nullcontext():
            return settings.metric.told(method.MetricEvaluate(fixed, moving))
    except RuntimeError:
        return float("nan")
