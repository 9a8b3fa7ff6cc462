"""The frame of the level set operations: start, working voxels, steps of ITK's filter, results."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import SimpleITK as sitk

from ..parameters import Quantity
from ..progress import SILENT, Progress, Quiet, run_filter, waited
from ..values import Image, Landmarks, Mask
from .contours import Contoured, Movement, MovingContour, contoured, working_image
from .working_region import WorkingRegion, working_region

EVERY = 20
"""Iterations between two looks at how much has changed."""


@dataclass(frozen=True)
class LevelSet(MovingContour):
    """Base of the level set operations.

    Outputs
    -------
    speed
        What drives the contour: look at it to see where it will stop.

    Parameters
    ----------
    iterations
        Largest number of iterations; each moves the contour by less than a working voxel. 0 shows the speed and the
        start at once, to see where edges will stop it.
    rest_percent
        At rest when twenty iterations change at most this part of the segment.
    smoothness_mm
        How strongly bends are straightened, in millimetres: details of this size give way.
    """

    memory_factor: ClassVar[float] = 2.0
    memory_bytes: ClassVar[float] = 300e6
    why_whole: ClassVar[str] = "the contour moves in three dimensions"

    start_radius_mm: Annotated[float, Quantity("mm", low=0.1, high=100.0)] = 5.0
    iterations: Annotated[int, Quantity("", low=0, high=10000)] = 500
    rest_percent: Annotated[float, Quantity("%", low=0.0, high=10.0)] = 0.2
    smoothness_mm: Annotated[float, Quantity("mm", low=0.0, high=20.0)] = 0.5
    margin_mm: Annotated[float, Quantity("mm", low=1.0, high=1000.0)] = 30.0
    segment: str = "Contour"

    @abstractmethod
    def evolution(self, region: WorkingRegion, progress: Progress) -> tuple[Any, np.ndarray, np.ndarray]:
        """ITK's filter with its settings, the feature image that it takes, and the speed that people look at."""

    def run(
        self,
        image: Image,
        start: Mask | None = None,
        start_points: Landmarks | None = None,
        mask: Mask | None = None,
        *,
        progress: Progress = SILENT,
    ) -> Contoured:
        region = working_region(image, start, start_points, self.start_radius_mm, self.margin_mm, mask, progress)
        evolution, feature, speed = self.evolution(region, progress.part(0.0, 0.2))
        evolution.SetMaximumRMSError(0.0)
        level = working_image(region.level(), region)
        driven = working_image(feature, region)
        steps = progress.part(0.2, 0.9)

        def advance(count: int) -> np.ndarray:
            nonlocal level
            evolution.SetNumberOfIterations(count)
            # Its own progress starts anew at each go; only the stop is passed on. Before the first iteration it takes
            # derivatives of the whole region, which cannot be stopped.
            level = waited(_evolved, evolution, level, driven, steps, progress=steps)
            return sitk.GetArrayFromImage(level) < 0

        movement = Movement(self.iterations, self.rest_percent)
        movement.follow(region.start, advance, EVERY, steps)
        return contoured(region, sitk.GetArrayFromImage(level), speed, movement, self.segment, progress.part(0.9, 1.0))


def _evolved(evolution: Any, level: sitk.Image, driven: sitk.Image, steps: Progress) -> sitk.Image:
    return run_filter(evolution, level, driven, progress=Quiet(steps))
