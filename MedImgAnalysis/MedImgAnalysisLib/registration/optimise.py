"""One level of intensity-based registration: a SimpleITK registration method that reports and stops."""

from __future__ import annotations

import ctypes
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk

from ..blockwise import ONE_THREAD
from ..errors import InputError
from ..geometry import Grid
from ..progress import Progress, Watch
from . import metrics
from .lattice import lattice
from .metrics import Metric
from .models import linear
from .pyramid import Level
from .rigid import matrix_of
from .starts import Pose, centre
from .units import Scaled

SPARE = (None,) * (1_000_000 if sys.version_info < (3, 12) else 0)
"""SimpleITK 2.5 loses about one reference to None in each run of a registration. Before Python 3.12 the interpreter
aborts when the last one is gone, after some thousand runs or at its end; these are never gone."""
if SPARE:
    # Else they would be given back when the interpreter ends, which then aborts.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(SPARE))

OUTSIDE = "outside"
"""`reason` of the error when too many samples leave the moving image."""
APART = (
    "The images stopped overlapping while they were aligned. Check that both show the same region, start from "
    "landmarks or moments, or widen the masks."
)
SAMPLES_PER_VOXEL = 4
"""More say nothing new of a small image."""
LEAST_LEFT = 0.5
"""Part of the samples in the moving image that a leap must leave there."""
FUNCTION_PRECISION = 1e10
"""L-BFGS-B ends when an iteration improves the metric by less than this many machine epsilons (2e-6)."""
WINDOW = 8
"""Regular steps end when this many of them improve the metric by less than `SMALL_GAIN` together."""
SMALL_GAIN = 1e-5
SMALL_STEP_VOXELS = 2e-3
"""They also end when a step moves the corners of the fixed image by less than this part of a voxel of the level."""


_QUASI_NEWTON = threading.Lock()


@dataclass
class Settings:
    """What stays the same over the levels. `trace` collects (level, iteration, metric as it is told).

    `local` goes on with local correlation after the last level. `reproducible` sums the metric in one thread: ITK adds
    up in the order in which threads finish, so that two runs with several threads differ in the last digits.
    """

    metric: Metric = field(default_factory=lambda: metrics.find("automatic"))
    bins: int = 32
    samples: int = 100_000
    seed: int = 1
    reproducible: bool = True
    local: bool = False
    trace: list[tuple[int, int, float]] = field(default_factory=list)
    level: int = 0


class LevelResult(NamedTuple):
    """The pose that a level came to, in millimetres, and the metric there as it is told."""

    pose: Pose
    metric: float


def method_for(
    images: Scaled, transform: sitk.Transform, samples: int | None, settings: Settings
) -> sitk.ImageRegistrationMethod:
    """A registration method with metric, samples and masks, that changes `transform` in place."""
    fixed_mask, moving_mask = images.masks
    method = sitk.ImageRegistrationMethod()
    metrics.put(settings.metric, method, settings.bins)
    most = min(metrics.most_samples(settings.metric), SAMPLES_PER_VOXEL * images.fixed.GetNumberOfPixels())
    count = min(samples or settings.samples, settings.samples, most)
    points = lattice(images.fixed, fixed_mask, count, settings.seed)
    method.SetVirtualDomain(list(points.size), points.origin, points.spacing, points.direction)
    if fixed_mask is not None:
        method.SetMetricFixedMask(fixed_mask)
    if moving_mask is not None:
        method.SetMetricMovingMask(moving_mask)
    method.SetMetricUseFixedImageGradientFilter(False)
    method.SetMetricUseMovingImageGradientFilter(False)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetInitialTransform(transform, True)
    if settings.reproducible:
        method.SetNumberOfThreads(1)
    return method


def in_scaled(model: str, pose: Pose, images: Scaled) -> sitk.Transform:
    """The transform of a model for scaled images, about the centre of the fixed one."""
    return linear(model, pose.matrix, pose.offset / images.unit_mm, centre(images.fixed))


