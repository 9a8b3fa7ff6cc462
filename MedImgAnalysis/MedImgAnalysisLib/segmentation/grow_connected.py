"""Growing from seeds through a range of values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..parameters import Quantity
from ..progress import SILENT, Progress
from ..values import Image, Landmarks, Mask, Measurements
from .growing import between, reached, warn_if_leaked
from .grown import COLUMNS, Growing, Grown
from .outcome import labels_of, size_cells
from .seeds import seed_voxels, within_mask


@dataclass(frozen=True)
class GrowConnected(Growing):
    """Grow from seeds to all connected voxels within a range of values.

    For structures of one brightness that touch nothing of the same brightness: an airway, a vessel, an organ with
    contrast agent, the lungs from air. The segment is every voxel that a path of neighbours within `lower` and
    `upper` (both inclusive) joins to a seed. Without `lower` and `upper` the range is that of the seeds, widened by
    `widen` on either side.

    Parameters
    ----------
    lower
        Smallest value of the segment; none takes it from the seeds.
    upper
        Largest value of the segment; none takes it from the seeds.
    widen
        How far the range of the seeds is widened, in units of the image.
    corners
        Whether voxels that share only an edge or a corner are neighbours.
    """

    name: ClassVar[str] = "grow_connected"
    title: ClassVar[str] = "Grow by range"
    memory_factor: ClassVar[float] = 3.0
    presets: ClassVar = {
        "Lung in CT": {"lower": -1024.0, "upper": -400.0},
        "Bone in CT": {"lower": 200.0, "upper": 3071.0},
    }

    lower: float | None = None
    upper: float | None = None
    widen: Annotated[float, Quantity("", low=0.0)] = 0.0
    corners: bool = False
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
        # Compared in the type of the image, as all voxels are.
        values = sitk.GetArrayViewFromImage(image)[at]
        lower = float(values.min()) - self.widen if self.lower is None else self.lower
        upper = float(values.max()) + self.widen if self.upper is None else self.upper
        inside = (values >= lower) & (values <= upper)
        if not inside.any():
            raise InputError(
                f"The seeds have values from {values.min():g} to {values.max():g}, none of them between {lower:g} and "
                f"{upper:g}; change the range or move the seeds.",
                role="seeds",
            )
        if not inside.all():
            progress.warn(f"{np.count_nonzero(~inside)} of {inside.size} seeds lie outside the range and do not count.")
        allowed = between(image, lower, upper, mask, progress.part(0.0, 0.3))
        chosen = reached(allowed, at, self.corners, progress.part(0.3, 0.9))
        labels = labels_of({self.segment: chosen}, image, "Move the seeds.")
        warn_if_leaked(chosen, progress)
        row = {"segment": self.segment, "seeds": len(at[0]), "lower": lower, "upper": upper}
        return Grown(labels, Measurements(COLUMNS, (row | size_cells(chosen, image, progress.part(0.9, 1.0)),)))
