"""An elastic deformation of an image and its segmentation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, NamedTuple

import numpy as np

from ..geometry import Grid
from ..operation import Operation
from ..parameters import Choice, Quantity
from ..progress import SILENT, Progress
from ..resampling import checked_value, resample, smallest
from ..values import Image, Labels, Transform
from .elastic import moved_layers, random_elastic


class Deformed(NamedTuple):
    image: Image
    labels: Labels | None
    transform: Transform


@dataclass(frozen=True)
class Deform(Operation):
    """Deform an image smoothly and at random, with its segmentation.

    For training data, and to test registrations against a known truth. The deformation is a cubic B-spline whose
    coefficients are drawn uniformly between -amplitude and amplitude along each axis of the image. It cannot fold: an
    amplitude above 0.403 (2-D 0.489) of the control spacing is refused (Choi and Lee 2000). The largest shift of a
    voxel is below the amplitude, usually about half of it.

    The transform maps points of the result to points of the input, LPS millimetres: applied to the input it gives the
    result again. A landmark of the input lies in the result where the inverse takes it.

    Inputs
    ------
    image
        Image to deform.
    labels
        Segmentation that goes with it, on its own grid.

    Outputs
    -------
    image
        Deformed image on the same grid, same pixel type.
    labels
        Deformed segmentation (nearest voxel); names, colours and layers stay.
    transform
        Result to input points, LPS millimetres.

    Parameters
    ----------
    amplitude_mm
        Largest coefficient along each axis.
    control_mm
        Distance of control points: smaller makes finer waves.
    interpolation
        Of the image: linear, nearest or bspline (cubic, overshoots at sharp edges).
    outside_value
        Value that comes in from outside the image; if not set, the smallest value of the image.
    seed
        Number from which the deformation is drawn.
    """

    name: ClassVar[str] = "deform"
    title: ClassVar[str] = "Deform at random"
    group: ClassVar[str] = "Augment"
    memory_factor: ClassVar[float] = 4.0
    keeps: ClassVar = {"image": "image"}
    presets: ClassVar = {
        "Gentle": {"amplitude_mm": 3.0, "control_mm": 40.0},
        "Strong": {"amplitude_mm": 15.0, "control_mm": 50.0},
    }

    amplitude_mm: Annotated[float, Quantity("mm", low=0.0, high=500.0)] = 5.0
    control_mm: Annotated[float, Quantity("mm", low=0.01, high=1000.0)] = 40.0
    interpolation: Annotated[str, Choice("linear", "nearest", "bspline")] = "linear"
    outside_value: float | None = None
    seed: Annotated[int, Quantity("", low=0, high=2**31 - 1)] = 0

    def run(self, image: Image, labels: Labels | None = None, *, progress: Progress = SILENT) -> Deformed:
        grid = Grid.of(image)
        rng = np.random.default_rng(self.seed)
        transform = random_elastic(grid, self.amplitude_mm, self.control_mm, rng, self.name, "amplitude_mm")
        outside = smallest(image) if self.outside_value is None else self.outside_value
        checked_value(outside, image, "outside_value")
        moved = resample(image, grid, transform, self.interpolation, outside, progress=progress.part(0.0, 0.7))
        if labels is not None:
            labels = replace(labels, layers=moved_layers(labels.layers, transform, progress.part(0.7, 1.0)))
        progress.report(1.0)
        return Deformed(moved, labels, transform)
