"""Mean intensity in a sphere of 1 cm3 about bright voxels (IBSI family 9ST6)."""

from __future__ import annotations

import itertools
import math

import numpy as np

from ...progress import Progress
from ..findings import Findings
from .feature import Feature
from .region import Region

SLAB_VOXELS = 1 << 20
RADIUS_MM = 10 * (3 / (4 * math.pi)) ** (1 / 3)
FEATURES = (
    Feature("loc_peak_loc", "VJGA", "Local intensity peak", "Mean in a sphere of 1 cm3 about the brightest voxel"),
    Feature("loc_peak_glob", "0F91", "Global intensity peak", "Largest mean in a sphere of 1 cm3 about any voxel"),
)


def put_local_peaks(found: Findings, region: Region, progress: Progress) -> None:
    """Both peaks. Spheres take in voxels beside the region too, those outside the image do not count.

    Of several brightest voxels the one with the largest mean counts. The means of all voxels come from running sums
    along rows, so the time does not grow with the sphere.
    """
    if not region.inside.any():
        found.missing("empty_region", "loc_peak_loc", "loc_peak_glob")
        return
    # A common level makes the running sums small and so exact.
    level = float(region.values[region.inside].mean())
    reach = math.floor(RADIUS_MM / region.spacing[0])
    depth = max(1, SLAB_VOXELS // region.values[0].size)
    means = []
    for start in range(0, len(region.values), depth):
        stop = min(start + depth, len(region.values))
        if region.inside[start:stop].any():
            low = max(0, start - reach)
            around = _means(region.values[low : stop + reach] - level, region.spacing, progress)
            means.append(around[start - low : stop - low][region.inside[start:stop]])
    every = level + np.concatenate(means)
    values = region.intensities
    found.put("loc_peak_loc", float(every[values == values.max()].max()))
    found.put("loc_peak_glob", float(every.max()))


def _means(values: np.ndarray, spacing: tuple[float, float, float], progress: Progress) -> np.ndarray:
    """Mean of the sphere about every voxel, of the voxels that are there."""
    size = values.shape
    rows = np.zeros((size[0], size[1], size[2] + 1))
    np.cumsum(values, axis=2, out=rows[..., 1:])
    reach = [min(math.floor(RADIUS_MM / step), n - 1) for step, n in zip(spacing, size[:2])]
    widths: dict[int, list[tuple[int, int]]] = {}
    for dk, dj in itertools.product(range(-reach[0], reach[0] + 1), range(-reach[1], reach[1] + 1)):
        left = RADIUS_MM**2 - (dk * spacing[0]) ** 2 - (dj * spacing[1]) ** 2
        if left >= 0:
            widths.setdefault(math.floor(math.sqrt(left) / spacing[2]), []).append((dk, dj))
    sums, counts = np.zeros(size), np.zeros(size)
    i = np.arange(size[2])
    for width, shifts in widths.items():
        first, last = np.maximum(i - width, 0), np.minimum(i + width + 1, size[2])
        row = rows[..., last] - rows[..., first]
        for dk, dj in shifts:
            progress.check()
            here, there = zip(_overlap(size[0], dk), _overlap(size[1], dj), strict=True)
            sums[here] += row[there]
            counts[here] += last - first
    return sums / counts


def _overlap(n: int, shift: int) -> tuple[slice, slice]:
    """Places whose neighbour `shift` further is in the box, and these neighbours."""
    return slice(max(0, -shift), max(0, n - max(0, shift))), slice(max(0, shift), max(0, n + min(0, shift)))
