"""Lengths counted in the size of the image, so that a turn and a shift of equal effect are equal numbers.

A turn of 0.01 rad moves a point 60 mm from the centre by 0.6 mm. Counted in 60 mm that is 0.01 too, and an optimiser
without scales (L-BFGS-B) goes straight where it otherwise crawls along a narrow valley.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk

Masks = tuple[sitk.Image | None, sitk.Image | None]
"""Of the fixed and the moving image."""
PART_OF_SPREAD = 0.7
"""Anatomy fills the middle of its image: its spread is this part of that of the box, about."""


class Scaled(NamedTuple):
    """Images and masks whose lengths are counted in `unit_mm`."""

    fixed: sitk.Image
    moving: sitk.Image
    masks: Masks
    unit_mm: float


def unit_of(image: sitk.Image) -> float:
    """Root mean square distance of a voxel of the anatomy from the centre of its image, in mm, about."""
    sides = np.multiply(image.GetSize(), image.GetSpacing())
    return float(PART_OF_SPREAD * np.sqrt((sides**2).sum() / 12))


@contextmanager
def in_units(fixed: sitk.Image, moving: sitk.Image, masks: Masks, unit_mm: float) -> Iterator[Scaled]:
    """The images with scaled geometry, in place and given back on leaving, since copies of large ones are dear.

    `fixed` and `moving` must belong to the caller alone; masks are copied.
    """
    kept = [(image, image.GetSpacing(), image.GetOrigin()) for image in (fixed, moving)]
    own = tuple(None if mask is None else _scale(sitk.Image(mask), unit_mm) for mask in masks)
    try:
        yield Scaled(_scale(fixed, unit_mm), _scale(moving, unit_mm), (own[0], own[1]), unit_mm)
    finally:
        for image, spacing, origin in kept:
            image.SetSpacing(spacing)
            image.SetOrigin(origin)


def _scale(image: sitk.Image, unit_mm: float) -> sitk.Image:
    image.SetSpacing([s / unit_mm for s in image.GetSpacing()])
    image.SetOrigin([o / unit_mm for o in image.GetOrigin()])
    return image
