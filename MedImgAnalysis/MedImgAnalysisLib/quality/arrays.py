"""Sums, moments and medians over large arrays in float64, a slab at a time so that a cancel comes through."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk

from ..geometry import Grid
from ..progress import Progress
from ..resampling import on_grid
from ..values import Labels

SLAB_VOXELS = 1 << 21
EXACT_MEDIAN = 1 << 22
BINS = 1 << 16


Transform = Callable[[np.ndarray], np.ndarray]


class Sample(NamedTuple):
    """What is known of the voxels of a region. `sd` has n - 1; `zeros` are exact zeros."""

    n: int
    nonfinite: int
    zeros: int
    mean: float
    sd: float
    median: float
    low: float
    high: float

    @property
    def reason(self) -> str:
        """Why mean or SD are undefined."""
        if self.n == 0:
            return "nonfinite_input" if self.nonfinite else "empty_region"
        return "single_voxel" if self.n == 1 else "zero_variance"


def slabs(shape: tuple[int, ...], progress: Progress) -> Iterator[slice]:
    """Ranges along the first axis of about two million voxels; stops between them when asked to."""
    depth = max(1, SLAB_VOXELS // max(1, math.prod(shape[1:])))
    for start in range(0, shape[0], depth):
        progress.check()
        yield slice(start, min(start + depth, shape[0]))


def values_in(array: np.ndarray, inside: np.ndarray | None, progress: Progress) -> Iterator[np.ndarray]:
    """The voxels of `inside` (all if None) as float64, a slab at a time."""
    for part in slabs(array.shape, progress):
        chosen = array[part].ravel() if inside is None else array[part][inside[part]]
        yield chosen.astype(np.float64)


def finite_in(
    array: np.ndarray, inside: np.ndarray | None, progress: Progress, of: Transform | None = None
) -> Iterator[np.ndarray]:
    """Like `values_in` without NaN and infinity, after `of` (such as `numpy.square`) where given."""
    for values in values_in(array, inside, progress):
        good = values if array.dtype.kind in "iub" else values[np.isfinite(values)]
        yield good if of is None else of(good)


def sample(
    array: np.ndarray,
    inside: np.ndarray | None,
    progress: Progress,
    middle: bool = True,
    of: Transform | None = None,
) -> Sample:
    """Count, mean, sample SD (n - 1), median and extremes of a region; non-finite voxels are left out and counted.

    Two passes, so that a large mean does not swallow a small variance. `middle=False` leaves the median NaN. With `of`
    the numbers are those of the transformed values.
    """
    total = array.size if inside is None else int(np.count_nonzero(inside))
    n = zeros = 0
    sums, lows, highs = [], [], []
    for values in finite_in(array, inside, progress, of):
        if values.size:
            n += values.size
            zeros += values.size - int(np.count_nonzero(values))
            sums.append(float(values.sum()))
            lows.append(float(values.min()))
            highs.append(float(values.max()))
    if n == 0:
        return Sample(0, total, 0, *[math.nan] * 5)
    mean = math.fsum(sums) / n
    squares = math.fsum(float(np.square(v - mean).sum()) for v in finite_in(array, inside, progress, of))
    low, high = min(lows), max(highs)
    # A constant region is exactly constant, whatever the rounding of its mean.
    sd = math.nan if n == 1 else 0.0 if low == high else math.sqrt(squares / (n - 1))
    if low == high:
        mean = low
    mid = median(array, inside, n, low, high, progress, of) if middle else math.nan
    return Sample(n, total - n, zeros, mean, sd, mid, low, high)


def median(
    array: np.ndarray,
    inside: np.ndarray | None,
    n: int,
    low: float,
    high: float,
    progress: Progress,
    of: Transform | None = None,
) -> float:
    """Exact median of the `n` finite values of a region that lie between `low` and `high`.

    Large regions are narrowed by a histogram to the bins that hold the middle, and only these are sorted.
    """
    if n <= EXACT_MEDIAN or low == high:
        return float(np.median(np.concatenate(list(finite_in(array, inside, progress, of)))))
    # Any numbering that never falls as the value rises will do: the bins need not be exact.
    scale = (BINS - 1) / (high - low)
    counts = np.zeros(BINS, np.int64)
    for values in finite_in(array, inside, progress, of):
        counts += np.bincount(((values - low) * scale).astype(np.intp), minlength=BINS)
    upto = np.cumsum(counts)
    first, last = (int(np.searchsorted(upto, rank, "right")) for rank in ((n - 1) // 2, n // 2))
    found = []
    for values in finite_in(array, inside, progress, of):
        bins = ((values - low) * scale).astype(np.intp)
        found.append(values[(bins >= first) & (bins <= last)])
    middle = np.sort(np.concatenate(found))
    before = int(upto[first - 1]) if first else 0
    return float((middle[(n - 1) // 2 - before] + middle[n // 2 - before]) / 2)


def shape_of(array: np.ndarray, inside: np.ndarray | None, known: Sample, progress: Progress) -> tuple[float, float]:
    """Skewness and excess kurtosis of a region (moments divide by n, as IBSI does); NaN for constant values."""
    if known.n < 2 or known.sd == 0:
        return math.nan, math.nan
    sums = np.zeros(3)
    for values in finite_in(array, inside, progress):
        z = values - known.mean
        square = z * z
        sums += (square.sum(), (square * z).sum(), (square * square).sum())
    second, third, fourth = sums / known.n
    return float(third / second**1.5), float(fourth / second**2 - 3)


def count_nonfinite(array: np.ndarray, inside: np.ndarray | None, progress: Progress) -> int:
    """Voxels of a region that are NaN or infinite."""
    if array.dtype.kind != "f":
        return 0
    return sum(
        values.size - int(np.count_nonzero(np.isfinite(values))) for values in values_in(array, inside, progress)
    )


def warn_nonfinite(wrong: int, what: str, progress: Progress, how: str = "they were left out") -> None:
    """Say how many voxels are NaN or infinite."""
    if wrong:
        progress.warn(f"The {what} has {wrong} voxels that are NaN or infinite; {how}.")


def region(labels: Labels, name: str, image: sitk.Image, progress: Progress) -> np.ndarray:
    """The voxels of a segment (id or name) on the grid of `image`, boolean (k, j, i)."""
    own = labels.mask(name)
    progress.check()
    mask = on_grid(own, Grid.of(image), labels=True, what="segmentation of regions", progress=progress)
    progress.check()
    # Masks hold 0 and 1, so the bytes are the booleans.
    return sitk.GetArrayFromImage(mask).view(bool)


def inside_of(mask: sitk.Image | None) -> np.ndarray | None:
    """The boolean array of a mask role."""
    return None if mask is None else sitk.GetArrayFromImage(mask) != 0


def segment_named(labels: Labels | None, name: str, *usual: str) -> str | None:
    """Id of the segment `name`; without a name, of the one whose name is one of `usual` in any case.

    Raises `InputError` when a name is given that no segment has.
    """
    if name:
        if labels is None:
            return None
        return labels.find(name).id
    for segment in labels.segments if labels is not None else ():
        if segment.name.strip().lower() in usual:
            return segment.id
    return None
