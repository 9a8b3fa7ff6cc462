"""A mask of the patient or phantom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..geometry import image_like
from ..operation import Operation
from ..parameters import Quantity
from ..progress import SILENT, Progress
from ..quality.body import body_mask
from ..values import Image, Mask

SMALL = 0.05
"""A body that is less of the image is said: the threshold may have found its brightest part only."""


@dataclass(frozen=True)
class BodyMask(Operation):
    """Find the body (or head, or phantom) as a mask.

    Voxels above a threshold (Otsu's, if none is given); of these the largest piece, so that a table or a head rest
    falls away unless it touches; gaps up to twice `closing_voxels` wide closed; holes filled that do not reach the
    border of the image, in three dimensions, or reach it only where the body lies around them, such as lungs cut by
    the end of the scan. Air that is open to the outside stays outside. Rough: look at it before it decides anything.
    For CT a threshold of -300 HU is usual. In PET and wherever a small part is much brighter than the rest, Otsu's
    threshold finds that part: give one. A mask of less than 5 % of the image is said.

    Inputs
    ------
    image
        Image of a bright body in dark air.

    Outputs
    -------
    mask
        1 in the body.

    Parameters
    ----------
    threshold
        Values above it belong to the body; if not set, Otsu's threshold.
    closing_voxels
        Steps by which the mask is grown and shrunk again to close gaps.
    fill
        Fill holes.
    """

    name: ClassVar[str] = "body_mask"
    title: ClassVar[str] = "Body mask"
    group: ClassVar[str] = "Masks"
    memory_factor: ClassVar[float] = 3.75
    revision: ClassVar[int] = 2
    why_whole: ClassVar[str] = "the body is its largest part"
    finite_only: ClassVar[bool] = False
    presets: ClassVar = {"Automatic": {}, "CT, -300 HU": {"threshold": -300.0}}

    threshold: float | None = None
    closing_voxels: Annotated[int, Quantity("voxels", low=0, high=30)] = 3
    fill: bool = True

    def run(self, image: Image, *, progress: Progress = SILENT) -> Mask:
        progress.report(0.0, "Finding the object")
        array = sitk.GetArrayViewFromImage(image)
        wrong = 0 if array.dtype.kind != "f" else sum(int(np.count_nonzero(~np.isfinite(part))) for part in array)
        if wrong:
            progress.warn(f"The image has {wrong} voxels that are NaN or infinite; they count as air.")
        found = body_mask(
            image,
            progress,
            threshold=self.threshold,
            closing_voxels=self.closing_voxels,
            fill=self.fill,
            cut_holes=True,
        )
        if found is None:
            at = "" if self.threshold is None else f", or no voxel is above {self.threshold:g}"
            raise InputError(f"The image is constant{at}; there is no body in it.", role="image")
        if found.all():
            progress.warn("The mask is the whole image: nothing in it looks like air.")
        elif (share := float(found.mean())) < SMALL:
            progress.warn(
                f"The mask is only {100 * share:.2g} % of the image; look at it. If it is the brightest part only, "
                "give a lower threshold."
            )
        return image_like(found.astype(np.uint8), image)
