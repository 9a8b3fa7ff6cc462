"""Means of images that were aligned, and of the transforms that align them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk

from ..geometry import Grid, image_like
from ..progress import Progress
from .warping import warped_image


def mean_image(
    grid: Grid, images: Sequence[sitk.Image], transforms: Sequence[sitk.Transform], progress: Progress
) -> sitk.Image:
    """Mean of the images at T(x) for the voxel centres x of `grid`, float32.

    A voxel is the mean of the images that reach it; where none does, it is the smallest mean.
    """
    total, count = np.zeros(grid.size[::-1]), np.zeros(grid.size[::-1], np.uint16)
    for number, (image, transform) in enumerate(zip(images, transforms, strict=True)):
        part = progress.part(number / len(images), (number + 1) / len(images))
        values, inside = warped_image(image, transform, grid, part)
        total += np.where(inside, values, 0.0)
        count += inside
    reached = count > 0
    mean = np.divide(total, count, out=np.zeros_like(total), where=reached)
    mean[~reached] = mean[reached].min() if reached.any() else 0.0
    return image_like(mean.astype(np.float32), grid)


def correlation_with(template: sitk.Image, image: sitk.Image, transform: sitk.Transform, progress: Progress) -> float:
    """Pearson correlation of a template and an image at T(x), over the voxels that the image reaches; NaN for none."""
    values, inside = warped_image(image, transform, Grid.of(template), progress)
    here = sitk.GetArrayViewFromImage(template)[inside].astype(float)
    there = values[inside]
    if here.size < 2 or np.ptp(here) == 0 or np.ptp(there) == 0:
        return float("nan")
    return float(np.corrcoef(here, there)[0, 1])


def mean_linear(linear: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """The mean (A, b) of transforms y = A x + b: the exponential of the mean of their logarithms.

    The mean of rigid transforms is rigid, and that of a transform and its inverse is the identity. Arsigny et al. 2009,
    "A fast and log-Euclidean polyaffine framework".
    """
    from scipy.linalg import expm, logm

    d = len(linear[0][1])
    total = np.zeros((d + 1, d + 1))
    for matrix, offset in linear:
        whole = np.eye(d + 1)
        whole[:d, :d], whole[:d, d] = matrix, offset
        total += np.real(logm(whole))
    mean = np.real(expm(total / len(linear)))
    return mean[:d, :d], mean[:d, d]


def moved_grid(grid: Grid, matrix: np.ndarray, offset: np.ndarray) -> Grid:
    """`grid` with its middle where y = A x + b leads it; size, spacing and direction stay."""
    middle = grid.corners.mean(axis=0)
    origin = np.asarray(grid.origin) + matrix @ middle + offset - middle
    return Grid(grid.size, grid.spacing, tuple(origin.tolist()), grid.direction)