def optimise_level(
    images: Scaled,
    pose: Pose,
    model: str,
    level: Level,
    settings: Settings,
    progress: Progress,
    message: str = "Aligning",
) -> LevelResult:
    """A better pose of a linear model: a lattice of samples, and L-BFGS-B or regular steps.

    A leap of L-BFGS-B to where less than half of the samples meet the moving image is taken back, and regular steps
    are taken instead.
    """
    transform = in_scaled(model, pose, images)
    start = transform.GetParameters()
    try:
        metric = _run(images, transform, level, settings, progress, message)
    except InputError as error:
        if not (level.quasi_newton and error.data.get("reason") == OUTSIDE):
            raise
        transform.SetParameters(start)
        regular = level._replace(quasi_newton=False)
        metric = _run(images, transform, regular, settings, progress.part(1.0, 1.0), message)
    matrix, offset = matrix_of(transform)
    return LevelResult(Pose(pose.name, matrix, offset * images.unit_mm), metric)


def _run(
    images: Scaled, transform: sitk.Transform, level: Level, settings: Settings, progress: Progress, message: str
) -> float:
    method = method_for(images, transform, level.samples, settings)
    spacing = level.spacing_mm / images.unit_mm
    if level.quasi_newton:
        method.SetOptimizerAsLBFGSB(1e-6, level.iterations, 6, 200, FUNCTION_PRECISION)
    else:
        method.SetOptimizerAsRegularStepGradientDescent(
            1.0, 1e-12, level.iterations, 0.8, 1e-12, method.Once, level.step_voxels * spacing
        )
        method.SetOptimizerScalesFromJacobian()
    done = _Done(images.fixed, transform, spacing)
    valid: list[int] = []
    told: list[float] = []

    def on_iteration() -> None:
        valid.append(method.GetMetricNumberOfValidPoints())
        told.append(settings.metric.told(method.GetMetricValue()))
        iteration = len(told)
        settings.trace.append((settings.level, iteration, told[-1]))
        # Raises when the user asked to stop: registration methods ignore Abort.
        progress.report(
            min(iteration / level.iterations, 1.0),
            f"{message}: {level.spacing_mm:.3g} mm, iteration {iteration}, metric {told[-1]:.4f}",
        )
        if not level.quasi_newton and done.now(method):
            method.StopRegistration()

    watch = Watch(on_iteration)
    method.AddCommand(sitk.sitkIterationEvent, watch)
    progress.check()
    try:
        with (
            _alone(progress) if level.quasi_newton else nullcontext(),
            ONE_THREAD if settings.reproducible else nullcontext(),
        ):
            method.Execute(images.fixed, images.moving)
    except RuntimeError as error:
        watch.check()
        raise explained(error) from error
    finally:
        method.RemoveAllCommands()
    progress.check()
    if level.quasi_newton and valid and method.GetMetricNumberOfValidPoints() < LEAST_LEFT * valid[0]:
        raise InputError(APART, reason=OUTSIDE)
    return settings.metric.told(method.GetMetricValue())


@contextmanager
def _alone(progress: Progress) -> Iterator[None]:
    """L-BFGS-B keeps its state in static variables: two at once in a process spoil each other's results."""
    while not _QUASI_NEWTON.acquire(timeout=0.1):
        progress.check()
    try:
        yield
    finally:
        _QUASI_NEWTON.release()


class _Done:
    """Whether regular steps still improve anything: by the metric over a window, and by how far they move."""

    def __init__(self, fixed: sitk.Image, transform: sitk.Transform, spacing: float) -> None:
        self._corners = Grid.of(fixed).corners.tolist()
        self._transform = sitk.Transform(transform)
        self._small = SMALL_STEP_VOXELS * spacing
        self._last: np.ndarray | None = None
        self._values: deque[float] = deque(maxlen=WINDOW + 1)

    def now(self, method: sitk.ImageRegistrationMethod) -> bool:
        self._transform.SetParameters(method.GetOptimizerPosition())
        here = np.array([self._transform.TransformPoint(corner) for corner in self._corners])
        moved = np.inf if self._last is None else float(np.linalg.norm(here - self._last, axis=1).max())
        self._last = here
        self._values.append(method.GetMetricValue())
        if moved < self._small:
            return True
        values = list(self._values)
        gain = values[0] - min(values[1:], default=-np.inf)
        return len(values) > WINDOW and gain < SMALL_GAIN * abs(values[0]) and moved < 25 * self._small


def explained(error: RuntimeError) -> InputError:
    """Advice for what ITK reports when a registration cannot go on."""
    text = str(error)
    if "samples map outside" in text or "no valid points" in text.lower() or "All samples" in text:
        return InputError(APART, reason=OUTSIDE)
    return InputError(f"The registration could not go on: {text.strip().splitlines()[-1]}")
