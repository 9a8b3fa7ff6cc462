"""The steps that growing operations share: which voxels may be taken, and which of them the seeds reach."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk

from ..blockwise import map_slabs
from ..kernels.components import Components
from ..kernels.morphology import dilate
from ..progress import SILENT, Progress, Quiet
from .seeds import At

LEAK = 0.5
"""Part of the image from which on a grown segment looks like a leak."""


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


def values_around(array: np.ndarray, at: At, radii: Sequence[int], progress: Progress = SILENT) -> np.ndarray:
    """The values of the voxels in boxes around the voxels `at`, each voxel once, (N,)."""
    box = tuple(slice(max(0, int(axis.min()) - r), int(axis.max()) + r + 1) for axis, r in zip(at, radii, strict=True))
    part = array[box]
    near: np.ndarray = np.zeros(part.shape, np.uint8)
    near[tuple(axis - cut.start for axis, cut in zip(at, box, strict=True))] = 1
    return np.asarray(part[dilate(near, [float(r) for r in radii], "box", Quiet(progress)).view(bool)])


def warn_if_leaked(chosen: np.ndarray, progress: Progress) -> None:
    """Say when a grown segment is so large that it looks like a leak."""
    share = np.count_nonzero(chosen) / chosen.size
    across = all(
        np.take(chosen, 0, axis).any() and np.take(chosen, -1, axis).any()
        for axis, n in enumerate(chosen.shape)
        if n > 1
    )
    if share > LEAK or across:
        where = " and goes from side to side along every axis" if across else ""
        progress.warn(
            f"The segment holds {100 * share:.0f} % of the image{where}: look whether it leaked; if so, narrow the "
            "range or give a mask."
        )
