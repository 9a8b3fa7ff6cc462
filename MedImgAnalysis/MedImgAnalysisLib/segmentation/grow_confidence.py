"""Growing from seeds with a range that follows the region."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import SimpleITK as sitk

from ..geometry import Grid
from ..parameters import Quantity
from ..progress import SILENT, Progress
from ..values import Column, Image, Landmarks, Mask, Measurements
from .growing import between, reached, values_around, warn_if_leaked
from .grown import COLUMNS as CONNECTED_COLUMNS
from .grown import Growing, Grown
from .outcome import labels_of, size_cells
from .seeds import seed_voxels, within_mask

COLUMNS = (
    *CONNECTED_COLUMNS[:-1],
    Column("iterations", "Iterations", "", "How often the range was taken anew", int),
    CONNECTED_COLUMNS[-1],
)


@dataclass(frozen=True)
class GrowConfidence(Growing):
    """Grow from seeds to voxels whose value is likely for the region.

    For organs and lesions whose brightness is not known before but even apart from noise. The range is the mean plus
    or minus `multiplier` standard deviations, first of the neighbourhoods of the seeds, then of the region, taken anew
    `iterations` times; it always holds the values of the seeds. It stops early when the range stands still. Neighbours
    share a face. The definition is that of ITK's confidence connected filter, save that each voxel near the seeds
    counts once.

    Parameters
    ----------
    multiplier
        Standard deviations on either side of the mean; 2.5 holds 99 % of normal noise.
    iterations
        How often the range is taken anew from the region.
    radius_mm
        Half width of the box around each seed for the first range; 0 takes the seeds alone.
    """

    name: ClassVar[str] = "grow_confidence"
    title: ClassVar[str] = "Grow by confidence"
    revision: ClassVar[int] = 2
    memory_factor: ClassVar[float] = 3.0
    presets: ClassVar = {"Even organ": {"multiplier": 2.5}, "Careful": {"multiplier": 1.5, "iterations": 2}}

    multiplier: Annotated[float, Quantity("SD", low=0.1, high=10.0)] = 2.5
    iterations: Annotated[int, Quantity("", low=0, high=50)] = 4
    radius_mm: Annotated[float, Quantity("mm", low=0.0, high=50.0)] = 2.0
    segment: str = "Grown"

    def run(
        self,
        image: Image,
        seeds: Mask | None = None,
        seed_points: Landmarks | None = None,
        mask: Mask | None = None,
        *,
        progress: Progress = SILENT,
    ) -> Grown:
        at = within_mask(seed_voxels(image, seeds, seed_points), mask, progress)
        array = sitk.GetArrayViewFromImage(image)
        own = array[at].astype(np.float64)
        radii = [int(self.radius_mm / s + 1e-6) for s in Grid.of(image).spacing_kji]
        around = values_around(array, at, radii, progress)
        sd = float(around.std(ddof=1, dtype=np.float64)) if around.size > 1 else 0.0
        lower, upper = self._range(float(around.mean(dtype=np.float64)), sd, own, array.dtype)
        steps = self.iterations + 1
        taken = 0
        for step in range(steps):
            share = progress.part(0.9 * step / steps, 0.9 * (step + 1) / steps)
            chosen = reached(between(image, lower, upper, mask, share.part(0.0, 0.4)), at, False, share.part(0.4, 0.8))
            cells = size_cells(chosen, image, share.part(0.8, 1.0))
            if step == self.iterations or not cells["sd"] > 0:
                break
            after = self._range(cells["mean"], cells["sd"], own, array.dtype)
            if after == (lower, upper):
                break
            lower, upper = after
            taken += 1
        labels = labels_of({self.segment: chosen}, image, "Move the seeds.")
        warn_if_leaked(chosen, progress)
        progress.report(1.0, "Growing")
        row = {"segment": self.segment, "seeds": own.size, "lower": lower, "upper": upper, "iterations": taken}
        return Grown(labels, Measurements(COLUMNS, (row | cells,)))

    def _range(self, mean: float, sd: float, own: np.ndarray, dtype: np.dtype) -> tuple[float, float]:
        """In the precision of the image, so that the seeds' own values are inside."""
        lower = min(mean - self.multiplier * sd, float(own.min()))
        upper = max(mean + self.multiplier * sd, float(own.max()))
        if dtype.kind != "f":
            return math.ceil(lower), math.floor(upper)
        return float(dtype.type(lower)), float(dtype.type(upper))
