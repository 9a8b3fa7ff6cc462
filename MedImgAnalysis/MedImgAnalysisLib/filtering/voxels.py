"""Arrays for filters: working type, axes, and putting the result back where a mask says."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from ..geometry import image_like
from ..progress import Progress

EXACT_INTEGER = 2**53


def floating(image: sitk.Image, progress: Progress) -> np.ndarray:
    """The voxels (k, j, i[, component]) in the working type of filters that compute with fractions.

    float32 for types of up to 16 bits and float32; float64 for wider ones, so that no digit of an
    int32 or float64 image is lost. A new array unless the type is the working type already.
    """
    array = sitk.GetArrayViewFromImage(image)
    if array.dtype.itemsize <= 2 or array.dtype == np.float32:
        return np.array(array, np.float32)
    wide = array.dtype.kind in "iu" and array.dtype.itemsize == 8
    if wide and max(abs(int(array.min())), abs(int(array.max()))) > EXACT_INTEGER:
        progress.warn("The image has integers beyond 2^53; they were rounded to float64.")
    return np.array(array, np.float64)


def finished(array: np.ndarray, image: sitk.Image, mask: sitk.Image | None) -> sitk.Image:
    """The result as an image like `image`; outside the mask it has the voxels of `image`."""
    if mask is not None:
        outside = sitk.GetArrayViewFromImage(mask) == 0
        original = sitk.GetArrayViewFromImage(image)
        array[outside] = original[outside]
    return image_like(array, image)
