"""The air around a body, whose noise may be another than that of the body."""

from __future__ import annotations

import math

import numpy as np
import SimpleITK as sitk

from ..progress import Progress
from ..quality.body import air_mask, body_mask
from .normalising import mean_and_sd

RAYLEIGH = math.sqrt(2 - math.pi / 2)
"""SD of Rayleigh noise over that of the body."""
RAYLEIGH_RATIO = math.sqrt(math.pi / 2) / RAYLEIGH
FEWEST = 1000
CUT = 0.5
"""Part of the air that has one value from which on the air was set to it."""
WEAKER = ("rayleigh", "zero", "cut")
"""Kinds of air whose noise is weaker than that of the body."""


def kind_of_air(values: np.ndarray, mean: float, sd: float) -> str:
    """zero where all values are one, cut where most are, rayleigh where the distribution is, else other."""
    if sd == 0:
        return "zero"
    # What more than half of the voxels have is their median.
    if float(np.mean(values == np.median(values))) > CUT:
        return "cut"
    # Values of whole numbers and a few stray voxels move the ratio by some percent.
    rayleigh = float(values.min()) >= 0 and abs(mean / sd / RAYLEIGH_RATIO - 1) < 0.06
    return "rayleigh" if rayleigh else "other"


def region_of_noise(image: sitk.Image, inside: np.ndarray | None, progress: Progress) -> np.ndarray | None:
    """Where the noise of what the image shows is to be looked for: the mask; without one the body where the air has
    weaker noise; None for everywhere."""
    if inside is not None:
        return inside
    body = body_mask(image, progress.part(0.0, 0.7))
    if body is None:
        return None
    air = air_mask(body, progress.part(0.7, 0.9))
    if np.count_nonzero(air) < FEWEST:
        return None
    array = sitk.GetArrayViewFromImage(image)
    return body if kind_of_air(array[air], *mean_and_sd(array, air, progress.part(0.9, 1.0))) in WEAKER else None
