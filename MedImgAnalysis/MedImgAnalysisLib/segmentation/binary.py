"""Binary morphology of a segment in its box, in millimetres."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk

from ..blockwise import map_slabs
from ..kernels import gaussian
from ..kernels.components import Components
from ..kernels.morphology import close_grey, open_grey
from ..progress import SILENT, Progress, run_filter

CLOSE_TO = 1e-5
"""Part of a margin by which a distance in float32 may be beyond it."""


def opened(inside: np.ndarray, radius_mm: float, spacing: Sequence[float], progress: Progress = SILENT) -> np.ndarray:
    """Without the parts that a ball of the radius does not fit into; what the border cuts may go on beyond it."""
    return open_grey(inside.view(np.uint8), [radius_mm / s for s in spacing], "ball", progress).view(bool)


def closed(inside: np.ndarray, radius_mm: float, spacing: Sequence[float], progress: Progress = SILENT) -> np.ndarray:
    """With the gaps that a ball of the radius does not fit into.

    Beyond the border is background, or what lies near the border would grow together with it.
    """
    wide = [int(radius_mm / s) + 1 if n > 1 else 0 for s, n in zip(spacing, inside.shape, strict=True)]
    padded = np.pad(inside.view(np.uint8), [(w, w) for w in wide])
    found = close_grey(padded, [radius_mm / s for s in spacing], "ball", progress)
    return np.asarray(found[tuple(slice(w, n - w) for w, n in zip(wide, found.shape, strict=True))].view(bool))


def smoothed(inside: np.ndarray, sigma_mm: float, spacing: Sequence[float], progress: Progress = SILENT) -> np.ndarray:
    """Where a Gaussian mean of the mask is above one half; even surfaces stay where they are."""
    mean = gaussian.smooth(inside.view(np.uint8), [sigma_mm / s for s in spacing], progress)
    return np.asarray(mean > 0.5 + 1e-6)


def filled(inside: np.ndarray, progress: Progress = SILENT) -> np.ndarray:
    """With the holes that no path of face neighbours joins to the border of the array.

    Axes of one voxel are left out: a single slice is filled in the plane. Give a ring of background where the array is
    cut out of an image, or the cut closes holes.
    """
    thin = tuple(axis for axis, n in enumerate(inside.shape) if n == 1)
    if len(thin) == inside.ndim:
        return inside
    outside = ~inside.squeeze(thin)
    holes = Components(outside, progress).inner(progress)
    return np.asarray(inside | np.expand_dims(holes, thin))


def grown(inside: np.ndarray, margin_mm: float, spacing: Sequence[float], progress: Progress = SILENT) -> np.ndarray:
    """The voxels whose centre is at most the margin from the centre of a voxel inside."""
    if not inside.any() or margin_mm <= 0:
        return inside
    return _within(inside, margin_mm, spacing, progress)


def shrunk(inside: np.ndarray, margin_mm: float, spacing: Sequence[float], progress: Progress = SILENT) -> np.ndarray:
    """The voxels inside whose centre is further than the margin from the centre of every voxel outside.

    Nothing is known of what lies beyond the border of the array, so the segment does not shrink from there.
    """
    if inside.all() or margin_mm <= 0:
        return inside
    return ~_within(~inside, margin_mm, spacing, progress)


def _within(inside: np.ndarray, margin_mm: float, spacing: Sequence[float], progress: Progress) -> np.ndarray:
    distance = distance_to(inside, spacing, progress)
    out = np.empty(inside.shape, bool)
    limit = margin_mm * (1 + CLOSE_TO)
    return map_slabs(lambda slab: slab <= limit, distance, 0, out)


def distance_to(inside: np.ndarray, spacing: Sequence[float], progress: Progress = SILENT) -> np.ndarray:
    """Distance in millimetres from each voxel centre to the nearest of a voxel inside, 0 there; float32, exact.

    Maurer et al. (2003). `inside` must have a voxel.
    """
    # A slice of background on either side, since ITK has no distance in an image that is full.
    padded = np.pad(inside.view(np.uint8), 1)
    image = sitk.GetImageFromArray(padded)
    image.SetSpacing(tuple(float(s) for s in reversed(spacing)))
    maurer = sitk.SignedMaurerDistanceMapImageFilter()
    maurer.SetInsideIsPositive(False)
    maurer.SetSquaredDistance(False)
    maurer.SetUseImageSpacing(True)
    found = sitk.GetArrayFromImage(run_filter(maurer, image, progress=progress, message="Distances"))
    return np.asarray(np.maximum(found, 0, out=found)[1:-1, 1:-1, 1:-1])
