"""One level of intensity-based registration: a SimpleITK registration method that reports and stops."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field

import SimpleITK as sitk

from ..blockwise import ONE_THREAD
from ..errors import InputError
from ..progress import Progress, Watch
from .pyramid import Level

OUTSIDE = "outside"
"""`reason` of the error when too many samples leave the moving image."""
FUNCTION_PRECISION = 1e10
"""L-BFGS-B ends when an iteration improves the metric by less than this many machine epsilons (2e-6)."""


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

    Regular samples; regular steps with a learning rate estimated once and scales from the Jacobian, or
    L-BFGS-B. A leap out of the image (small images) is taken back, and regular steps are taken instead.
    """
    masks = (fixed_mask, moving_mask)
    start = transform.GetParameters()
    try:
        return _run(fixed, moving, transform, level, settings, progress, masks, step_mm, message)
    except InputError as error:
        if not (level.quasi_newton and error.data.get("reason") == OUTSIDE):
            raise
    transform.SetParameters(start)
    regular = level._replace(quasi_newton=False, minimum_step_mm=level.spacing_mm / 400)
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
    if level.quasi_newton:
        method.SetOptimizerAsLBFGSB(1e-6, level.iterations, 6, 200, FUNCTION_PRECISION)
    else:
        method.SetOptimizerAsRegularStepGradientDescent(
            step_mm, level.minimum_step_mm, level.iterations, 0.8, 1e-4, method.Once
        )
        method.SetOptimizerScalesFromJacobian()
    method.SetInitialTransform(transform, True)

    def on_iteration() -> None:
        iteration = method.GetOptimizerIteration()
        settings.trace.append((settings.level, iteration, -method.GetMetricValue()))
        # Raises when the user asked to stop: registration methods ignore Abort.
        progress.report(
            iteration / level.iterations,
            f"{message}: {level.spacing_mm:g} mm, iteration {iteration}, metric {-method.GetMetricValue():.4f}",
        )

    watch = Watch(on_iteration)
    method.AddCommand(sitk.sitkIterationEvent, watch)
    progress.check()
    try:
        with ONE_THREAD if settings.reproducible else nullcontext():
            method.Execute(fixed, moving)
    except RuntimeError as error:
        watch.check()
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
