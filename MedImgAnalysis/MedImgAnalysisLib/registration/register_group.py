"""Align several images with each other and make their mean: a template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
import SimpleITK as sitk

from ..errors import Cancelled, InputError, MedImgError
from ..framewise import FrameProgress, Warnings
from ..geometry import Grid
from ..operation import Operation
from ..parameters import Choice, Quantity
from ..progress import SILENT, Progress
from ..values import Column, Frames, Image, Measurements, TransformFrames
from . import metrics
from .averaging import correlation_with, mean_image, mean_linear, moved_grid
from .group_deforming import deform_to_template
from .models import linear
from .motion import rms_displacement
from .register import Register
from .rigid import matrix_of

COLUMNS = (
    Column("iteration", "Iteration", "", "0 is the alignment with the first image", int),
    Column("model", "Model", "", "Kind of transform in this iteration", str),
    Column("correlation", "Mean correlation", "", "Of the images with the template, mean over the images"),
    Column("lowest_correlation", "Lowest correlation", "", "Of the image that fits the template least"),
    Column("lowest_image", "Least fitting image", "", "Its number, counted from 0", int),
    Column(
        "change_mm", "Change", "mm", "RMS change of the transforms since the iteration before, mean over the images"
    ),
    Column("drift_mm", "Drift removed", "mm", "RMS displacement of the mean transform before it was removed"),
    Column("status", "Status", "", "Why a number is missing", str),
)


class GroupRegistered(NamedTuple):
    template: Image
    transforms: TransformFrames
    table: Measurements


@dataclass(frozen=True)
class RegisterGroup(Operation):
    """Align images with each other and make a template of them.

    The images are aligned with the first one, then again and again with their mean (Guimond et al. 2000, Comput Vis
    Image Underst 77:192). After each round the mean of all transforms is taken out of them: the template lies and, with
    affine and deformable models, is shaped and sized in the middle of the images instead of like the first one. Linear
    means are log-Euclidean; of deformable transforms the mean displacement is inverted. It ends when nothing changes
    any more. The template is the plain mean: bring the images to one scale of intensities first, with
    `normalise_percentile` or `match_histogram`.

    Inputs
    ------
    images
        Two images or more, of one dimension and one kind; the frames of a 4-D image are images, too.

    Outputs
    -------
    template
        Mean of the aligned images, float32, with the voxels of the first image.
    transforms
        From points of the template to points of each image, LPS millimetres.
    table
        How the template converged, a row a round.

    Parameters
    ----------
    model
        Kind of transform; deformable refines affine transforms by displacement fields without folding.
    start
        How the first alignment begins, see `register`.
    metric
        What tells how alike images are, for the linear part.
    iterations
        Most rounds of alignment with the mean.
    deformable_iterations
        Rounds of the deformable model after the linear ones.
    tolerance_mm
        The linear rounds end when the transforms change by less.
    finest_mm
        Resolution of the last level of the linear alignment.
    samples
        Most voxels that the metric looks at per level.
    seed
        Seed of the samples.
    reproducible
        Add up the metric in one thread, so that a repeated run gives the same bits.
    """

    name: ClassVar[str] = "register_group"
    title: ClassVar[str] = "Register a group"
    group: ClassVar[str] = "Align"
    memory_factor: ClassVar[float] = 12.0
    tolerance: ClassVar[float] = 1e-3
    keeps_grid: ClassVar[bool] = False
    presets: ClassVar = {
        "One subject, several scans": {"model": "rigid"},
        "Several subjects": {"model": "deformable"},
    }

    model: Annotated[str, Choice("translation", "rigid", "affine", "deformable")] = "rigid"
    start: Annotated[str, Choice("multi_start", "moments", "geometry", "none")] = "multi_start"
    metric: Annotated[str, Choice(*metrics.CHOICES)] = "automatic"
    iterations: Annotated[int, Quantity("", low=1, high=50)] = 3
    deformable_iterations: Annotated[int, Quantity("", low=1, high=20)] = 3
    tolerance_mm: Annotated[float, Quantity("mm", low=0.0, high=10.0)] = 0.1
    finest_mm: Annotated[float, Quantity("mm", low=0.2, high=8.0)] = 2.0
    samples: Annotated[int, Quantity("", low=1000, high=10_000_000)] = 100_000
    seed: Annotated[int, Quantity("", low=1, high=2**31 - 1)] = 1
    reproducible: bool = True

    @property
    def exact(self) -> bool:
        return self.reproducible

    def run(self, images: Sequence[Image], *, progress: Progress = SILENT) -> GroupRegistered:
        if len(images) < 2:
            raise InputError("A group needs at least two images.", role="images")
        if len({image.GetDimension() for image in images}) > 1:
            raise InputError("The images are 2-D and 3-D; a group needs one dimension.", role="images")
        deformable = self.model == "deformable"
        kind = "affine" if deformable else self.model
        rounds = self.iterations + 1 + (self.deformable_iterations if deformable else 0)
        share = [progress.part(n / rounds, (n + 1) / rounds) for n in range(rounds)]
        grid = Grid.of(images[0])
        d = grid.dimension
        still = linear(kind, np.eye(d), np.zeros(d), grid.corners.mean(axis=0))
        transforms = [still] * len(images)
        rows: list[dict[str, Any]] = []
        template = images[0]
        for number in range(self.iterations + 1):
            before = transforms
            transforms = self._aligned(template, images, transforms, kind, number == 0, share[number].part(0.0, 0.8))
            transforms, grid, drift = _centred(transforms, grid, kind)
            template = mean_image(grid, images, transforms, share[number].part(0.8, 0.9))
            change = _change(before, transforms, grid) if number else None
            rows.append(_row(number, kind, template, images, transforms, change, drift, share[number].part(0.9, 1.0)))
            if change is not None and change < self.tolerance_mm:
                break
        for number in range(self.deformable_iterations if deformable else 0):
            part = share[self.iterations + 1 + number]
            made = deform_to_template(template, images, transforms, part.part(0.0, 0.8))
            transforms = made.transforms
            template = mean_image(grid, images, transforms, part.part(0.8, 0.9))
            row = (len(rows), "deformable", template, images, transforms, made.change_mm, made.drift_mm)
            rows.append(_row(*row, part.part(0.9, 1.0)))
        values = Frames(tuple(transforms), title="image")
        return GroupRegistered(template, values, Measurements(COLUMNS, tuple(rows)))

    def _aligned(
        self,
        fixed: sitk.Image,
        images: Sequence[sitk.Image],
        transforms: Sequence[sitk.Transform],
        kind: str,
        first: bool,
        progress: Progress,
    ) -> list[sitk.Transform]:
        """All images aligned with `fixed`, from scratch the first time, then from the transforms there are."""
        align = Register(
            model=kind,
            metric=self.metric,
            start=self.start if first else "given",
            finest_mm=self.finest_mm,
            samples=self.samples,
            seed=self.seed,
            interpolation="nearest",
            reproducible=self.reproducible,
        )
        found = []
        said = Warnings(len(images), "images")
        for number, (image, before) in enumerate(zip(images, transforms, strict=True)):
            part = FrameProgress(progress, number, len(images), said, word="Image")
            part.report(0.0)
            if first and number == 0:
                found.append(before)
                continue
            try:
                found.append(align.run(fixed, image, initial=None if first else before, progress=part).transform)
            except Cancelled:
                raise
            except MedImgError as error:
                raise type(error)(f"Image #{number} of the group: {error}", **error.data) from error
        # Later rounds only polish: that one of them makes nothing better is no reason to doubt.
        for sentence in said.sentences() if first else ():
            progress.warn(sentence)
        return found


def _centred(transforms: Sequence[sitk.Transform], grid: Grid, kind: str) -> tuple[list[sitk.Transform], Grid, float]:
    """The transforms without their mean, the grid moved along with the template, and how far the mean went."""
    pairs = [matrix_of(transform) for transform in transforms]
    matrix, offset = mean_linear(pairs)
    back = np.linalg.inv(matrix)
    there = moved_grid(grid, matrix, offset)
    middle = there.corners.mean(axis=0)
    # T(x) becomes T(D^-1(x)): what was at x in the template is at D(x) now.
    kept = [linear(kind, a @ back, b - a @ back @ offset, middle) for a, b in pairs]
    return kept, there, rms_displacement(matrix, offset, grid.corners.mean(axis=0), _radius(grid))


def _change(before: Sequence[sitk.Transform], after: Sequence[sitk.Transform], grid: Grid) -> float:
    """Mean over the images of the RMS difference of two transforms over a ball in the grid, mm.

    What all images have in common is left out: it moves the template and changes nothing about it.
    """
    steps = []
    for old, new in zip(before, after, strict=True):
        (a, b), (c, d) = matrix_of(old), matrix_of(new)
        steps.append((np.linalg.solve(a, c), np.linalg.solve(a, d - b)))
    matrix, offset = mean_linear(steps)
    back = np.linalg.inv(matrix)
    middle, radius = grid.corners.mean(axis=0), _radius(grid)
    return float(np.mean([rms_displacement(m @ back, o - m @ back @ offset, middle, radius) for m, o in steps]))


def _radius(grid: Grid) -> float:
    """Of the ball with the volume of the grid's box (2-D: disc), mm."""
    d = grid.dimension
    box = float(np.prod(np.multiply(grid.size, grid.spacing)))
    return float((box / (np.pi if d == 2 else 4 / 3 * np.pi)) ** (1 / d))


def _row(
    iteration: int,
    model: str,
    template: sitk.Image,
    images: Sequence[sitk.Image],
    transforms: Sequence[sitk.Transform],
    change: float | None,
    drift: float,
    progress: Progress,
) -> dict[str, Any]:
    count = len(images)
    found = [
        correlation_with(template, image, transform, progress.part(n / count, (n + 1) / count))
        for n, (image, transform) in enumerate(zip(images, transforms, strict=True))
    ]
    undefined = not np.isfinite(found).all()
    words = ["first_alignment"] * (change is None) + ["no_overlap"] * undefined
    return {
        "iteration": iteration,
        "model": model,
        "correlation": float(np.mean(found)),
        "lowest_correlation": float(np.min(found)),
        "lowest_image": int(np.argmin(found)),
        "change_mm": float("nan") if change is None else change,
        "drift_mm": drift,
        "status": " ".join(words),
    }
