"""Automatic masks: the head (or body, or phantom) and the air around it."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from ..kernels.components import Components, grown
from ..progress import Progress
from .arrays import slabs
from .similarity import bin_numbers

BINS = 256
CLOSING_VOXELS = 3
AIR_VOXELS = 6


def body_mask(
    image: sitk.Image,
    progress: Progress,
    *,
    threshold: float | None = None,
    closing_voxels: int = CLOSING_VOXELS,
    fill: bool = True,
    cut_holes: bool = False,
) -> np.ndarray | None:
    """The object in the image: Otsu threshold, largest component, closing by 3 voxels, holes filled.

    Boolean (k, j, i); None when the image is constant or nothing is above the threshold. Voxels that are NaN or
    infinite count as dark.
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
    progress.check()
    if work.min() == work.max():
        return None
    bright = work > (otsu(work, progress.part(0.0, 0.3)) if threshold is None else threshold)
    del work
    progress.check()
    if not bright.any():
        return None
    progress.check()
    largest = Components(bright, progress).largest(progress)
    closed = _closed(largest, closing_voxels, progress.part(0.4, 0.8))
    if fill:
        closed = _filled(closed, cut_holes, progress)
    progress.report(1.0, "Finding the object")
    return closed


def _filled(mask: np.ndarray, cut_holes: bool, progress: Progress) -> np.ndarray:
    """The mask with its holes: background that does not reach the border of the image; with `cut_holes` also what
    reaches it only where the object lies around it, as around lungs that the end of the scan cuts."""
    around = Components(~mask, progress)
    if mask.ndim < 3 or not cut_holes:
        return mask | around.inner(progress)
    open_to: list[np.ndarray] = []
    for axis in range(mask.ndim):
        for end in (0, mask.shape[axis] - 1):
            face = ~np.take(mask, end, axis)
            places = np.argwhere(face & ~Components(face, progress).inner(progress))
            open_to.append(np.insert(places, axis, end, axis=1))
    return ~around.holding(tuple(np.concatenate(open_to).T), progress)


def _closed(mask: np.ndarray, steps: int, progress: Progress) -> np.ndarray:
    """The mask grown and shrunk again.

    Room is added first: without it air between the body and the border of the image would be closed as if the body went
    on beyond.
    """
    room = [(steps if n > 1 else 0,) * 2 for n in mask.shape]
    wide = grown(np.pad(mask, room), steps, progress.part(0.0, 0.5))
    closed = ~grown(~wide, steps, progress.part(0.5, 1.0))
    return closed[tuple(slice(before, n - after) for (before, after), n in zip(room, closed.shape, strict=True))]


def otsu(array: np.ndarray, progress: Progress) -> float:
    """Otsu's threshold (1979) of finite values over 256 bins: the edge with the largest variance between classes."""
    low, high = float(array.min()), float(array.max())
    counts = np.zeros(BINS, np.int64)
    for part in slabs(array.shape, progress):
        counts += np.bincount(bin_numbers(array[part].ravel().astype(np.float64), low, high, BINS), minlength=BINS)
    edges = np.linspace(low, high, BINS + 1)
    centres = (edges[1:] + edges[:-1]) / 2
    weight = np.cumsum(counts)[:-1].astype(np.float64)
    moment = np.cumsum(counts * centres)[:-1]
    rest = array.size - weight
    # The first and the last bin are never empty, so neither class is.
    difference = moment / weight - ((counts * centres).sum() - moment) / rest
    return float(edges[1 + int((weight * rest * difference**2).argmax())])


def air_mask(body: np.ndarray, progress: Progress) -> np.ndarray:
    """What lies more than 6 voxels (along the axes) outside the object."""
    return ~grown(body, AIR_VOXELS, progress)
