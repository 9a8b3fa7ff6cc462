"""Random smooth deformations that cannot fold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk

from ..errors import ParameterError
from ..geometry import Grid
from ..progress import Progress
from ..resampling import resample

BOUND = {2: 1 / 2.046392675, 3: 1 / 2.479472335}
"""Largest coefficient of an injective cubic B-spline deformation, in control spacings (Choi and Lee 2000)."""
BORDER = 3
"""Control points at each end that stay, so that the deformation ends smoothly outside the image."""
MOST_POINTS = 2_000_000


def elastic_limit(grid: Grid, spacing_mm: float) -> float:
    """The largest amplitude in mm for which no deformation with this control spacing can fold."""
    return BOUND[grid.dimension] * spacing_mm


def random_elastic(
    grid: Grid, amplitude_mm: float, spacing_mm: float, rng: np.random.Generator, operation: str, field: str
) -> sitk.BSplineTransform:
    """A cubic B-spline deformation whose coefficients are uniform within the amplitude along each axis of the grid.

    Control points are `spacing_mm` apart along the axes of the grid, which lies in the middle. No point moves further
    than the amplitude along an axis; points far outside the grid do not move. Raises `ParameterError` (`operation`,
    `field`) beyond `elastic_limit`.
    """
    dimension, limit = grid.dimension, elastic_limit(grid, spacing_mm)
    if amplitude_mm > limit * (1 + 1e-9):
        raise ParameterError(
            f"{operation}: {field} is {amplitude_mm:g}; with control points {spacing_mm:g} mm apart the image cannot "
            f"fold up to {limit:.4g} mm.",
            operation=operation,
            field=field,
            value=amplitude_mm,
            limit=limit,
        )
    extent = np.array(grid.size) * grid.spacing
    spans = np.ceil(extent / spacing_mm).astype(int) + 2 * BORDER
    points = float(np.prod(spans + 3, dtype=float))
    if points > MOST_POINTS:
        raise ParameterError(
            f"{operation}: control points {spacing_mm:g} mm apart would be {points:.3g} on this "
            "image; take a larger spacing.",
            operation=operation,
            field="control_mm",
            value=spacing_mm,
        )
    directions = np.reshape(grid.direction, (dimension, dimension))
    middle = grid.to_physical((np.array([grid.size]) - 1) / 2)[0]
    found = sitk.BSplineTransform(dimension, 3)
    found.SetTransformDomainDirection(grid.direction)
    found.SetTransformDomainMeshSize([int(n) for n in spans])
    found.SetTransformDomainPhysicalDimensions((spans * spacing_mm).tolist())
    found.SetTransformDomainOrigin((middle - directions @ (spans * spacing_mm / 2)).tolist())
    along_axes = np.zeros((dimension, *(spans + 3)[::-1]))
    inner = (slice(None), *(slice(BORDER, int(n) + 3 - BORDER) for n in spans[::-1]))
    along_axes[inner] = rng.uniform(-amplitude_mm, amplitude_mm, along_axes[inner].shape)
    # Coefficients are drawn along the axes of the grid, for which the bound holds; the transform moves along L, P, S.
    moved = np.tensordot(directions, along_axes, axes=1)
    found.SetParameters(moved.reshape(-1).tolist())
    return found


def moved_layers(layers: Sequence[sitk.Image], transform: sitk.Transform, progress: Progress) -> tuple[sitk.Image, ...]:
    """Label images through a transform, each on its own grid: nearest voxel, 0 from outside."""
    found = []
    for number, layer in enumerate(layers):
        part = progress.part(number / len(layers), (number + 1) / len(layers))
        found.append(resample(layer, Grid.of(layer), transform, "nearest", 0.0, progress=part))
    return tuple(found)
