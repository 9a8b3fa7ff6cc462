"""One value outside a mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import SimpleITK as sitk

from ..blockwise import for_each
from ..errors import InputError
from ..geometry import image_like
from ..kernels.ranks import slabs_of
from ..operation import Operation
from ..progress import SILENT, Progress
from ..resampling import smallest
from ..values import Image, Mask
from .outside import checked_value


@dataclass(frozen=True)
class ApplyMask(Operation):
    """Give all voxels outside a mask one value.

    Voxels inside keep their value, and the pixel type stays. Air is -1000 in CT, 0 in MR: the value outside is the
    smallest of the image unless you say another, and what it was is said. NaN and infinite voxels outside are
    replaced as well; inside they are refused.

    Inputs
    ------
    image
        Image to mask.
    mask
        What is kept.

    Outputs
    -------
    image
        Masked image.

    Parameters
    ----------
    outside_value
        Value outside the mask; if not set, the smallest finite value of the image.
    invert
        Keep what is outside the mask instead.
    """

    name: ClassVar[str] = "apply_mask"
    title: ClassVar[str] = "Apply mask"
    group: ClassVar[str] = "Masks"
    vector: ClassVar[bool] = True
    memory_factor: ClassVar[float] = 1.5
    finite_only: ClassVar[bool] = False
    keeps: ClassVar = {"image": "image"}
    presets: ClassVar = {"Smallest value": {}, "CT air": {"outside_value": -1000.0}, "Zero": {"outside_value": 0.0}}

    outside_value: float | None = None
    invert: bool = False

    def run(self, image: Image, mask: Mask, *, progress: Progress = SILENT) -> Image:
        progress.report(0.0, "Masking")
        array = sitk.GetArrayViewFromImage(image)
        parts = image.GetNumberOfComponentsPerPixel()
        value: float | np.ndarray
        if self.outside_value is not None:
            value = checked_value(self.outside_value, image, "outside_value")
        elif parts > 1:
            value = np.array([smallest(sitk.VectorIndexSelectionCast(image, c)) for c in range(parts)], array.dtype)
        else:
            value = smallest(image)
        kept = sitk.GetArrayViewFromImage(mask) != 0
        if self.invert:
            kept = ~kept
        out = np.empty(array.shape, array.dtype)

        def masked(part: slice) -> int:
            out[part] = array[part]
            out[part][~kept[part]] = value
            return 0 if array.dtype.kind != "f" else int(np.count_nonzero(~np.isfinite(out[part])))

        wrong = sum(for_each(masked, slabs_of(array), progress=progress, message="Masking"))
        if wrong:
            raise InputError(
                f"The image has {wrong} voxels that are NaN or infinite and are kept; repair it, or leave them out.",
                role="image",
                nonfinite=wrong,
            )
        if self.outside_value is None and not kept.all():
            shown = ", ".join(f"{v:g}" for v in np.atleast_1d(value))
            progress.warn(f"The value outside is {shown}, the smallest of the image.")
        return image_like(out, image)
