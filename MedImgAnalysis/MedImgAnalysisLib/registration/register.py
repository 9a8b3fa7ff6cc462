"""Align a moving image with a fixed one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple

import numpy as np
import SimpleITK as sitk

from ..geometry import Grid
from ..operation import Operation
from ..parameters import Choice, Quantity
from ..progress import SILENT, Progress
from ..resampling import on_grid, resample
from ..values import Curves, Image, Landmarks, Mask, Measurements, Transform
from . import metrics, outcome
from .checks import check_mask, check_pair, prepared
from .linear_stages import align, metric_at
from .models import LINEAR, STAGES
from .multistart import Found, best_start
from .optimise import Settings
from .presets import PRESETS
from .pyramid import MIDDLE, plan, scale_of, shrunk, small_mask
from .starts import SIMPLE, Hints, Pose, by_transform, centre, pose, told_simplified, told_unused
from .units import Masks


class Registered(NamedTuple):
    transform: Transform
    image: Image
    table: Measurements
    curves: Curves


@dataclass(frozen=True)
class Register(Operation):
    """Align a moving image with a fixed image.

    Translation, rigid, similarity or affine, for images of the same or of different kinds. Coarse to fine: voxels are
    averaged to 8, 4, 2 and 1 mm (finer for images smaller than 128 mm) and the optimiser looks at a fixed number of
    regular samples per level; few degrees of freedom come before many. With `start` multi_start a grid of rotations
    up to 40 degrees about the centres is rated first, so that images far apart still align.
    The transform maps points of the fixed image to the moving image in LPS millimetres.

    Metrics: Mattes mutual information (2003), squared correlation, mean squares, squared local correlation (Avants
    2008). A high value does not prove a right registration; `evaluate_registration` judges one by what is known.

    Inputs
    ------
    fixed
        Image that stays where it is.
    moving
        Image that is aligned.
    fixed_mask
        Part of the fixed image to look at.
    moving_mask
        Part of the moving image to look at.
    initial
        Linear transform to begin with, fixed to moving points: for the start given, and tried by multi_start.
    fixed_landmarks
        Points in the fixed image: for the start landmarks, and tried by multi_start.
    moving_landmarks
        The same points in the moving image, paired by name.

    Outputs
    -------
    transform
        Fixed to moving points, LPS millimetres.
    image
        The moving image on the grid of the fixed one.
    table
        The transform in numbers, the metric, the overlap.
    curves
        Metric over iterations, one series a level.

    Parameters
    ----------
    model
        Kind of transform.
    metric
        What tells how alike the images are: automatic is mutual information; correlation and mean_squares for
        images of one kind, mean_squares with equal scales of values.
    start
        Where to begin: multi_start tries rotations, moments aligns centres of mass, geometry the middles of the
        images, landmarks takes the rigid fit of points, given the initial transform, none the positions as they are.
    finest_mm
        Resolution of the last level.
    samples
        Most voxels that the metric looks at per level.
    bins
        Histogram bins of the metric per image.
    seed
        Seed of the samples.
    interpolation
        How the moving image is resampled.
    reproducible
        Add up the metric in one thread, so that a repeated run gives the same bits. Off is up to twice as
        fast and changes the result by less than a thousandth of a voxel.
    """

    name: ClassVar[str] = "register"
    title: ClassVar[str] = "Register images"
    group: ClassVar[str] = "Align"
    revision: ClassVar[int] = 2
    memory_factor: ClassVar[float] = 3.0
    tolerance: ClassVar[float] = 1e-3
    keeps: ClassVar = {"image": "moving"}
    presets: ClassVar = PRESETS

    model: Annotated[str, Choice(*LINEAR)] = "rigid"
    metric: Annotated[str, Choice(*metrics.CHOICES)] = "automatic"
    start: Annotated[str, Choice("multi_start", *SIMPLE)] = "multi_start"
    finest_mm: Annotated[float, Quantity("mm", low=0.2, high=8.0)] = 1.0
    samples: Annotated[int, Quantity("", low=1000, high=10_000_000)] = 100_000
    bins: Annotated[int, Quantity("", low=8, high=128)] = 32
    seed: Annotated[int, Quantity("", low=1, high=2**31 - 1)] = 1
    interpolation: Annotated[str, Choice("linear", "nearest", "bspline")] = "linear"
    reproducible: bool = True

    @property
    def exact(self) -> bool:
        return self.reproducible

    def run(
        self,
        fixed: Image,
        moving: Image,
        fixed_mask: Mask | None = None,
        moving_mask: Mask | None = None,
        initial: Transform | None = None,
        fixed_landmarks: Landmarks | None = None,
        moving_landmarks: Landmarks | None = None,
        *,
        progress: Progress = SILENT,
    ) -> Registered:
        check_pair(fixed, moving, progress)
        masks = _on_their_image(fixed_mask, fixed, "fixed"), _on_their_image(moving_mask, moving, "moving")
        hints = Hints(initial, fixed_landmarks, moving_landmarks)
        metric = metrics.find(self.metric)
        settings = Settings(metric, self.bins, self.samples, self.seed, self.reproducible)
        progress.report(0.0, "Preparing")
        images = prepared(fixed, masks[0], "fixed", progress), prepared(moving, masks[1], "moving", progress)
        scale = scale_of(fixed, moving)
        begin = self._start(images, masks, hints, scale, settings, progress.part(0.0, 0.3))
        told_simplified(STAGES[self.model][-1], begin.best, progress)
        steps = plan(self.model, self.start == "multi_start", self.finest_mm, scale)
        aligned = align(images, masks, begin.best, steps, settings, progress.part(0.3, 0.9))
        before = by_transform(hints, fixed.GetDimension()) if initial is not None else _as_they_are(fixed)
        metric_before = metric_at(images, masks, before, steps[-1], settings, progress)
        progress.report(0.9, "Resampling")
        image = resample(
            moving, Grid.of(fixed), aligned.transform, self.interpolation, progress=progress.part(0.9, 1.0)
        )
        table = outcome.table(
            self.model,
            metric,
            (metric_before, aligned.metric),
            len(settings.trace),
            aligned.transform,
            (fixed, moving),
            0.0,
        )
        outcome.doubts(table, metric, begin.rival, begin.best, centre(fixed), progress)
        return Registered(aligned.transform, image, table, outcome.curves(metric, aligned.names, settings.trace))

    def _start(
        self,
        images: tuple[sitk.Image, sitk.Image],
        masks: Masks,
        hints: Hints,
        scale: float,
        settings: Settings,
        progress: Progress,
    ) -> Found:
        told_unused(self.start, hints, progress)
        spacing = MIDDLE[0].spacing_mm * scale
        fixed, moving = (shrunk(image, spacing, progress.part(0.0, 0.0)) for image in images)
        small = small_mask(masks[0], fixed), small_mask(masks[1], moving)
        if self.start == "multi_start":
            return best_start((fixed, moving), small, hints, STAGES[self.model][0], scale, settings, progress)
        return Found(pose(self.start, (fixed, moving), small, hints, progress), None)


def _on_their_image(mask: sitk.Image | None, image: sitk.Image, what: str) -> sitk.Image | None:
    found = None if mask is None else on_grid(mask, Grid.of(image), labels=True, what=f"{what}_mask")
    check_mask(found, what)
    return found


def _as_they_are(fixed: sitk.Image) -> Pose:
    d = fixed.GetDimension()
    return Pose("none", np.eye(d), np.zeros(d))
