"""Arrays for filters: working type, axes, and putting the result back where a mask says."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from ..blockwise import map_slabs
from ..kernels.separable import working_type
from ..progress import Progress

EXACT_INTEGER = 2**53


def floating(image: sitk.Image, progress: Progress) -> np.ndarray:
    """The voxels (k, j, i[, component]) in the working type of filters that compute with fractions.

    float32 for types of up to 16 bits and float32; float64 for wider ones, so that no digit of an
    int32 or float64 image is lost. Always a new array.
    """
    array = precise(image, progress)
    return np.array(array, working_type(array.dtype))


def precise(image: sitk.Image, progress: Progress) -> np.ndarray:
    """A view of the voxels (k, j, i[, component]), for work in `working_type`; warns where that rounds them.

    The image must outlive the view.
    """
    array = sitk.GetArrayViewFromImage(image)
    wide = array.dtype.kind in "iu" and array.dtype.itemsize == 8
    if wide and max(abs(int(array.min())), abs(int(array.max()))) > EXACT_INTEGER:
        progress.warn("The image has integers beyond 2^53; they were rounded to float64.")
    return array


def middle_of(image: sitk.Image) -> float:
    """The middle of the range of the values, with the digits of float64."""
    array = sitk.GetArrayViewFromImage(image)
    low, high = (float(array.min()), float(array.max()))
    return low + 0.5 * (high - low)


def halfway(image: sitk.Image) -> float:
    """Half the sum of the smallest and the largest value."""
    array = sitk.GetArrayViewFromImage(image)
    return 0.5 * (float(array.min()) + float(array.max()))


def centred(image: sitk.Image, middle: float, progress: Progress) -> np.ndarray:
    """The voxels less the middle of their range, as float32: for results that do not depend on a constant.

    The digits that float32 has are those of the contrast, whatever the type; every pixel type gives the same numbers.
    """
    array = precise(image, progress)
    out = np.empty(array.shape, np.float32)
    # The middle of 8- and 16-bit images is a float32, of others the difference is taken in float64.
    exact = array.dtype.itemsize <= 2
    return map_slabs(
        lambda slab: slab.astype(np.float32) - np.float32(middle) if exact else slab - np.float64(middle),
        array,
        0,
        out,
        progress=progress.part(0.0, 0.0),
    )


def contrast_middle(image: sitk.Image) -> float:
    """What `contrast_of` takes off: nothing off 8- and 16-bit voxels."""
    return 0.0 if sitk.GetArrayViewFromImage(image).dtype.itemsize <= 2 else middle_of(image)


def contrast_of(image: sitk.Image, middle: float, progress: Progress) -> np.ndarray:
    """A view of 8- and 16-bit voxels, others `centred`: for differences of neighbours in float32.

    The image must outlive the view.
    """
    array = sitk.GetArrayViewFromImage(image)
    return array if array.dtype.itemsize <= 2 else centred(image, middle, progress)
