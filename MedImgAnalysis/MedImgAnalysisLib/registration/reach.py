"""What a transform reaches: the grid of a result, and whether there is anything to bring onto it."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from ..errors import GeometryError, InputError
from ..geometry import Grid
from ..progress import Progress
from ..quality.arrays import count_nonfinite
from .definition import covered, defined, slab_grids

COARSE = 32
"""Voxels along each axis at which a transform is tried before the work."""
NOTICEABLE = 0.005


def same_dimension(transform: sitk.Transform, dimension: int, what: str, role: str) -> None:
    """Refuse 2-D with 3-D."""
    if transform.GetDimension() != dimension:
        raise InputError(
            f"The {what} is {dimension}-D and the transform {transform.GetDimension()}-D; they do not belong together.",
            role=role,
        )


def grid_of(reference: sitk.Image, progress: Progress) -> Grid:
    """The grid of a reference image; voxels that are no numbers do not matter and are told."""
    wrong = count_nonfinite(sitk.GetArrayViewFromImage(reference), None, progress)
    if wrong:
        progress.warn(f"The reference has {wrong} voxels that are NaN or infinite; only its grid is used.")
    return Grid.of(reference)


def thinned(grid: Grid, most: int = COARSE) -> Grid:
    """The grid with at most so many voxels along each axis; the outermost centres stay."""
    size = tuple(min(n, most) for n in grid.size)
    spacing = tuple(s * (n - 1) / (m - 1) if m > 1 else s for s, n, m in zip(grid.spacing, grid.size, size))
    return Grid(size, spacing, grid.origin, grid.direction)


def check_reach(source: Grid, transform: sitk.Transform, grid: Grid, what: str, progress: Progress) -> None:
    """Refuse a transform that takes no voxel of `grid` into `source`; say where it is not defined.

    Outside its lattice ITK lets a field or a b-spline leave every point in place.
    """
    if not covered(source, transform, thinned(grid)).any() and not _covers_anything(source, transform, grid, progress):
        raise GeometryError(
            f"The transform takes no voxel of the reference grid into the {what}{_other_way(source, transform, grid)}; "
            "a transform maps points of the fixed image to the moving image.",
            role="transform",
        )
    known = defined(transform, thinned(grid))
    missing = 0.0 if known is None else 1 - float(known.mean())
    if missing > NOTICEABLE:
        progress.warn(
            f"The transform is not defined in about {missing:.0%} of the reference grid; points there stay in place."
        )


def _covers_anything(source: Grid, transform: sitk.Transform, grid: Grid, progress: Progress) -> bool:
    return any(covered(source, transform, part).any() for _, part in slab_grids(grid, progress, "Looking for overlap"))


def _other_way(source: Grid, transform: sitk.Transform, grid: Grid) -> str:
    """What the inverse would do, for linear transforms."""
    if not transform.IsLinear():
        return ""
    try:
        inverse = transform.GetInverse()
    except RuntimeError:
        return ""
    return ", but its inverse does" if covered(source, inverse, thinned(grid)).any() else ""


def centres(grid: Grid) -> np.ndarray:
    """LPS positions of all voxel centres, (N, d); first axis fastest."""
    index = np.stack(np.meshgrid(*[np.arange(n) for n in reversed(grid.size)], indexing="ij"), axis=-1)
    return grid.to_physical(index[..., ::-1].reshape(-1, grid.dimension))
