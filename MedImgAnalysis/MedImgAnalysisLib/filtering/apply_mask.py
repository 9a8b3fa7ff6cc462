"""One value outside a mask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import SimpleITK as sitk

from ..blockwise import for_each
from ..errors import InputError
from ..geometry import Grid, image_like
from ..kernels.ranks import slabs_of
from ..operation import Operation
from ..progress import SILENT, Progress
from ..resampling import checked_value, smallest
from ..values import Image, Mask


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
    memory_factor: ClassVar[float] = 2.25
    finite_only: ClassVar[bool] = False
    keeps: ClassVar = {"image": "image"}
    presets: ClassVar = {"Smallest value": {}, "CT air": {"outside_value": -1000.0}, "Zero": {"outside_value": 0.0}}

    measured_by: ClassVar[tuple[str, ...]] = ("outside_value",)

    outside_value: float | None = None
    invert: bool = False

    def halo(self, grid: Grid) -> tuple[int, ...]:
        return (0,) * grid.dimension

    def whole(self, inputs: Mapping[str, Any], progress: Progress = SILENT) -> float | np.ndarray:
        image = inputs["image"]
        parts, dtype = image.GetNumberOfComponentsPerPixel(), sitk.GetArrayViewFromImage(image).dtype
        if self.outside_value is not None:
            return checked_value(self.outside_value, image, "outside_value")
        if parts > 1:
            return np.array([smallest(sitk.VectorIndexSelectionCast(image, c)) for c in range(parts)], dtype)
        return smallest(image)

    def run(self, image: Image, mask: Mask, *, progress: Progress = SILENT) -> Image:
        progress.report(0.0, "Masking")
        array = sitk.GetArrayViewFromImage(image)
        value = self.whole({"image": image}) if self.known is None else self.known
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
