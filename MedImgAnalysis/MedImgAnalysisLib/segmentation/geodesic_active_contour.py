"""A contour that expands, keeps smooth and is held by edges."""

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
class GeodesicActiveContour(LevelSet):
    """Let a contour expand until edges hold it.

    For structures with a clear edge almost all around: the contour expands (or shrinks) with the speed
    1 / (1 + (slope / `edge`)^2), is pulled into the valley of the speed and kept smooth, so that gaps in the edge do
    not leak. Start inside the structure. Caselles, Kimmel and Sapiro (1997).

    Parameters
    ----------
    expansion
        Push outwards where there is no edge; negative shrinks.
    attraction_mm
        How strongly the contour is pulled into edges, in millimetres: it feels an edge about that far away.
    sigma_mm
        Gaussian that smooths the image before its slope is taken; 0 for none.
    edge
        Slope, in image units per millimetre, that halves the speed; none takes the 70th percentile around the start.
    """

    name: ClassVar[str] = "geodesic_active_contour"
    title: ClassVar[str] = "Geodesic active contour"
    presets: ClassVar = {"Expand from inside": {}, "Shrink from outside": {"expansion": -1.0}}

    expansion: Annotated[float, Quantity("", low=-10.0, high=10.0)] = 1.0
    attraction_mm: Annotated[float, Quantity("mm", low=0.0, high=20.0)] = 2.0
    sigma_mm: Annotated[float, Quantity("mm", low=0.0, high=20.0)] = 1.0
    edge: Annotated[float | None, Quantity("", low=1e-12)] = None

    def evolution(self, region: WorkingRegion, progress: Progress) -> tuple[Any, np.ndarray, np.ndarray]:
        speed, _ = edge_speed(region.image, self.sigma_mm, self.edge, progress)
        evolution = sitk.GeodesicActiveContourLevelSetImageFilter()
        evolution.SetPropagationScaling(self.expansion)
        evolution.SetCurvatureScaling(self.smoothness_mm / region.spacing)
        evolution.SetAdvectionScaling(self.attraction_mm / region.spacing)
        return evolution, speed, speed
