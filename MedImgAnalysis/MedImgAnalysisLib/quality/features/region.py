"""A region of interest ready to be measured: intensities, masks and grey levels on one grid."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ...errors import InputError

FINEST_LEVELS = 1 << 16
"""Most grey levels that a fixed bin width may give; more of them are a wrong width."""


@dataclass(frozen=True, eq=False)
class Region:
    """Intensities and masks in a box around a region, axes (k, j, i).

    Attributes
    ----------
    values
        float64 intensities, also beside the region (local peaks look there).
    shape
        The morphological mask: what was segmented.
    inside
        The intensity mask: `shape` after re-segmentation.
    spacing
        Millimetres along (k, j, i).
    low, high
        Bounds of the re-segmentation that were asked for, infinite where open.
    """

    values: np.ndarray
    shape: np.ndarray
    inside: np.ndarray
    spacing: tuple[float, float, float]
    low: float = -math.inf
    high: float = math.inf

    @property
    def intensities(self) -> np.ndarray:
        """The intensities inside, float64 (N,)."""
        return self.values[self.inside]

    def resegmented(self, low: float, high: float, outliers_sd: float | None) -> Region:
        """The region without intensities beyond `low`, `high` or mean +- `outliers_sd` SD (SD with n).

        Mean and SD are those of the whole region; both ranges are intersected. Bounds are inclusive. The shape stays.
        """
        lowest, highest = low, high
        if outliers_sd is not None and self.shape.any():
            everything = self.values[self.shape]
            mean, sd = float(everything.mean()), float(everything.std())
            lowest, highest = max(low, mean - outliers_sd * sd), min(high, mean + outliers_sd * sd)
        inside = self.shape & (self.values >= lowest) & (self.values <= highest)
        return replace(self, inside=inside, low=low, high=high)


def fixed_bin_number(values: np.ndarray, bins: int) -> np.ndarray:
    """Grey levels 1...bins: `floor(bins (x - min) / (max - min)) + 1`, the maximum in the last bin.

    Equal intensities are all of level 1.
    """
    low, high = float(values.min()), float(values.max())
    if low == high:
        return np.ones(values.shape, np.int64)
    levels = np.floor(bins * (values - low) / (high - low)).astype(np.int64) + 1
    return np.minimum(levels, bins)


def fixed_bin_width(values: np.ndarray, width: float, start: float) -> np.ndarray:
    """Grey levels `floor((x - start) / width) + 1`; an intensity equal to `start` is of level 1.

    Raises `InputError` when that gives more than 65536 levels.
    """
    count = (float(values.max()) - start) / width
    if count > FINEST_LEVELS:
        raise InputError(
            f"A bin width of {width:g} gives {count:.3g} grey levels in a region whose intensities reach from "
            f"{values.min():g} to {values.max():g}; choose a larger width."
        )
    return np.floor((values - start) / width).astype(np.int64) + 1


class Levels:
    """Grey levels of a region as a flat array with a border of zeros, for looking at neighbours by an offset.

    Attributes
    ----------
    flat
        int32 levels, 0 outside the intensity mask; padded by one voxel on all sides.
    at
        Places in `flat` of the voxels inside, in the order of slices.
    level
        Their levels, 1 to `count`.
    slice
        Their slice numbers k, rising.
    count
        Number of grey levels.
    """

    def __init__(self, inside: np.ndarray, levels: np.ndarray, count: int) -> None:
        padded = np.zeros(tuple(n + 2 for n in inside.shape), np.int32)
        padded[1:-1, 1:-1, 1:-1][inside] = levels
        self.flat = padded.ravel()
        self.at = np.flatnonzero(self.flat)
        self.level = self.flat[self.at]
        plane = padded.shape[1] * padded.shape[2]
        self.slice = (self.at // plane - 1).astype(np.int32)
        self.strides = (plane, padded.shape[2], 1)
        self.box = padded.shape
        self.count = count

    def offset(self, direction: tuple[int, int, int]) -> int:
        """Steps in `flat` for a direction (k, j, i)."""
        return sum(step * stride for step, stride in zip(direction, self.strides, strict=True))


DIRECTIONS_3D = tuple((k, j, i) for k in (0, 1) for j in (-1, 0, 1) for i in (-1, 0, 1) if (k, j, i) > (0, 0, 0))
"""Half of the 26 neighbours; the others are the reverse."""
DIRECTIONS_2D = tuple(d for d in DIRECTIONS_3D if d[0] == 0)


def directions(aggregation: str) -> tuple[tuple[int, int, int], ...]:
    """The 13 directions in space, or the 4 of a slice."""
    return DIRECTIONS_3D if aggregation.startswith("3D") else DIRECTIONS_2D
