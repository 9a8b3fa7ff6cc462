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


def fixed_grid() -> Grid:
    return grid_of((24, 20, 12))


def moving_grid() -> Grid:
    """Another size, spacing and orientation than the fixed grid, about the same place."""
    image = sitk.Image([40, 36, 30], sitk.sitkUInt8)
    turn = sitk.Euler3DTransform((0.0, 0.0, 0.0), -0.2, 0.1, 0.25)
    image.SetDirection(turn.GetMatrix())
    image.SetSpacing((0.9, 1.3, 1.6))
    middle = fixed_grid().corners.mean(axis=0)
    image.SetOrigin((middle - Grid.of(image).axes @ np.array([19.5, 17.5, 14.5])).tolist())
    return Grid.of(image)


def rigid() -> sitk.Transform:
    middle = fixed_grid().corners.mean(axis=0)
    return sitk.Euler3DTransform(middle.tolist(), 0.1, -0.15, 0.2, (2.0, -1.5, 3.0))


def bent() -> sitk.Transform:
    """A smooth field on a lattice larger than the fixed grid."""
    grid = fixed_grid()
    wide = Grid((36, 32, 24), grid.spacing, tuple(grid.to_physical(np.array([[-6.0, -6, -6]]))[0]), grid.direction)
    return field(
        wide, lambda p: np.column_stack([np.sin(p[:, 1] / 9), 1.5 * np.cos(p[:, 2] / 11), 0.8 * np.sin(p[:, 0] / 8)])
    )


def spline() -> sitk.Transform:
    box = fixed_grid().blank()
    made = sitk.BSplineTransformInitializer(box, [4, 4, 3])
    made.SetParameters(np.random.default_rng(0).normal(0, 0.8, len(made.GetParameters())).tolist())
    return made


def spot(grid: Grid, point: np.ndarray, sigma: float = 2.0) -> np.ndarray:
    """A Gaussian of 1 at a point, (k, j, i)."""
    index = np.stack(np.meshgrid(*[np.arange(n) for n in grid.size], indexing="ij"), axis=-1)
    at = grid.to_physical(index.reshape(-1, grid.dimension)) - point
    return np.exp(-np.square(at).sum(axis=1) / (2 * sigma**2)).reshape(grid.size).T


def weighted_middle(image: sitk.Image) -> np.ndarray:
    array = sitk.GetArrayFromImage(image).astype(float)
    array -= array.min()
    index = np.argwhere(array > 0.3 * array.max())
    weights = array[tuple(index.T)]
    return Grid.of(image).to_physical((index[:, ::-1] * weights[:, None]).sum(axis=0)[None] / weights.sum())[0]
