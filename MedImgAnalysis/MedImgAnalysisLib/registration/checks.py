"""Images that registration can work with, and why others are refused."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..geometry import Grid
from ..progress import Progress
from .pyramid import SMALLEST

LEAST_VOXELS = {2: 100, 3: 500}
"""By dimension: fewer say too little for a metric."""
LEAST_INSIDE = 50
"""Voxels of a mask."""
UNIT_RATIO, SIZE_RATIO = 90.0, 8.0
"""Ratio of the diagonals from which the units must differ, and from which they may."""
OUTLIERS_PERCENT = 0.1
"""Part of the voxels at either end that is clipped, so that a few bright ones do not rule the metric."""
ENOUGH = 1 << 20


def check_pair(fixed: sitk.Image, moving: sitk.Image, progress: Progress) -> None:
    """Raise `InputError` for a pair that cannot be aligned; warn of one whose units may differ."""
    if fixed.GetDimension() != moving.GetDimension():
        raise InputError(
            "One image is 2-D and the other 3-D; registration needs both of one dimension. Take the matching slice of "
            "the volume, or give the slice as a volume of several slices.",
            role="moving",
        )
    for image, what in ((fixed, "fixed"), (moving, "moving")):
        _check_size(image, what)
    sizes = [float(np.linalg.norm(np.multiply(i.GetSize(), i.GetSpacing()))) for i in (fixed, moving)]
    ratio = max(sizes) / min(sizes)
    told = f"The fixed image is {sizes[0]:.4g} mm across and the moving one {sizes[1]:.4g} mm"
    if ratio > UNIT_RATIO:
        raise InputError(
            f"{told}: their units differ or a voxel size is wrong. Spacing must be in millimetres; correct it in the "
            "image that is wrong.",
            role="fixed" if sizes[0] < sizes[1] else "moving",
        )
    if ratio > SIZE_RATIO:
        progress.warn(f"{told}; check that both voxel sizes are in millimetres, or crop the larger image.")


def _check_size(image: sitk.Image, what: str) -> None:
    size = image.GetSize()
    if min(size) < SMALLEST:
        advice = " A single slice must be given as a 2-D image." if image.GetDimension() == 3 and min(size) == 1 else ""
        raise InputError(
            f"The {what} image has {min(size)} voxels along one axis; registration needs at least {SMALLEST}.{advice}",
            role=what,
        )
    if image.GetNumberOfPixels() < LEAST_VOXELS[image.GetDimension()]:
        raise InputError(
            f"The {what} image has {' x '.join(map(str, size))} voxels, too few to be aligned by their values; use "
            "landmarks.",
            role=what,
        )


def check_mask(mask: sitk.Image | None, what: str) -> None:
    """Raise `InputError` for a mask that leaves next to nothing."""
    if mask is None:
        return
    count = int(np.count_nonzero(sitk.GetArrayViewFromImage(mask)))
    if count < LEAST_INSIDE:
        raise InputError(
            f"The {what} mask lets {count} voxels through; registration needs at least {LEAST_INSIDE}. Widen it.",
            role=f"{what}_mask",
        )


def prepared(image: sitk.Image, mask: sitk.Image | None, what: str, progress: Progress) -> sitk.Image:
    """`image` as float32 without outliers, for the metric; refuses what is constant in the mask.

    Values are clipped to their 0.1st and 99.9th percentile (inside the mask), unless fewer voxels than that differ.
    """
    array = sitk.GetArrayViewFromImage(image)
    step = max(1, round((array.size / ENOUGH) ** (1 / array.ndim)))
    few = array[(slice(None, None, step),) * array.ndim]
    inside = None
    if mask is not None and Grid.of(mask).same_as(Grid.of(image)):
        inside = sitk.GetArrayViewFromImage(mask) != 0
        few = few[inside[(slice(None, None, step),) * array.ndim]]
    progress.check()
    low, high = (
        (float(v) for v in np.percentile(few, (OUTLIERS_PERCENT, 100 - OUTLIERS_PERCENT))) if few.size else (0, 0)
    )
    if low >= high:
        values = array if inside is None else array[inside]
        low, high = float(values.min()), float(values.max())
    if low >= high:
        where = "" if inside is None else " inside its mask"
        raise InputError(f"The {what} image is constant{where}; there is nothing to align.", role=what)
    progress.check()
    made = np.empty(array.shape, np.float32)
    for layer in range(len(array)):
        np.clip(array[layer], low, high, out=made[layer], casting="unsafe")
    progress.check()
    return Grid.of(image).put_on(sitk.GetImageFromArray(made))
