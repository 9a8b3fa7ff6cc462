"""One level of intensity-based registration: a SimpleITK registration method that reports and stops."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field

import numpy as np
import SimpleITK as sitk

from ..blockwise import ONE_THREAD
from ..errors import InputError
from ..geometry import Grid
from ..progress import Progress
from .pyramid import Level

OUTSIDE = "outside"
"""`reason` of the error when too many samples leave the moving image."""
AT_REST_MM = 0.2
"""A pass that moves no corner of the fixed image by this much has nothing left to do at its level."""


@dataclass
class Settings:
    """What stays the same over the levels. `trace` collects (level, iteration, metric).

    `reproducible` sums the metric in one thread: ITK adds up in the order in which threads finish, so
    that two runs with several threads differ in the last digits.
    """

    bins: int = 32
    seed: int = 1
    reproducible: bool = True
    trace: list[tuple[int, int, float]] = field(default_factory=list)
    level: int = 0


def optimise_level(
    fixed: sitk.Image,
    moving: sitk.Image,
    transform: sitk.Transform,
    level: Level,
    settings: Settings,
    progress: Progress,
    *,
    fixed_mask: sitk.Image | None = None,
    moving_mask: sitk.Image | None = None,
    step_mm: float = 1.0,
    message: str = "Aligning",
) -> float:
    """Improve `transform` (changed in place); returns the Mattes mutual information in nats.

    Regular samples, learning rate estimated once, scales from the Jacobian. Where one direction is much
    flatter than the others (the turn of a nearly round head) the steps shrink before they are there, so
    the level is done again until the transform rests, `Level.repeats` times at the most.
    """
    corners = Grid.of(fixed).corners
    metric = 0.0
    for turn in range(level.repeats):
        before = _moved(transform, corners)
        share = progress.part(turn / level.repeats, (turn + 1) / level.repeats)
        metric = _once(fixed, moving, transform, level, settings, share, (fixed_mask, moving_mask), step_mm, message)
        if np.linalg.norm(_moved(transform, corners) - before, axis=1).max() < AT_REST_MM:
            break
    return metric


def _moved(transform: sitk.Transform, points: np.ndarray) -> np.ndarray:
    return np.array([transform.TransformPoint(point) for point in points.tolist()])


def _once(
    fixed: sitk.Image,
    moving: sitk.Image,
    transform: sitk.Transform,
    level: Level,
    settings: Settings,
    progress: Progress,
    masks: tuple[sitk.Image | None, sitk.Image | None],
    step_mm: float,
    message: str,
) -> float:
    """One pass. A line search that leaps out of the image (small images) is taken back and done with regular steps."""
    start = transform.GetParameters()
    try:
        return _run(fixed, moving, transform, level, settings, progress, masks, step_mm, message)
    except InputError as error:
        if not (level.line_search and error.data.get("reason") == OUTSIDE):
            raise
    transform.SetParameters(start)
    regular = level._replace(line_search=False)
    return _run(fixed, moving, transform, regular, settings, progress, masks, step_mm, message)


def _run(
    fixed: sitk.Image,
    moving: sitk.Image,
    transform: sitk.Transform,
    level: Level,
    settings: Settings,
    progress: Progress,
    masks: tuple[sitk.Image | None, sitk.Image | None],
    step_mm: float,
    message: str,
) -> float:
    fixed_mask, moving_mask = masks
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(settings.bins)
    voxels = fixed.GetNumberOfPixels()
    if level.samples is not None and level.samples < voxels:
        method.SetMetricSamplingStrategy(method.REGULAR)
        method.SetMetricSamplingPercentage(level.samples / voxels, settings.seed)
    if fixed_mask is not None:
        method.SetMetricFixedMask(fixed_mask)
    if moving_mask is not None:
        method.SetMetricMovingMask(moving_mask)
    method.SetMetricUseFixedImageGradientFilter(False)
    method.SetMetricUseMovingImageGradientFilter(False)
    method.SetInterpolator(sitk.sitkLinear)
    if level.line_search:
        method.SetOptimizerAsConjugateGradientLineSearch(
            step_mm, level.iterations, 1e-6, 6, 0.0, 5.0, 0.05, 10, method.Once
        )
    else:
        method.SetOptimizerAsRegularStepGradientDescent(
            step_mm, level.minimum_step_mm, level.iterations, 0.8, 1e-4, method.Once
        )
    method.SetOptimizerScalesFromJacobian()
    method.SetInitialTransform(transform, True)

    def on_iteration() -> None:
        iteration = method.GetOptimizerIteration()
        settings.trace.append((settings.level, iteration, -method.GetMetricValue()))
        if progress.cancelled:
            method.StopRegistration()
        else:
            progress.report(
                iteration / level.iterations,
                f"{message}: {level.spacing_mm:g} mm, iteration {iteration}, metric {-method.GetMetricValue():.4f}",
            )

    method.AddCommand(sitk.sitkIterationEvent, on_iteration)
    progress.check()
    try:
        with ONE_THREAD if settings.reproducible else nullcontext():
            method.Execute(fixed, moving)
    except RuntimeError as error:
        progress.check()
        raise explained(error) from error
    finally:
        method.RemoveAllCommands()
    progress.check()
    return float(-method.GetMetricValue())


def explained(error: RuntimeError) -> InputError:
    """Advice for what ITK reports when a registration cannot go on."""
    text = str(error)
    if "samples map outside" in text or "no valid points" in text.lower() or "All samples" in text:
        return InputError(
            "The images stopped overlapping while they were aligned. Check that both show the same region, start "
            "from landmarks or moments, or widen the masks.",
            reason=OUTSIDE,
        )
    return InputError(f"The registration could not go on: {text.strip().splitlines()[-1]}")
