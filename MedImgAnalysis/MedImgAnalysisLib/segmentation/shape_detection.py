"""A contour that expands with the speed of the edges and keeps smooth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import SimpleITK as sitk

from ..parameters import Quantity
from ..progress import Progress
from .level_set import LevelSet
from .speed import edge_speed
from .working_region import WorkingRegion


@dataclass(frozen=True)
class ShapeDetection(LevelSet):
    """Let a contour expand, slowed down by edges and by its own bends.

    Like the geodesic active contour without the pull into edges: it does not lock on, so choose `edge` low enough that
    the speed is near zero there, or the iterations. Malladi, Sethian and Vemuri (1995).

    Parameters
    ----------
    expansion
        Push outwards where there is no edge; negative shrinks.
    sigma_mm
        Gaussian that smooths the image before its slope is taken; 0 for none.
    edge
        Slope, in image units per millimetre, at which the speed is a half; none takes the 70th percentile around.
    steepness
        Power of the slope: higher ones make a sharper step between free and stopped.
    """

    name: ClassVar[str] = "shape_detection"
    title: ClassVar[str] = "Shape detection"

    expansion: Annotated[float, Quantity("", low=-10.0, high=10.0)] = 1.0
    sigma_mm: Annotated[float, Quantity("mm", low=0.0, high=20.0)] = 1.0
    edge: Annotated[float | None, Quantity("", low=1e-12)] = None
    steepness: Annotated[float, Quantity("", low=2.0, high=16.0)] = 6.0

    def evolution(self, region: WorkingRegion, progress: Progress) -> tuple[Any, np.ndarray, np.ndarray]:
        speed, _ = edge_speed(region.image, self.sigma_mm, self.edge, progress, self.steepness)
        evolution = sitk.ShapeDetectionLevelSetImageFilter()
        evolution.SetPropagationScaling(self.expansion)
        evolution.SetCurvatureScaling(self.smoothness_mm / region.spacing)
        return evolution, speed, speed
