"""Where growing begins: points and painted voxels as voxel indices."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..geometry import Grid
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
    found = []
    if painted is not None:
        found.append(np.argwhere(sitk.GetArrayViewFromImage(painted)))
    if points is not None and len(points.names):
        found.append(_nearest(image, points, what, role))
    voxels = np.unique(np.concatenate(found), axis=0) if found else np.zeros((0, 0), np.intp)
    if not len(voxels):
        raise InputError(f"There are no {what}: place points or paint a segment where to begin.", role=role)
    return tuple(voxels.T)


def _nearest(image: sitk.Image, points: Landmarks, what: str, role: str) -> np.ndarray:
    grid = Grid.of(image)
    index = np.floor(grid.to_index(points.points[:, : grid.dimension]) + 0.5).astype(np.intp)
    outside = ((index < 0) | (index >= grid.size)).any(axis=1)
    if outside.any():
        names = ", ".join(name for name, out in zip(points.names, outside, strict=True) if out)
        raise InputError(f"Of the {what} {names} lie outside the image; move or remove them.", role=role)
    return np.asarray(index[:, ::-1])


def check_apart(first: At, second: At, what: str, role: str) -> None:
    """Refuse two seed sets that share voxels."""
    mine = set(zip(*(axis.tolist() for axis in first), strict=True))
    shared = sum(place in mine for place in zip(*(axis.tolist() for axis in second), strict=True))
    if shared:
        raise InputError(f"{what} share {shared} voxels; a voxel can be a seed of one only.", role=role)
