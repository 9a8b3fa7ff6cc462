"""The steps that growing operations share: which voxels may be taken, and which of them the seeds reach."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk

from ..blockwise import map_slabs
from ..kernels.components import Components
from ..progress import SILENT, Progress
from .seeds import At


def between(
    image: sitk.Image, lower: float, upper: float, mask: sitk.Image | None, progress: Progress = SILENT
) -> np.ndarray:
    """Boolean array (k, j, i) of the voxels from `lower` to `upper`, both inclusive, inside the mask."""
    array = sitk.GetArrayViewFromImage(image)
    allowed = np.empty(array.shape, bool)
    map_slabs(lambda slab: (slab >= lower) & (slab <= upper), array, 0, allowed, progress=progress, message="Range")
    if mask is not None:
        allowed &= sitk.GetArrayViewFromImage(mask) != 0
    return allowed


def reached(allowed: np.ndarray, at: At, corners: bool, progress: Progress = SILENT) -> np.ndarray:
    """The allowed voxels that a path of allowed neighbours joins to a seed; seeds that are not allowed do not count."""
    progress.report(0.0, "Growing")
    found = Components(allowed, progress, corners).holding(at, progress)
    progress.report(1.0, "Growing")
    return found


def neighbourhoods(array: np.ndarray, at: At, radii: Sequence[int]) -> np.ndarray:
    """The values of the boxes around the voxels `at`, repeated beyond the border, float64 of shape (N, box)."""
    offsets = np.stack(np.meshgrid(*(np.arange(-r, r + 1) for r in radii), indexing="ij"), axis=-1).reshape(
        -1, array.ndim
    )
    places = np.stack(at, axis=-1)[:, None, :] + offsets
    clipped = np.clip(places, 0, np.array(array.shape) - 1)
    return np.asarray(array[tuple(np.moveaxis(clipped, -1, 0))], np.float64)
