"""Growing from seeds that does not leak through narrow gaps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..geometry import Grid
from ..kernels.morphology import dilate, erode
from ..parameters import Quantity
from ..progress import SILENT, Progress
from ..values import Image, Landmarks, Mask, Measurements
from .growing import between, reached, values_around, warn_if_leaked
from .grown import COLUMNS, Growing, Grown
from .outcome import labels_of, size_cells
from .seeds import seed_voxels, within_mask


@dataclass(frozen=True)
class GrowNeighbourhood(Growing):
    """Grow from seeds through places that are wide enough.

    Where growing by range leaks through a thin bridge. A voxel is taken only when its whole box of `radius_mm` lies
    within `lower` and `upper`, so gaps narrower than the box stop it; the segment ends a radius before the edge. With
    `restore` the radius is given back inside the range. Without `lower` and `upper` the range is that of the boxes of
    the seeds, widened by `widen`. Without `restore` it is ITK's neighbourhood connected filter.

    Parameters
    ----------
    lower
        Smallest value of the segment; none takes it from around the seeds.
    upper
        Largest value of the segment; none takes it from around the seeds.
    widen
        How far the range of the seeds is widened, in units of the image.
    radius_mm
        Half width of the box that must be within the range.
    restore
        Whether the rim of one radius is given back.
    """

    name: ClassVar[str] = "grow_neighbourhood"
    title: ClassVar[str] = "Grow through wide places"
    memory_factor: ClassVar[float] = 3.5
    presets: ClassVar = {"Lung in CT, trachea cut off": {"lower": -1024.0, "upper": -500.0, "radius_mm": 4.0}}

    lower: float | None = None
    upper: float | None = None
    widen: Annotated[float, Quantity("", low=0.0)] = 0.0
    radius_mm: Annotated[float, Quantity("mm", low=0.0, high=50.0)] = 2.0
    restore: bool = True
    segment: str = "Grown"

    def check(self) -> None:
        """Refuse an empty range."""
        self.check_range(self.lower, self.upper)

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
        radii = [float(int(self.radius_mm / s + 1e-6)) for s in Grid.of(image).spacing_kji]
        if self.radius_mm and not any(radii):
            progress.warn(f"A radius of {self.radius_mm:g} mm is smaller than a voxel and has no effect.")
        around = values_around(sitk.GetArrayViewFromImage(image), at, [int(r) for r in radii], progress)
        lower = float(around.min()) - self.widen if self.lower is None else self.lower
        upper = float(around.max()) + self.widen if self.upper is None else self.upper
        allowed = between(image, lower, upper, mask, progress.part(0.0, 0.2))
        wide = erode(allowed.view(np.uint8), radii, "box", progress.part(0.2, 0.4)).view(bool)
        inside = wide[at]
        if not inside.any():
            values = sitk.GetArrayViewFromImage(image)[at]
            raise InputError(
                f"No seed lies in a place that is {self.radius_mm:g} mm wide to all sides between {lower:g} and "
                f"{upper:g} (the seeds have {values.min():g} to {values.max():g}); change the range or the "
                "radius, or move the seeds.",
                role="seeds",
            )
        if not inside.all():
            progress.warn(
                f"{np.count_nonzero(~inside)} of {inside.size} seeds lie too close to the edge; they do not count."
            )
        chosen = reached(wide, at, False, progress.part(0.4, 0.8))
        if self.restore:
            chosen = dilate(chosen.view(np.uint8), radii, "box", progress.part(0.8, 0.9)).view(bool) & allowed
        labels = labels_of({self.segment: chosen}, image, "Move the seeds into the range.")
        warn_if_leaked(chosen, progress)
        row = {"segment": self.segment, "seeds": len(at[0]), "lower": lower, "upper": upper}
        return Grown(labels, Measurements(COLUMNS, (row | size_cells(chosen, image, progress.part(0.9, 1.0)),)))
