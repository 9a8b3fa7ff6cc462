"""A smooth contour around a range of values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import SimpleITK as sitk

from ..errors import InputError, ParameterError
from ..progress import Progress
from .level_set import LevelSet
from .working_region import WorkingRegion

STARTING_SD = 2.0


@dataclass(frozen=True)
class ThresholdLevelSet(LevelSet):
    """Let a contour expand over a range of values and keep smooth.

    A threshold with smooth edges that stays connected to its start: the contour expands where values lie between
    `lower` and `upper` and shrinks elsewhere, in proportion to how far they lie inside. Without a limit, that limit is
    the mean of the start plus or minus two standard deviations.

    Parameters
    ----------
    lower
        Smallest value of the segment; none takes it from the start.
    upper
        Largest value of the segment; none takes it from the start.
    """

    name: ClassVar[str] = "threshold_level_set"
    title: ClassVar[str] = "Threshold level set"

    lower: float | None = None
    upper: float | None = None

    def check(self) -> None:
        """Refuse an empty range."""
        if self.lower is not None and self.upper is not None and self.lower >= self.upper:
            raise ParameterError(
                f"{self.name}: lower is {self.lower:g} and upper {self.upper:g}; lower must be smaller.",
                operation=self.name,
                field="lower",
            )

    def evolution(self, region: WorkingRegion, progress: Progress) -> tuple[Any, np.ndarray, np.ndarray]:
        values = sitk.GetArrayFromImage(region.image)
        own = values[region.start].astype(np.float64)
        lower = own.mean() - STARTING_SD * own.std() if self.lower is None else self.lower - region.offset
        upper = own.mean() + STARTING_SD * own.std() if self.upper is None else self.upper - region.offset
        half = (upper - lower) / 2
        if not half > 0:
            raise InputError(
                f"The start holds only the value {own.mean() + region.offset:g}, as a constant image would; give lower "
                "and upper.",
                role="start",
            )
        evolution = sitk.ThresholdSegmentationLevelSetImageFilter()
        # Values are scaled by the half width of the range, so that the speed is 1 in its middle and -1 as far outside.
        centred = np.clip((values - (lower + upper) / 2) / half, -2.0, 2.0)
        evolution.SetLowerThreshold(-1.0)
        evolution.SetUpperThreshold(1.0)
        evolution.SetPropagationScaling(1.0)
        evolution.SetCurvatureScaling(self.smoothness_mm / region.spacing)
        return evolution, centred, 1 - np.abs(centred)
