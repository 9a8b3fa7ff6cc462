"""Align every frame of a sequence with a reference."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple

import numpy as np
import SimpleITK as sitk

from ..errors import Cancelled, InputError, MedImgError
from ..framewise import FrameProgress, Warnings
from ..geometry import Grid
from ..operation import Operation
from ..parameters import Choice, Quantity
from ..progress import SILENT, Progress
from ..resampling import resample
from ..values import Curves, Frames, Image, Mask, Measurements, TransformFrames
from . import metrics
from .averaging import mean_image
from .models import linear
from .motion import motion_curves, motion_table
from .register import Register
from .starts import centre


class SequenceRegistered(NamedTuple):
    aligned: Frames
    transforms: TransformFrames
    mean: Image
    table: Measurements
    shifts: Curves
    rotations: Curves


@dataclass(frozen=True)
class RegisterSequence(Operation):
    """Align the frames of a sequence with one of them or with their mean.

    Every frame is aligned as `register` does it, from where its neighbour on the side of the reference ended, so motion
    that is large over the sequence and small from frame to frame is followed. With the reference mean this is done
    twice: with the reference frame, and then with the mean of what that gave, where every frame starts from its first
    result. Motion is told in millimetres and degrees, with the framewise displacement (Power et al. 2012,
    NeuroImage 59:2142) and the RMS displacement over a ball (Jenkinson 1999).

    Inputs
    ------
    frames
        Images to align.
    mask
        Part of the reference frame to look at.

    Outputs
    -------
    aligned
        The frames on the grid of the reference frame.
    transforms
        From points of the reference to points of each frame, LPS millimetres.
    mean
        Mean of the aligned frames, where they reach.
    table
        Motion and metric, a row a frame.
    shifts
        Shifts and framewise displacement over the frames.
    rotations
        Rotations over the frames.

    Parameters
    ----------
    model
        Kind of transform.
    reference
        Align with the reference frame, or with the mean of the frames.
    reference_frame
        Number of the reference frame, counted from 0; its grid is that of the results.
    metric
        What tells how alike images are: automatic is mutual information; correlation and mean_squares for frames of
        one contrast.
    finest_mm
        Resolution of the last level.
    samples
        Most voxels that the metric looks at per level.
    radius_mm
        Radius of the ball of the displacement, and of the arcs that rotations count as in the framewise displacement.
    seed
        Seed of the samples, the same in every frame.
    interpolation
        How the frames are resampled.
    reproducible
        Add up the metric in one thread, so that a repeated run gives the same bits.
    """

    name: ClassVar[str] = "register_sequence"
    title: ClassVar[str] = "Register a sequence"
    group: ClassVar[str] = "Align"
    memory_factor: ClassVar[float] = 4.0
    tolerance: ClassVar[float] = 1e-3
    keeps: ClassVar = {"aligned": "frames"}
    presets: ClassVar = {
        "Head motion, one contrast": {"model": "rigid", "reference": "mean", "metric": "correlation"},
        "Contrast agent, soft tissue": {"model": "affine", "metric": "mutual_information"},
    }

    model: Annotated[str, Choice("translation", "rigid", "affine")] = "rigid"
    reference: Annotated[str, Choice("frame", "mean")] = "frame"
    reference_frame: Annotated[int, Quantity("", low=0, high=100_000)] = 0
    metric: Annotated[str, Choice(*metrics.CHOICES)] = "automatic"
    finest_mm: Annotated[float, Quantity("mm", low=0.2, high=8.0)] = 2.0
    samples: Annotated[int, Quantity("", low=1000, high=10_000_000)] = 100_000
    radius_mm: Annotated[float, Quantity("mm", low=1.0, high=1000.0)] = 50.0
    seed: Annotated[int, Quantity("", low=1, high=2**31 - 1)] = 1
    interpolation: Annotated[str, Choice("linear", "nearest", "bspline")] = "linear"
    reproducible: bool = True

    @property
    def exact(self) -> bool:
        return self.reproducible

    def run(self, frames: Frames, mask: Mask | None = None, *, progress: Progress = SILENT) -> SequenceRegistered:
        if self.reference_frame >= len(frames):
            raise InputError(
                f"The reference frame is {self.reference_frame}; there are frames 0 to {len(frames) - 1}.",
                role="frames",
            )
        if len(frames) < 2:
            raise InputError("A sequence of one frame has nothing to align.", role="frames")
        images, first = frames.values, frames.values[self.reference_frame]
        twice = self.reference == "mean"
        share = 0.4 if twice else 0.8
        still = linear(self.model, np.eye(first.GetDimension()), np.zeros(first.GetDimension()), centre(first))
        found = _Found([still] * len(images), [(math.nan, math.nan)] * len(images))
        self._pass(first, images, mask, found, progress.part(0.0, share), chained=True)
        if twice:
            mean = mean_image(Grid.of(first), images, found.transforms, progress.part(0.4, 0.45))
            self._pass(mean, images, mask, found, progress.part(0.45, 0.8), chained=False)
        grid = Grid.of(first)
        aligned = []
        for number, image in enumerate(images):
            part = progress.part(0.8 + 0.1 * number / len(images), 0.8 + 0.1 * (number + 1) / len(images))
            part.report(0.0, "Resampling")
            way = found.transforms[number]
            same = not twice and number == self.reference_frame
            aligned.append(image if same else resample(image, grid, way, self.interpolation, progress=part))
        mean = mean_image(grid, images, found.transforms, progress.part(0.9, 1.0))
        table = motion_table(frames, found.transforms, centre(first), self.radius_mm, found.metrics)
        return SequenceRegistered(
            frames.with_values(aligned),
            frames.with_values(found.transforms),
            mean,
            table,
            *motion_curves(frames, table),
        )

    def _pass(
        self,
        fixed: sitk.Image,
        images: Sequence[sitk.Image],
        mask: sitk.Image | None,
        found: _Found,
        progress: Progress,
        *,
        chained: bool,
    ) -> None:
        """Align all frames with `fixed` and write the results into `found`.

        `chained` starts from the neighbour and leaves the reference frame as it is; else every frame starts from what
        `found` has of it.
        """
        align = Register(
            model=self.model,
            metric=self.metric,
            start="given",
            finest_mm=self.finest_mm,
            samples=self.samples,
            seed=self.seed,
            interpolation="nearest",
            reproducible=self.reproducible,
        )
        said = Warnings(len(images))
        order = list(_outwards(self.reference_frame, len(images))) if chained else [(n, n) for n in range(len(images))]
        for done, (number, start) in enumerate(order):
            part = FrameProgress(progress, number, len(images), said, at=done / len(order), to=(done + 1) / len(order))
            try:
                result = align.run(
                    fixed, images[number], fixed_mask=mask, initial=found.transforms[start], progress=part
                )
            except Cancelled:
                raise
            except MedImgError as error:
                raise type(error)(f"Frame #{number}: {error}", **{**error.data, "frame": number}) from error
            found.transforms[number] = result.transform
            row = result.table.rows[0]
            found.metrics[number] = row["metric_before"], row["metric"]
        for sentence in said.sentences():
            progress.warn(sentence)


class _Found(NamedTuple):
    """What is known of each frame: its transform, and the metric before and at the end."""

    transforms: list[sitk.Transform]
    metrics: list[tuple[float, float]]


def _outwards(reference: int, count: int) -> Iterator[tuple[int, int]]:
    """The frames away from the reference, each with the neighbour that it starts from."""
    yield from ((number, number - 1) for number in range(reference + 1, count))
    yield from ((number, number + 1) for number in range(reference - 1, -1, -1))
