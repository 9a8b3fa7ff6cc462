"""The two images of a registration as float32, made when they are asked for: who is done with them lets them go."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..geometry import Grid
from ..progress import SILENT, Progress
from .pyramid import shrunk
from .units import Masks

OUTLIERS_PERCENT = 0.1
"""Part of the voxels at either end that is clipped, so that a few bright ones do not rule the metric."""
ENOUGH = 1 << 20
"""Voxels from which the limits of an image are told."""
Limits = tuple[float, float]


class Source(NamedTuple):
    """Fixed and moving image of any real type, and the values between which each is clipped; None for as they are."""

    images: tuple[sitk.Image, sitk.Image]
    limits: tuple[Limits, Limits] | None = None

    @property
    def grid(self) -> Grid:
        """The grid of the fixed image."""
        return Grid.of(self.images[0])

    def whole(self, progress: Progress = SILENT) -> tuple[sitk.Image, sitk.Image]:
        """Both in full."""
        return self._one(0, progress), self._one(1, progress)

    def at(self, spacing_mm: float, progress: Progress = SILENT) -> tuple[sitk.Image, sitk.Image]:
        """Both averaged over blocks of voxels to about `spacing_mm`."""
        return shrunk(self._one(0, progress), spacing_mm, progress), shrunk(
            self._one(1, progress), spacing_mm, progress
        )

    def ranges(self) -> tuple[Limits, Limits]:
        """The 1st and the 99th percentile of each, of some hundred thousand voxels; all where these are equal."""
        return self._range(0), self._range(1)

    def _one(self, number: int, progress: Progress) -> sitk.Image:
        image = self.images[number]
        return image if self.limits is None else clipped(image, self.limits[number], progress)

    def _range(self, number: int) -> Limits:
        array = sitk.GetArrayViewFromImage(self.images[number]).reshape(-1)
        low, high = np.percentile(array[:: max(1, array.size // 300_000)], [1, 99])
        if low == high:
            low, high = array.min(), array.max()
        if self.limits is not None:
            low, high = np.clip((low, high), *self.limits[number])
        # A range of nothing would make bins of rounding errors.
        least = max(1e-2 * abs(float(low)), 1e-6)
        return float(low), max(float(high), float(low) + least)


def without_outliers(images: tuple[sitk.Image, sitk.Image], masks: Masks, progress: Progress) -> Source:
    """Both clipped to their 0.1st and 99.9th percentile (inside the mask); refuses what is constant there."""
    limits = (limits_of(images[0], masks[0], "fixed", progress), limits_of(images[1], masks[1], "moving", progress))
    return Source(images, limits)


def limits_of(image: sitk.Image, mask: sitk.Image | None, what: str, progress: Progress) -> Limits:
    """The 0.1st and 99.9th percentile (inside the mask), unless fewer voxels than that differ."""
    array = sitk.GetArrayViewFromImage(image)
    step = max(1, round((array.size / ENOUGH) ** (1 / array.ndim)))
    few = array[(slice(None, None, step),) * array.ndim]
    inside = None
    if mask is not None and Grid.of(mask).same_as(Grid.of(image)):
        inside = sitk.GetArrayViewFromImage(mask) != 0
        few = few[inside[(slice(None, None, step),) * array.ndim]]
    progress.check()
    low, high = (
        (float(v) for v in np.percentile(few, (OUTLIERS_PERCENT, 100 - OUTLIERS_PERCENT))) if few.size else (0.0, 0.0)
    )
    if low >= high:
        values = array if inside is None else array[inside]
        low, high = float(values.min()), float(values.max())
    if low >= high:
        where = "" if inside is None else " inside its mask"
        raise InputError(f"The {what} image is constant{where}; there is nothing to align.", role=what)
    return low, high


def clipped(image: sitk.Image, limits: Limits, progress: Progress) -> sitk.Image:
    """`image` as float32 with values from the lower to the upper limit."""
    progress.check()
    array = sitk.GetArrayViewFromImage(image)
    made = np.empty(array.shape, np.float32)
    for layer in range(len(array)):
        np.clip(array[layer], *limits, out=made[layer], casting="unsafe")
    progress.check()
    return Grid.of(image).put_on(sitk.GetImageFromArray(made))
