"""Intensity-volume histogram: how much of a region is at least so bright (IBSI family P88C)."""

from __future__ import annotations

import math

import numpy as np

from ..findings import Findings
from .feature import Feature
from .region import FINEST_LEVELS, Region, fixed_bin_number, fixed_bin_width

FEATURES = (
    Feature(
        "ivh_v10",
        "BC2M",
        "Volume fraction at 10 % intensity",
        "Part of the voxels at or above 10 % of the intensity range",
    ),
    Feature(
        "ivh_v90",
        "BC2M",
        "Volume fraction at 90 % intensity",
        "Part of the voxels at or above 90 % of the intensity range",
    ),
    Feature("ivh_i10", "GBPN", "Intensity at 10 % volume", "Smallest intensity that at most 10 % of the voxels reach"),
    Feature("ivh_i90", "GBPN", "Intensity at 90 % volume", "Smallest intensity that at most 90 % of the voxels reach"),
    Feature("ivh_diff_v10_v90", "DDTU", "Volume fraction difference", "V10 - V90"),
    Feature("ivh_diff_i10_i90", "CNV2", "Intensity difference", "I10 - I90"),
)
BINS = 1000


def put_volume_histogram(found: Findings, region: Region, width: float | None) -> None:
    """All features of the family.

    Whole numbers such as HU are taken as they are, in steps of 1. With `width` intensities come into bins of that
    width (calibrated fractions such as SUV) and are told by the centres of the bins. Otherwise (arbitrary units)
    there are 1000 bins, and intensities are told as bin numbers. The range is that of the re-segmentation where one
    was asked for.
    """
    x = region.intensities
    keys = [f.tag for f in FEATURES]
    if not x.size:
        found.missing("empty_region", *keys)
        return
    low = region.low if math.isfinite(region.low) else float(x.min())
    high = region.high if math.isfinite(region.high) else float(x.max())
    if width is not None:
        place = fixed_bin_width(x, width, low) - 1
        steps = max(math.ceil((high - low) / width - 1e-9), int(place.max()) + 1)
        scale = low + (np.arange(steps) + 0.5) * width
    elif (x == np.rint(x)).all() and high - low < FINEST_LEVELS and float(low).is_integer():
        place = (x - low).astype(np.int64)
        scale = low + np.arange(math.floor(high - low) + 1)
    else:
        place = fixed_bin_number(x, BINS) - 1
        scale = np.arange(1, BINS + 1, dtype=float)
    if len(scale) < 2:
        found.missing("single_level", *keys)
        return
    counts = np.bincount(place, minlength=len(scale))
    volume = 1 - (np.cumsum(counts) - counts) / x.size
    fraction = (scale - scale[0]) / (scale[-1] - scale[0])
    v10, v90 = (float(volume[fraction >= at - 1e-12].max()) for at in (0.1, 0.9))
    i10, i90 = (_intensity(scale, volume, at) for at in (0.1, 0.9))
    numbers = (v10, v90, i10, i90, v10 - v90, i10 - i90)
    for key, value in zip(keys, numbers, strict=True):
        found.put(key, value, "beyond_range")


def _intensity(scale: np.ndarray, volume: np.ndarray, at: float) -> float:
    """Smallest intensity whose volume fraction is at most `at`; a step above the range where even the last is more."""
    good = np.flatnonzero(volume <= at + 1e-12)
    return float(scale[good[0]]) if good.size else float(2 * scale[-1] - scale[-2])
