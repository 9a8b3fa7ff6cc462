"""Histograms that thresholds are found from: every bin holds equally many possible values."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..blockwise import for_each, ranges
from ..errors import InputError
from ..progress import SILENT, Progress
from ..values import Curve, Curves

EXACT = 1 << 53
"""Whole numbers beyond this are not all float64."""


class Histogram(NamedTuple):
    """Counts (n,) int64 of equal bins, and their edges (n + 1,) float64; `whole` when the values are whole numbers."""

    counts: np.ndarray
    edges: np.ndarray
    whole: bool

    @property
    def centres(self) -> np.ndarray:
        """The middle of each bin."""
        return (self.edges[:-1] + self.edges[1:]) / 2

    @property
    def voxels(self) -> int:
        """How many values were counted."""
        return int(self.counts.sum())


def slabs_of(array: np.ndarray) -> list[slice]:
    """Ranges along the first axis for work in threads."""
    return [slice(*part) for part in ranges(len(array), array[:1].size)]


def chosen_in(array: np.ndarray, inside: np.ndarray | None, part: slice) -> np.ndarray:
    """The values of a slab, those of `inside` (boolean, same shape) only where given."""
    return array[part].ravel() if inside is None else array[part][inside[part]]


def extremes_of(array: np.ndarray, inside: np.ndarray | None, progress: Progress = SILENT) -> tuple[float, float]:
    """Smallest and largest value of an array, or of its voxels `inside`."""

    def work(part: slice) -> tuple[float, float]:
        values = chosen_in(array, inside, part)
        return (float(values.min()), float(values.max())) if values.size else (math.inf, -math.inf)

    found = for_each(work, slabs_of(array), progress=progress, message="Range of values")
    return min(low for low, _ in found), max(high for _, high in found)


def histogram_of(
    array: np.ndarray, inside: np.ndarray | None, bins: int, progress: Progress = SILENT, role: str = "image"
) -> Histogram:
    """The histogram of an array (k, j, i), or of its voxels `inside`, from the smallest to the largest value.

    Whole numbers, of whatever pixel type, get bins that are a whole number wide, at the most `bins` of them, with
    edges halfway between two numbers. Bins of a fractional width would hold two numbers here and three there; the
    comb that this makes moves thresholds that look at peaks or at entropy. Other values get `bins` equal bins.

    Raises `InputError` when all values are equal but for rounding: there is nothing to separate.
    """
    parts = slabs_of(array)

    def extremes(part: slice) -> tuple[float, float, bool]:
        values = chosen_in(array, inside, part)
        if not values.size:
            return math.inf, -math.inf, True
        whole = values.dtype.kind in "iub" or bool((values == np.rint(values)).all())
        return values.min().item(), values.max().item(), whole

    found = for_each(extremes, parts, progress=progress.part(0.0, 0.3), message="Range of values")
    low, high = min(one[0] for one in found), max(one[1] for one in found)
    whole = all(one[2] for one in found) and max(abs(low), abs(high)) < EXACT
    # A filtered constant differs in its last digits; a threshold among them would mean nothing.
    fine = array.dtype.kind == "f"
    rounding = bins * float(np.spacing(array.dtype.type(max(abs(low), abs(high))))) if fine and not whole else 0.0
    if high - low <= rounding:
        raise InputError(f"The {role} is constant ({low:g}) where it is looked at; it has no threshold.", role=role)
    if whole:
        width = -(-(int(high) - int(low) + 1) // bins)
        count = -(-(int(high) - int(low) + 1) // width)
        edges = int(low) - 0.5 + width * np.arange(count + 1.0)
    else:
        width, count = 0, bins
        edges = np.linspace(low, high, bins + 1)

    def work(part: slice) -> np.ndarray:
        values = chosen_in(array, inside, part)
        if not whole:
            return np.histogram(values, bins=bins, range=(low, high))[0]
        # Widened first: the difference of two int16 does not fit in int16.
        wide = values.astype(np.int64) - int(low)
        return np.bincount(wide if width == 1 else wide // width, minlength=count)

    counted = for_each(work, parts, progress=progress.part(0.3, 1.0), message="Histogram")
    return Histogram(np.sum(counted, axis=0, dtype=np.int64), edges, whole)


def where(
    array: np.ndarray,
    inside: np.ndarray | None,
    test: Callable[[np.ndarray], np.ndarray],
    progress: Progress = SILENT,
    message: str = "Threshold",
) -> np.ndarray:
    """Boolean array of the voxels (of `inside`, where given) of which `test` of a slab is true."""
    out = np.empty(array.shape, bool)

    def work(part: slice) -> None:
        out[part] = test(array[part])
        if inside is not None:
            out[part] &= inside[part]

    for_each(work, slabs_of(array), progress=progress, message=message)
    return out


def above(
    array: np.ndarray, inside: np.ndarray | None, threshold: float, bright: bool, progress: Progress = SILENT
) -> np.ndarray:
    """Boolean array of the voxels larger than the threshold, or else of the others.

    Compared in float64, so that every pixel type that holds the values gives the same voxels.
    """
    limit = np.float64(threshold)
    return where(array, inside, lambda slab: slab > limit if bright else slab <= limit, progress)


def curves_of(histogram: Histogram, thresholds: dict[str, float]) -> Curves:
    """The histogram as a curve, and each threshold as an upright line as high as the histogram."""
    high = float(histogram.counts.max())
    lines = [Curve(name, np.array([at, at], float), np.array([0.0, high]), "dashed") for name, at in thresholds.items()]
    series = (Curve("Histogram", histogram.centres, histogram.counts.astype(float)), *lines)
    return Curves("Histogram", "Value", "Voxels", series)
