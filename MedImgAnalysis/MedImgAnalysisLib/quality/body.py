"""Automatic masks: the head (or body, or phantom) and the air around it."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from ..blockwise import map_slabs
from ..geometry import image_like
from ..progress import Progress, run_filter
from .arrays import slabs

CLOSING_VOXELS = 3
AIR_VOXELS = 6


def body_mask(image: sitk.Image, progress: Progress) -> np.ndarray | None:
    """The object in the image: Otsu threshold, largest component, closing by 3 voxels, holes filled.

    Boolean (k, j, i); None when the image is constant. Voxels that are NaN or infinite count as dark.
    """
    array = sitk.GetArrayViewFromImage(image)
    work = np.empty(array.shape, np.float32)
    low = np.inf
    for part in slabs(array.shape, progress):
        work[part] = array[part]
        good = np.isfinite(work[part])
        low = min(low, float(work[part].min(where=good, initial=np.inf)))
    if not np.isfinite(low):
        return None
    for part in slabs(array.shape, progress):
        np.nan_to_num(work[part], copy=False, nan=low, posinf=low, neginf=low)
    if work.min() == work.max():
        return None
    otsu = sitk.OtsuThresholdImageFilter()
    otsu.SetInsideValue(0)
    otsu.SetOutsideValue(1)
    otsu.SetNumberOfHistogramBins(256)
    bright = run_filter(otsu, image_like(work, image), progress=progress.part(0, 0.3), message="Finding the object")
    progress.check()
    parts = sitk.ConnectedComponent(bright)
    progress.check()
    largest = sitk.GetArrayFromImage(sitk.RelabelComponent(parts)) == 1
    if not largest.any():
        return None
    closed = ~grown(~grown(largest, CLOSING_VOXELS, progress.part(0.4, 0.6)), CLOSING_VOXELS, progress.part(0.6, 0.8))
    # Growing beyond the border of the image is cut off there, so closing must not lose what was.
    closed |= largest
    progress.check()
    # Background that does not reach the border of the image is a hole.
    empty = sitk.GetArrayFromImage(sitk.ConnectedComponent(image_like((~closed).view(np.uint8), image)))
    progress.check()
    outer = np.zeros(int(empty.max()) + 1, bool)
    for axis in range(empty.ndim):
        outer[np.take(empty, (0, -1), axis)] = True
    # Number 0 is the object itself.
    outer[0] = False
    return ~outer[empty]


def air_mask(body: np.ndarray, progress: Progress) -> np.ndarray:
    """What lies more than 6 voxels (along the axes) outside the object."""
    return ~grown(body, AIR_VOXELS, progress)


def grown(mask: np.ndarray, voxels: int, progress: Progress) -> np.ndarray:
    """A mask dilated `voxels` times by face neighbours; nothing comes in from outside the image."""
    from scipy.ndimage import binary_dilation

    out = np.empty(mask.shape, bool)
    return map_slabs(lambda slab: binary_dilation(slab, iterations=voxels), mask, voxels, out, progress=progress,
                     message="Finding the object")  # fmt: skip
