"""Exact order statistics and percentiles of an image: by counting, or from sorted slabs.

8- and 16-bit images are counted in one table. Others are sorted slab by slab in threads (short sorts stay in the cache
and a cancel comes through between them); a value of a given rank is then found by halving the range of its type, which
needs only where candidates would stand in each slab. The result equals `numpy.percentile` (linear), to the bit for
ranks and to rounding between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..blockwise import for_each, ranges
from ..progress import SILENT, Progress


class Counts(NamedTuple):
    """Distinct values of a 8- or 16-bit image in rising order, and how often each occurs."""

    values: np.ndarray
    counts: np.ndarray


def slabs_of(array: np.ndarray) -> list[slice]:
    """Ranges along the first axis, for sums of what each of them gives."""
    return [slice(*part) for part in ranges(array.shape[0], array[:1].size)]


def is_narrow(array: np.ndarray) -> bool:
    """Whether all values of the type can be counted in one table."""
    return array.dtype.kind in "iub" and array.dtype.itemsize <= 2


def counts_of(array: np.ndarray, inside: np.ndarray | None = None, progress: Progress = SILENT) -> Counts:
    """How often each value of an 8- or 16-bit integer array occurs, in `inside` (boolean, same shape) where given."""
    bits = 8 * array.dtype.itemsize
    unsigned = np.dtype(f"u{array.dtype.itemsize}")

    def work(part: slice) -> np.ndarray:
        chosen = array[part] if inside is None else array[part][inside[part]]
        return np.bincount(np.ascontiguousarray(chosen).reshape(-1).view(unsigned), minlength=1 << bits)

    table = np.sum(for_each(work, slabs_of(array), progress=progress, message="Counting"), axis=0)
    if array.dtype.kind == "i":
        table = np.roll(table, 1 << (bits - 1))
    low = -(1 << (bits - 1)) if array.dtype.kind == "i" else 0
    present = np.flatnonzero(table)
    return Counts(present + low, table[present])


def ranked(
    array: np.ndarray, ranks: Sequence[int], inside: np.ndarray | None = None, progress: Progress = SILENT
) -> np.ndarray:
    """The values at these ranks (0 is the smallest) of all voxels, or of those of `inside`; same type as `array`.

    `array` must be finite; ranks are below the number of voxels.
    """
    wanted = np.asarray(ranks, np.int64)
    if is_narrow(array):
        found = counts_of(array, inside, progress)
        return found.values[np.searchsorted(np.cumsum(found.counts), wanted, "right")].astype(array.dtype)

    def work(part: slice) -> np.ndarray:
        return np.sort(array[part].reshape(-1) if inside is None else array[part][inside[part]])

    slabs = for_each(work, slabs_of(array), progress=progress, message="Ranking")
    unsigned = np.dtype(f"u{array.dtype.itemsize}")
    low, high = np.zeros(wanted.size, unsigned), np.full(wanted.size, np.iinfo(unsigned).max, unsigned)
    if array.dtype.kind == "f":
        low[:], high[:] = _keys(np.array([-np.inf, np.inf], array.dtype))
    for _ in range(8 * array.dtype.itemsize):
        middle = low + (high - low) // 2
        values = _from_keys(middle, array.dtype)
        upto = np.sum([np.searchsorted(slab, values, "right") for slab in slabs], axis=0)
        enough = upto > wanted
        high = np.where(enough, middle, high)
        low = np.where(enough | (low == high), low, middle + unsigned.type(1))
    return _from_keys(high, array.dtype)


def _keys(values: np.ndarray) -> np.ndarray:
    """Unsigned numbers of the same order as the float `values`."""
    keys = values.view(f"u{values.dtype.itemsize}")
    sign = keys.dtype.type(1 << (8 * values.dtype.itemsize - 1))
    return keys ^ np.where(keys & sign, ~keys.dtype.type(0), sign)


def _from_keys(keys: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Values of these places in the order of all values of a type."""
    sign = keys.dtype.type(1 << (8 * dtype.itemsize - 1))
    if dtype.kind == "i":
        return (keys ^ sign).view(dtype)
    if dtype.kind == "f":
        return (keys ^ np.where(keys & sign, sign, ~keys.dtype.type(0))).view(dtype)
    return keys.view(dtype)


def percentiles(
    array: np.ndarray, percent: Sequence[float], inside: np.ndarray | None = None, progress: Progress = SILENT
) -> np.ndarray:
    """Percentiles in float64, linear between neighbouring ranks (the default of `numpy.percentile`)."""
    n = array.size if inside is None else int(np.count_nonzero(inside))
    place = np.asarray(percent, float) / 100 * (n - 1)
    low = np.clip(np.floor(place).astype(np.int64), 0, n - 1)
    high = np.minimum(low + 1, n - 1)
    found = ranked(array, [*low, *high], inside, progress).astype(np.float64)
    below, above = found[: len(low)], found[len(low) :]
    return np.asarray(below + (above - below) * (place - low))
