"""A transform applied to a segmentation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from ..operation import Operation
from ..parameters import Choice
from ..progress import SILENT, Progress
from ..values import Image, Labels, Transform
from .moved_labels import moved


@dataclass(frozen=True)
class ApplyTransformLabels(Operation):
    """Bring the segments of a moving image onto the grid of the fixed one with a transform.

    The voxel at the point x of the new grid belongs to the segments that hold T(x): the transform is the one that
    resamples the moving image, fixed to moving points. No label values are made up in between. Ids, names, colours
    and tags stay, segments that overlap go on overlapping.

    Inputs
    ------
    labels
        Segmentation of the moving image.
    transform
        Maps fixed to moving points, LPS millimetres.
    reference
        Image whose grid the result gets, usually the fixed one; without it the grid of the segmentation.

    Outputs
    -------
    labels
        The same segments, aligned.

    Parameters
    ----------
    interpolation
        Nearest takes the nearest voxel; linear gives each voxel to the segment with the largest interpolated share,
        which keeps surfaces smoother and takes longer with many segments.
    """

    name: ClassVar[str] = "apply_transform_labels"
    title: ClassVar[str] = "Apply transform to segmentation"
    group: ClassVar[str] = "Apply"
    vector: ClassVar[bool] = True
    finite_only: ClassVar[bool] = False
    memory_factor: ClassVar[float] = 10.0

    interpolation: Annotated[str, Choice("nearest", "linear")] = "nearest"

    def run(
        self, labels: Labels, transform: Transform, reference: Image | None = None, *, progress: Progress = SILENT
    ) -> Labels:
        progress.report(0.0, "Checking")
        result = moved(labels, transform, reference, self.interpolation == "linear", progress)
        progress.report(1.0)
        return result
