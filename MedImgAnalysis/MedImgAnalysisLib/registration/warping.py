"""Images and segmentations of the moving side on the grid of the fixed one, a slab at a time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import SimpleITK as sitk

from ..geometry import Grid, image_like
from ..progress import Progress
from ..resampling import resample
from ..values import Labels
from .definition import covered, defined, on_slab, slab_grids


def warped_image(
    moving: sitk.Image, transform: sitk.Transform, grid: Grid, progress: Progress
) -> tuple[np.ndarray, np.ndarray]:
    """The moving image at T(x) for the voxel centres x of `grid`, linear, and where it is defined.

    Both are (k, j, i), float64 and boolean. A voxel is defined where the transform is, and where it leads between voxel
    centres of the moving image; elsewhere the value means nothing.
    """
    source = sitk.Cast(moving, sitk.sitkFloat64)
    values, inside = np.empty(grid.size[::-1]), np.empty(grid.size[::-1], bool)
    for where, part in slab_grids(grid, progress, "Moving image"):
        way = on_slab(transform, part)
        values[where] = sitk.GetArrayFromImage(resample(source, part, way, outside=0.0))
        inside[where] = covered(Grid.of(moving), way, part)
        known = defined(transform, part)
        if known is not None:
            inside[where] &= known
    return values, inside


def warped_labels(moving: Labels, transform: sitk.Transform, grid: Grid, progress: Progress) -> Labels:
    """The moving segments at T(x) for the voxel centres x of `grid`, nearest neighbour; background outside."""
    kept = [np.empty(grid.size[::-1], sitk.GetArrayViewFromImage(layer).dtype) for layer in moving.layers]
    for where, part in slab_grids(grid, progress, "Moving segments"):
        way = on_slab(transform, part)
        for array, layer in zip(kept, moving.layers, strict=True):
            array[where] = sitk.GetArrayFromImage(resample(layer, part, way, "nearest", outside=0))
    return replace(moving, layers=tuple(image_like(array, grid) for array in kept))


def at_the_border(labels: Labels) -> list[str]:
    """Names of the segments that touch the border of their grid: a part of them may be cut off."""
    found: dict[int, set[int]] = {}
    for number, layer in enumerate(labels.layers):
        array = sitk.GetArrayViewFromImage(layer)
        faces = [array.take(at, axis) for axis, n in enumerate(array.shape) if n > 1 for at in (0, -1)]
        found[number] = {int(value) for face in faces for value in np.unique(face)}
    return [segment.name for segment in labels.segments if segment.value in found[segment.layer]]
