"""A contour that is drawn to Canny edges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..geometry import Grid
from ..kernels.canny import ridges
from ..kernels.differences import gradient_magnitude
from ..kernels.gaussian import smooth
from ..parameters import Quantity
from ..progress import Progress, waited
from .level_set import LevelSet
from .threshold_methods import otsu
from .working_region import WorkingRegion

NOMINAL = 5.0
"""Working voxels from an edge at which the smoothness counts as stated."""
FARTHEST = 50.0
"""Working voxels from an edge beyond which its pull grows no more."""


@dataclass(frozen=True)
class CannyLevelSet(LevelSet):
    """Draw a contour to the nearest edges.

    For refining a rough segment whose true edge is clear and thin: the contour is pulled down the distance to the edges
    that Canny's detector finds once at the beginning (ridges of the slope above `edge`), from inside or outside, and
    kept smooth. False edges between the start and the true edge hold it: raise `edge` or `sigma_mm` then.

    Parameters
    ----------
    sigma_mm
        Gaussian that smooths the image before edges are looked for.
    edge
        Slope, in image units per millimetre, from which on there is an edge; none takes Otsu's threshold of the slopes.
    """

    name: ClassVar[str] = "canny_level_set"
    title: ClassVar[str] = "Canny level set"

    smoothness_mm: Annotated[float, Quantity("mm", low=0.0, high=20.0)] = 0.2
    sigma_mm: Annotated[float, Quantity("mm", low=0.1, high=20.0)] = 1.0
    edge: Annotated[float | None, Quantity("", low=1e-12)] = None

    def evolution(self, region: WorkingRegion, progress: Progress) -> tuple[Any, np.ndarray, np.ndarray]:
        values = sitk.GetArrayFromImage(region.image)
        spacing = Grid.of(region.image).spacing_kji
        smoothed = smooth(values, [self.sigma_mm / s for s in spacing], progress.part(0.0, 0.3))
        slope = gradient_magnitude(smoothed, spacing, progress.part(0.3, 0.4))
        edge = self.edge
        if edge is None:
            counts, bounds = np.histogram(slope, 256)
            edge = float(bounds[otsu(counts, progress) + 1])
        edges = ridges(smoothed, slope, spacing, edge, progress.part(0.4, 1.0))
        if not edges.any():
            raise InputError(f"No slope is above {edge:.4g} per mm (the steepest is {slope.max():.4g}).", role="image")
        distance = waited(_distance_to, edges, progress=progress)
        evolution = sitk.GeodesicActiveContourLevelSetImageFilter()
        evolution.SetPropagationScaling(0.0)
        evolution.SetAdvectionScaling(1.0)
        # The filter multiplies bending by its feature, here the distance: smooth on the way, true to the edge there.
        evolution.SetCurvatureScaling(self.smoothness_mm / region.spacing / NOMINAL)
        return evolution, np.minimum(distance, FARTHEST), -distance * region.spacing


def _distance_to(edges: np.ndarray) -> np.ndarray:
    from scipy.ndimage import distance_transform_edt

    return np.asarray(distance_transform_edt(~edges), np.float32)
