"""Where growing begins: points and painted voxels as voxel indices."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..geometry import Grid
from ..progress import Progress
from ..values import Landmarks

At = tuple[np.ndarray, ...]
"""Index arrays in the order of numpy axes."""


def seed_voxels(
    image: sitk.Image, painted: sitk.Image | None, points: Landmarks | None, what: str = "seeds", role: str = "seeds"
) -> At:
    """The voxels of a painted mask (on the grid of the image) and the nearest ones of points, each once.

    Raises `InputError` when there is no seed at all, or naming the points that lie outside the image. A point
    within half a voxel of the outermost centres is inside.
    """
    shape = image.GetSize()[::-1]
    found: list[np.ndarray] = []
    if painted is not None:
        found.append(np.flatnonzero(sitk.GetArrayViewFromImage(painted)))
    if points is not None and len(points.names):
        found.append(np.ravel_multi_index(tuple(_nearest(image, points, what, role).T), shape))
    # Numbers sort many times faster than rows of indices.
    voxels = (
        found[0]
        if painted is not None and len(found) == 1
        else np.unique(np.concatenate([*found, np.zeros(0, np.intp)]))
    )
    if not voxels.size:
        raise InputError(f"There are no {what}: place points or paint a segment where to begin.", role=role)
    return np.unravel_index(voxels, shape)


def _nearest(image: sitk.Image, points: Landmarks, what: str, role: str) -> np.ndarray:
    grid = Grid.of(image)
    index = np.floor(grid.to_index(points.points[:, : grid.dimension]) + 0.5).astype(np.intp)
    outside = ((index < 0) | (index >= grid.size)).any(axis=1)
    if outside.any():
        names = ", ".join(name for name, out in zip(points.names, outside, strict=True) if out)
        raise InputError(f"Of the {what} {names} lie outside the image; move or remove them.", role=role)
    return np.asarray(index[:, ::-1])


def within_mask(at: At, mask: sitk.Image | None, progress: Progress, role: str = "seeds") -> At:
    """The seeds inside the mask (all of them if None), saying how many others do not count; `InputError` if none is."""
    if mask is None:
        return at
    inside = sitk.GetArrayViewFromImage(mask)[at] != 0
    if not inside.any():
        raise InputError("The seeds lie outside the mask; move them into it.", role=role)
    if not inside.all():
        progress.warn(f"{np.count_nonzero(~inside)} of {inside.size} seeds lie outside the mask and do not count.")
    return tuple(axis[inside] for axis in at)


def check_apart(image: sitk.Image, first: At, second: At, what: str, role: str) -> None:
    """Refuse two seed sets that share voxels."""
    shape = image.GetSize()[::-1]
    mine, others = (np.ravel_multi_index(at, shape) for at in (first, second))
    shared = np.intersect1d(mine, others, assume_unique=True).size
    if shared:
        raise InputError(f"{what} share {shared} voxels; a voxel can be a seed of one only.", role=role)
