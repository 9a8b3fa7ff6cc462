"""Exact order statistics and percentiles of an image, by counting.

8- and 16-bit images are counted in one table. Wider types are counted by their highest 16 bits, then those that share
these with a wanted value by the next 16: nothing is sorted or copied whole. The result equals `numpy.percentile`
(linear), to the bit for ranks and to rounding between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from ..blockwise import for_each, ranges
from ..progress import SILENT, Progress

DIGIT = 16
"""Bits that are counted at once."""
FEW = 0.25
"""Part of a slab that is kept for the next digit."""


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

    table = _summed(for_each(work, slabs_of(array), progress=progress, message="Counting"))
    if array.dtype.kind == "i":
        table = np.roll(table, 1 << (bits - 1))
    low = -(1 << (bits - 1)) if array.dtype.kind == "i" else 0
    present = np.flatnonzero(table)
    return Counts(present + low, table[present])


def _summed(tables: list[np.ndarray]) -> np.ndarray:
    total = tables[0]
    for table in tables[1:]:
        total += table
    return total


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

    return _from_keys(_by_digits(array, wanted, inside, progress), array.dtype)


def _by_digits(array: np.ndarray, ranks: np.ndarray, inside: np.ndarray | None, progress: Progress) -> np.ndarray:
    """Keys of the values at these ranks, 16 bits at a time: values that share the digits so far are counted by the
    next one."""
    unsigned = np.dtype(f"u{array.dtype.itemsize}")
    bits = 8 * array.dtype.itemsize
    found, left = np.zeros(len(ranks), unsigned), ranks.copy()
    slabs = slabs_of(array)
    few: dict[int, np.ndarray] = {}

    def work(number: int, shift: int, known: np.ndarray) -> np.ndarray:
        """How often each digit follows on each of the known ones in a slab."""
        part = slabs[number]
        keys = few.get(number)
        if keys is None:
            keys = _keys(array[part].reshape(-1) if inside is None else array[part][inside[part]])
        chosen = [keys]
        if shift < bits - DIGIT:
            above = unsigned.type(shift + DIGIT)
            shared = keys >> above
            chosen = [keys[shared == prefix >> above] for prefix in known]
            if sum(map(len, chosen)) < FEW * len(keys):
                few[number] = np.concatenate(chosen)
        low = unsigned.type((1 << DIGIT) - 1)
        digits = [((some >> unsigned.type(shift)) & low).astype(np.intp) for some in chosen]
        return np.stack([np.bincount(some, minlength=1 << DIGIT) for some in digits])

    for shift in range(bits - DIGIT, -1, -DIGIT):
        count = partial(work, shift=shift, known=np.unique(found))
        share = progress.part(1 - (shift + DIGIT) / bits, 1 - shift / bits)
        counts = _summed(for_each(count, range(len(slabs)), progress=share, message="Ranking"))
        places = np.searchsorted(np.unique(found), found)
        for n, place in enumerate(places.tolist()):
            upto = np.cumsum(counts[place])
            digit = int(np.searchsorted(upto, left[n], "right"))
            left[n] -= upto[digit - 1] if digit else 0
            found[n] += unsigned.type(digit << shift)
    return found


def _keys(values: np.ndarray) -> np.ndarray:
    """Unsigned numbers of the same order as the `values`."""
    size = values.dtype.itemsize
    keys = np.ascontiguousarray(values).view(f"u{size}")
    sign = keys.dtype.type(1 << (8 * size - 1))
    if values.dtype.kind == "u":
        return keys
    if values.dtype.kind == "i":
        return keys ^ sign
    # All bits of negative floats are turned, and the sign of the others.
    turned = (keys.view(f"i{size}") >> np.dtype(f"i{size}").type(8 * size - 1)).view(keys.dtype)
    turned |= sign
    turned ^= keys
    return turned


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
