"""Transforms with known properties, for tests of registration."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import SimpleITK as sitk
from medimg_testing import oblique_grid
from MedImgAnalysisLib.geometry import Grid, image_like


def grid_of(size: tuple[int, ...] = (14, 12, 10)) -> Grid:
    """An oblique anisotropic grid."""
    return Grid.of(oblique_grid(sitk.Image(size, sitk.sitkUInt8)))


def field(grid: Grid, displacement: Callable[[np.ndarray], np.ndarray]) -> sitk.DisplacementFieldTransform:
    """The field of `displacement` (points (N, 3) to vectors (N, 3), LPS mm) on a grid."""
    index = np.stack(np.meshgrid(*[np.arange(n) for n in grid.size], indexing="ij"), axis=-1).reshape(
        -1, grid.dimension
    )
    vectors = displacement(grid.to_physical(index)).reshape(*grid.size, grid.dimension)
    array = np.ascontiguousarray(np.moveaxis(vectors, range(grid.dimension), reversed(range(grid.dimension))))
    return sitk.DisplacementFieldTransform(image_like(array.astype(np.float64), grid))
