"""Mean intensity in a sphere of 1 cm3 about bright voxels (IBSI family 9ST6)."""

from __future__ import annotations

import itertools
import math

import numpy as np

from ...progress import Progress
from ..findings import Findings
from .feature import Feature
from .region import Region

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
    at = np.argwhere(region.inside)
    sums, counts = np.zeros(len(at)), np.zeros(len(at))
    size = np.array(region.values.shape)
    # A common level makes the running sums small and so exact.
    level = float(region.values[region.inside].mean())
    rows = np.zeros((size[0], size[1], size[2] + 1))
    np.cumsum(region.values - level, axis=2, out=rows[..., 1:])
    reach = [math.floor(RADIUS_MM / step) for step in region.spacing[:2]]
    for dk, dj in itertools.product(range(-reach[0], reach[0] + 1), range(-reach[1], reach[1] + 1)):
        left = RADIUS_MM**2 - (dk * region.spacing[0]) ** 2 - (dj * region.spacing[1]) ** 2
        if left < 0:
            continue
        progress.check()
        width = math.floor(math.sqrt(left) / region.spacing[2])
        k, j = at[:, 0] + dk, at[:, 1] + dj
        good = (k >= 0) & (k < size[0]) & (j >= 0) & (j < size[1])
        first = np.maximum(at[:, 2] - width, 0)
        last = np.minimum(at[:, 2] + width + 1, size[2])
        k, j = np.clip(k, 0, size[0] - 1), np.clip(j, 0, size[1] - 1)
        sums += np.where(good, rows[k, j, last] - rows[k, j, first], 0.0)
        counts += np.where(good, last - first, 0)
    means = level + sums / counts
    values = region.intensities
    found.put("loc_peak_loc", float(means[values == values.max()].max()))
    found.put("loc_peak_glob", float(means.max()))
