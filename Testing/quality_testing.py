"""Images with known noise and resolution, and short ways to run operations on them."""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.geometry import image_like
from MedImgAnalysisLib.operation import Operation
from MedImgAnalysisLib.values import Labels


def image_of(array: np.ndarray, spacing: tuple[float, ...] = (1.0, 1.0, 1.0)) -> sitk.Image:
    """An image (k, j, i) with spacing in (i, j, k)."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(array))
    image.SetSpacing(spacing[: image.GetDimension()])
    return image


def turned(image: sitk.Image) -> sitk.Image:
    """The same voxels on an oblique, shifted grid with the same spacing."""
    out = sitk.Image(image)
    rotation = sitk.Euler3DTransform()
    rotation.SetRotation(0.3, -0.2, 0.5)
    out.SetDirection(rotation.GetMatrix())
    out.SetOrigin((-31.0, 12.5, 140.0))
    return out


def labels_of(image: sitk.Image, **masks: np.ndarray) -> Labels:
    """Segments on the grid of `image`."""
    return Labels.from_masks((name, image_like(mask.astype(np.uint8), image)) for name, mask in masks.items())


def first_row(operation: Operation, output: str = "table", **inputs: Any) -> dict[str, Any]:
    """The first row of a table that an operation gives."""
    return dict(execute(operation, inputs).outputs[output].rows[0])


def edge_image(
    sigma: float,
    angle: float = 5.0,
    size: tuple[int, int] = (96, 96),
    spacing: tuple[float, float] = (0.5, 0.5),
    contrast: float = 1000.0,
    noise: float = 0.0,
    slices: int = 1,
) -> np.ndarray:
    """A slanted edge blurred by `sigma` mm; rows (j) and columns (i) of `spacing` (j, i), the edge near the columns."""
    from scipy.special import ndtr

    y, x = ((np.arange(n) - n / 2 + 0.3) * s for n, s in zip(size, spacing))
    t = np.deg2rad(angle)
    plane = contrast * ndtr((x[None, :] * np.cos(t) - y[:, None] * np.sin(t)) / sigma)
    stack = np.repeat(plane[None], slices, axis=0)
    return stack + np.random.default_rng(1).normal(0, noise, stack.shape) if noise else stack


def disk_image(
    sigma: float, radius: float, size: int = 128, pixel: float = 0.5, contrast: float = 100.0, noise: float = 0.0
) -> np.ndarray:
    """A disk blurred by `sigma` mm (good for a radius far larger than sigma), a little off the centre."""
    from scipy.special import ndtr

    axis = (np.arange(size) - size / 2 + 0.37) * pixel
    r = np.hypot(axis[:, None], axis[None, :] + 0.2)
    plane = contrast * ndtr((radius - r) / sigma)
    return (plane + np.random.default_rng(2).normal(0, noise, plane.shape) if noise else plane)[None]
