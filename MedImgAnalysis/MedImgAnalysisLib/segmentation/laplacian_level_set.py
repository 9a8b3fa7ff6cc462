"""A contour that settles where the slope is steepest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import SimpleITK as sitk

from ..geometry import Grid
from ..kernels.differences import laplacian
from ..kernels.gaussian import smooth
from ..parameters import Choice, Quantity
from ..progress import Progress
from .level_set import LevelSet
from .working_region import WorkingRegion


@dataclass(frozen=True)
class LaplacianLevelSet(LevelSet):
    """Move a contour near an edge onto it.

    For refining a rough segment: the contour moves by the sign and size of the Laplacian of the smoothed image to where
    that is zero, which is the steepest place of the edge. Start within about two `sigma_mm` of the edge; far from it
    there is no force.

    Parameters
    ----------
    object
        Whether the structure is brighter or darker than what is around it.
    sigma_mm
        Gaussian that smooths the image; also how far an edge is felt.
    """

    name: ClassVar[str] = "laplacian_level_set"
    title: ClassVar[str] = "Laplacian level set"
    presets: ClassVar = {"Bright object": {"object": "bright"}, "Dark object": {"object": "dark"}}

    object: Annotated[str, Choice("bright", "dark")] = "bright"
    sigma_mm: Annotated[float, Quantity("mm", low=0.1, high=20.0)] = 2.0

    def evolution(self, region: WorkingRegion, progress: Progress) -> tuple[Any, np.ndarray, np.ndarray]:
        spacing = Grid.of(region.image).spacing_kji
        values = sitk.GetArrayFromImage(region.image)
        smoothed = smooth(values, [self.sigma_mm / s for s in spacing], progress)
        # Scaled to its own size, so that the time step and the curvature do not depend on the unit of the image.
        scale = float(np.percentile(np.abs(laplacian(smoothed, spacing)), 95)) * region.spacing**2 or 1.0
        smoothed /= scale
        evolution = sitk.LaplacianSegmentationLevelSetImageFilter()
        evolution.SetPropagationScaling(1.0)
        evolution.SetCurvatureScaling(self.smoothness_mm / region.spacing)
        # ITK's speed is the Laplacian itself, which is negative on the bright side of an edge.
        evolution.SetReverseExpansionDirection(self.object == "bright")
        force = laplacian(smoothed, (1.0,) * smoothed.ndim)
        return evolution, smoothed, -force if self.object == "bright" else force
