"""The deformable rounds of a template: every image deformed onto it, the mean deformation taken out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk

from ..geometry import Grid, image_like
from ..progress import Progress
from .definition import displacement
from .deformable import DeformableSettings, refine_deformable
from .inverse_field import inverse_field
from .rigid import matrix_of

TOLERANCE_MM = 0.01
"""Of the inverse of the mean deformation."""


class Deformed(NamedTuple):
    """Displacement fields on the grid of the template, how much they changed and how far their mean was, mm RMS."""

    transforms: list[sitk.Transform]
    change_mm: float
    drift_mm: float


def deform_to_template(
    template: sitk.Image, images: Sequence[sitk.Image], transforms: Sequence[sitk.Transform], progress: Progress
) -> Deformed:
    """Deform all images onto the template, from the linear part of what aligned them before.

    With T_i = L_i o g_i, where L_i is linear, the mean of the g_i is inverted and taken out of all of them, so that the
    template has the shape in the middle of the images.
    """
    grid, count = Grid.of(template), len(images)
    linear = [_linear_part(transform, grid) for transform in transforms]
    fields: list[np.ndarray] = []
    mean = np.zeros((*grid.size[::-1], grid.dimension))
    points = _points(grid)
    for number, (image, way) in enumerate(zip(images, linear, strict=True)):
        part = progress.part(0.9 * number / count, 0.9 * (number + 1) / count, f"Image {number + 1} of {count}")
        fixed, moving = (sitk.Cast(each, sitk.sitkFloat32) for each in (template, image))
        made = refine_deformable(fixed, moving, way, DeformableSettings(), part)
        fields.append(displacement(made.transform, grid))
        matrix, offset = matrix_of(way)
        mean += ((points + fields[-1] - offset) @ np.linalg.inv(matrix).T - points) / count
    drift = float(np.sqrt(np.square(mean).sum(axis=-1).mean()))
    back = inverse_field(
        sitk.DisplacementFieldTransform(image_like(mean, grid)), grid, TOLERANCE_MM, progress.part(0.9, 1.0)
    ).values
    inverse = sitk.DisplacementFieldTransform(image_like(back, grid))
    kept: list[sitk.Transform] = []
    change = 0.0
    for field, before in zip(fields, transforms, strict=True):
        progress.check()
        whole = sitk.CompositeTransform([sitk.DisplacementFieldTransform(image_like(field, grid)), inverse])
        now = displacement(whole, grid)
        change += float(np.sqrt(np.square(now - displacement(before, grid)).sum(axis=-1).mean())) / count
        kept.append(sitk.DisplacementFieldTransform(image_like(now, grid)))
    return Deformed(kept, change, drift)


def _linear_part(transform: sitk.Transform, grid: Grid) -> sitk.Transform:
    """The affine transform nearest to a transform over a grid, in the least squares sense."""
    if transform.IsLinear():
        return transform
    points = _points(grid).reshape(-1, grid.dimension)
    there = points + displacement(transform, grid).reshape(points.shape)
    middle = points.mean(axis=0)
    fit = np.linalg.lstsq(np.column_stack([points - middle, np.ones(len(points))]), there, rcond=None)[0].T
    d = grid.dimension
    affine = sitk.AffineTransform(d)
    affine.SetMatrix(fit[:, :d].ravel().tolist())
    affine.SetTranslation((fit[:, d] - fit[:, :d] @ middle).tolist())
    return affine


def _points(grid: Grid) -> np.ndarray:
    """LPS positions of all voxel centres, (k, j, i, component)."""
    index = np.stack(np.meshgrid(*(np.arange(n) for n in grid.size[::-1]), indexing="ij"), axis=-1)[..., ::-1]
    return grid.to_physical(index.reshape(-1, grid.dimension).astype(float)).reshape(*grid.size[::-1], grid.dimension)
