"""Align a moving image with a fixed one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, NamedTuple

import SimpleITK as sitk

from ..geometry import Grid
from ..operation import Operation
from ..parameters import Choice, Quantity
from ..progress import SILENT, Progress
from ..resampling import on_grid, resample
from ..values import Curves, Image, Landmarks, Mask, Measurements, Transform
from . import metrics, outcome
from .checks import check_mask, check_pair
from .deformable import DeformableSettings
from .deformable_stage import LINEAR_FINEST_MM, SIMILARITY, deform
from .gain import gain
from .linear_stages import align, metric_of
from .models import DEFORMABLE, LINEAR, STAGES
from .multistart import Found, best_start
from .optimise import Settings
from .presets import PRESETS
from .pyramid import MIDDLE, plan, scale_of, shrunk, small_mask
from .source import without_outliers
from .starts import SIMPLE, Hints, by_transform, centre, pose, told_simplified, told_unused
from .units import Masks


class Registered(NamedTuple):
    transform: Transform
    image: Image
    table: Measurements
    curves: Curves


@dataclass(frozen=True)
class Register(Operation):
    """Align a moving image with a fixed image.

    Translation, rigid, similarity, affine, or deformable (demons, bspline), for images of the same or of different
    kinds. Coarse to fine: voxels are averaged to 8, 4, 2 and 1 mm (finer for images smaller than 128 mm) and the
    optimiser looks at a fixed number of samples per level; few degrees of freedom come before many, and a deformable
    model begins where rigid and affine stages end. With `start` multi_start a grid of rotations up to 40 degrees
    about the centres is rated first, so that images far apart still align.
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
        What tells how alike the images are: automatic is mutual information, and local correlation where a deformable
        model goes on; neighbourhood_correlation ends linear models with local correlation too, for images with the
        same edges (MR and MR); correlation for images of one kind, mean_squares for equal values.
    start
        Where to begin: multi_start tries rotations, moments aligns centres of mass, geometry the middles of the
        images, landmarks takes the rigid fit of points, given the initial transform, none the positions as they are.
    finest_mm
        Resolution of the last level.
    folding
        Deformable models: let the result fold, for speed. Off keeps it invertible.
    smoothing_mm
        Deformable models: wider is smoother and less disturbed by noise; 0 takes four voxels of the last level.
    grid_mm
        Distance of the control points of a bspline.
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
    revision: ClassVar[int] = 4
    memory_factor: ClassVar[float] = 5.5
    tolerance: ClassVar[float] = 1e-3
    keeps: ClassVar = {"image": "moving"}
    presets: ClassVar = PRESETS

    model: Annotated[str, Choice(*LINEAR, *DEFORMABLE)] = "rigid"
    metric: Annotated[str, Choice(*metrics.CHOICES)] = "automatic"
    start: Annotated[str, Choice("multi_start", *SIMPLE)] = "multi_start"
    finest_mm: Annotated[float, Quantity("mm", low=0.2, high=8.0)] = 1.0
    folding: bool = False
    smoothing_mm: Annotated[float, Quantity("mm", low=0.0, high=50.0)] = 0.0
    grid_mm: Annotated[float, Quantity("mm", low=2.0, high=200.0)] = 10.0
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
        told = Settings(metric, self.bins, self.samples, self.seed, self.reproducible)
        deforms = self.model in DEFORMABLE
        stages = metrics.of_stages(metric)
        settings = replace(told, metric=stages, local=stages != metric and not deforms, trace=[])
        progress.report(0.0, "Preparing")
        source = without_outliers((fixed, moving), masks, progress)
        images = source.whole(progress)
        scale = scale_of(fixed, moving)
        begin = self._start(images, masks, hints, scale, settings, progress.part(0.0, 0.2))
        told_simplified(STAGES[self.model][-1], begin.best, progress)
        finest = max(self.finest_mm, LINEAR_FINEST_MM) if deforms else self.finest_mm
        steps = plan(self.model, self.start == "multi_start", finest, scale)
        share = 0.4 if deforms else 0.85
        aligned = align(images, masks, begin.best, steps, settings, progress.part(0.2, share))
        before = self._before(hints, fixed.GetDimension())
        ways = before, aligned.transform
        coarse, fine = MIDDLE[0].spacing_mm * scale, steps[-1].level.spacing_mm
        # What the linear part alone gains says nothing of a deformation that comes after it.
        gained = None if deforms else gain(images, masks, ways, coarse, progress.part(share, share), fine)
        transform, folded, iterations = aligned.transform, 0.0, len(settings.trace)
        series = outcome.series(aligned.names, settings.trace)
        if deforms:
            del images
            deformed = deform(source, masks, transform, self._deformable(), progress.part(share, 0.85))
            images = source.at(steps[-1].level.spacing_mm, progress.part(0.85, 0.85))
            transform, folded = deformed.transform, deformed.folded_percent
            iterations, series = iterations + deformed.iterations, series + deformed.curves
        values = tuple(
            metric_of(way, images, masks, steps[-1].level, told, progress.part(0.85, 0.85))
            for way in (before, transform)
        )
        del images
        image = resample(moving, Grid.of(fixed), transform, self.interpolation, progress=progress.part(0.85, 1.0))
        table = outcome.table(
            self.model, metric, (values[0], values[1]), iterations, aligned.transform, (fixed, moving), folded
        )
        outcome.doubts(table, metric, begin.rival, begin.best, centre(fixed), gained, progress)
        return Registered(transform, image, table, outcome.curves(metric, series))

    def _deformable(self) -> DeformableSettings:
        return DeformableSettings(
            model="bspline" if self.model == "bspline" else "demons",
            similarity=SIMILARITY[self.metric],
            folding=self.folding,
            finest_mm=self.finest_mm,
            smoothing_mm=self.smoothing_mm,
            grid_mm=self.grid_mm,
        )

    def _before(self, hints: Hints, dimension: int) -> sitk.Transform:
        """Where the images are before: as they are, or as the initial transform has it."""
        if hints.initial is None:
            return sitk.Transform(dimension, sitk.sitkIdentity)
        by_transform(hints, dimension)
        return hints.initial

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
