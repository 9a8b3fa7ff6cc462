"""Slices through images drawn with SimpleITK alone, where there are no slice views to draw them."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from ..geometry import Grid
from ..resampling import resample
from .layers import SIDE, Layer, Picture, colours, jpeg

PLANES = {
    "axial": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
    "coronal": ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0)),
    "sagittal": ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0)),
}
"""Where the columns and the rows of a picture lead, LPS: seen as radiologists look at it."""


def draw(picture: Picture) -> list[str]:
    """See `layers.Draw`."""
    grids = [Grid.of(picture.below.image)] if len(picture.point) == 2 else planes(picture)
    return [jpeg(_drawn(picture, grid)) for grid in grids]


def planes(picture: Picture) -> list[Grid]:
    """One-slice grids of square pixels through the point, as large as the lower image."""
    grid = Grid.of(picture.below.image)
    corners, point = grid.corners, np.array(picture.point)
    made = []
    for columns, rows in PLANES.values():
        axes = np.column_stack([columns, rows, np.cross(columns, rows)])
        places = (corners - point) @ axes
        low, high = places.min(axis=0), places.max(axis=0)
        step = max(float((high - low)[:2].max()) / (SIDE - 1), 1e-6)
        size = tuple(max(1, round(float(n) / step) + 1) for n in (high - low)[:2])
        origin = point + axes[:, :2] @ low[:2]
        made.append(Grid((*size, 1), (step, step, step), tuple(origin.tolist()), tuple(axes.ravel().tolist())))
    return made


def _drawn(picture: Picture, grid: Grid) -> np.ndarray:
    pixels = _layer(picture.below, grid)[0]
    if picture.above is not None:
        top, there = _layer(picture.above, grid)
        if picture.how == "sum":
            pixels = pixels + top
        else:
            part = picture.opacity * there[..., None]
            pixels = pixels * (1 - part) + top * part
    return np.rint(255 * np.clip(pixels, 0, 1)).astype(np.uint8)


def _layer(layer: Layer, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Colours (rows, columns, 3) of a layer on a plane, and where it is defined."""
    # Values below the image mean nothing: NaN marks them.
    values = resample(sitk.Cast(layer.image, sitk.sitkFloat32), grid, outside=float("nan"))
    array = sitk.GetArrayFromImage(values)
    array = array[0] if array.ndim == 3 else array
    there = np.isfinite(array)
    part = np.clip((np.nan_to_num(array) - layer.low) / (layer.high - layer.low), 0, 1)
    return colours(layer.ramp)[np.rint(255 * part).astype(int)] * there[..., None], there
