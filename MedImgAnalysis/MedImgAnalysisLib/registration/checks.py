"""Images that registration can work with, and why others are refused."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..progress import Progress
from .pyramid import SMALLEST

LEAST_VOXELS = {2: 100, 3: 500}
"""By dimension: fewer say too little for a metric."""
LEAST_INSIDE = 50
"""Voxels of a mask."""
UNIT_RATIO, SIZE_RATIO = 90.0, 8.0
"""Ratio of the diagonals from which the units must differ, and from which they may."""


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
