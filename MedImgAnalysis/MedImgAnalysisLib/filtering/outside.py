"""The value of voxels that an image does not have."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from ..errors import ParameterError


def checked_value(value: float, image: sitk.Image, field: str) -> float:
    """`value` when the pixel type of the image can hold it, else `ParameterError` with the range of the type."""
    dtype = sitk.GetArrayViewFromImage(image).dtype
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        if not limits.min <= value <= limits.max or value != int(value):
            raise ParameterError(
                f"{field} is {value:g}; voxels of the image are whole numbers from {limits.min} to {limits.max}.",
                field=field,
                value=repr(value),
            )
    elif abs(value) > float(np.finfo(dtype).max):
        raise ParameterError(f"{field} is {value:g}; the voxels of the image cannot hold it.", field=field)
    return value
