"""Exact order statistics and percentiles of an image, by counting; histograms of 8- and 16-bit images.

A sample says between which two values a wanted rank must be. One pass over the image counts what is below and keeps
what is between, a few thousandths of all, which is sorted out; a bracket that missed is widened. The result equals
`numpy.percentile` (linear), to the bit for ranks and to rounding between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, gcd, sqrt
from typing import Any, NamedTuple

import numpy as np

from ..blockwise import for_each, ranges
from ..progress import SILENT, Progress, waited

SAMPLE = 1 << 16
"""Values of a sample; an image with no more is sorted."""
SLACK = 5.0
"""Standard deviations of the rank of a sample value by which a bracket is wider."""
SPARSE = 0.5
"""Part of the image up to which the voxels of a mask are copied."""
MANY = 0.01
"""Part of the sample that one value has to be to be counted apart."""
MANY_RANKS = 8
"""Ranks, far from each other, from which on all values are sorted or counted."""
PIECE = 1 << 17
"""Values that are compared at once, so that they stay in the cache of a core."""


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


class _Bracket(NamedTuple):
    """Ranks that are near each other, and two values between which theirs are thought to be; None for no bound.

    A value that is as frequent as that of a ground is no part of what is between, but counted apart.
    """

    ranks: np.ndarray
    low: Any
    high: Any
    low_apart: bool
    high_apart: bool


class _Found(NamedTuple):
    """How many values are below the bracket, below what is between, up to the end of that, up to that of the bracket;
    and what is between."""

    counts: np.ndarray
    between: np.ndarray


def ranked(
    array: np.ndarray, ranks: Sequence[int], inside: np.ndarray | None = None, progress: Progress = SILENT
) -> np.ndarray:
    """The values at these ranks (0 is the smallest) of all voxels, or of those of `inside`; same type as `array`.

    `array` must be finite; ranks are below the number of voxels.
    """
    progress.check()
    wanted = np.asarray(ranks, np.int64)
    n = array.size if inside is None else int(np.count_nonzero(inside))
    if inside is not None and n <= SPARSE * array.size:
        rows = for_each(lambda part: array[part][inside[part]], slabs_of(array), progress=progress.part(0.0, 0.5))
        return ranked(np.concatenate(rows), ranks, None, progress.part(0.5, 1.0))
    sample = np.sort(_sample(array, inside, n))
    if len(sample) == n:
        return np.asarray(sample[wanted])
    groups = _near(np.unique(wanted), n)
    if len(groups) > MANY_RANKS:
        if is_narrow(array):
            table = counts_of(array, inside, progress)
            return np.asarray(table.values[np.searchsorted(np.cumsum(table.counts), wanted, "right")], array.dtype)
        values = (array if inside is None else array[inside]).reshape(-1).copy()
        return np.asarray(waited(_sorted, values, progress=progress)[wanted])
    found: dict[int, Any] = {}
    slack = SLACK
    while groups:
        brackets = [_bracket(group, sample, n, slack) for group in groups]
        groups, slack = [], slack * 8
        for bracket, one in zip(brackets, _counted(array, brackets, inside, progress), strict=True):
            below, low, before, high = one.counts.tolist()
            if not below <= bracket.ranks[0] <= bracket.ranks[-1] < high:
                groups.append(bracket.ranks)
                continue
            places = bracket.ranks - low
            within = places[(places >= 0) & (bracket.ranks < before)]
            middle = np.partition(one.between, np.unique(within)) if len(within) else one.between
            for rank, place in zip(bracket.ranks.tolist(), places.tolist(), strict=True):
                found[rank] = bracket.low if place < 0 else bracket.high if rank >= before else middle[place]
    return np.array([found[rank] for rank in wanted.tolist()], array.dtype)


def _sorted(values: np.ndarray) -> np.ndarray:
    values.sort()
    return values


def _sample(array: np.ndarray, inside: np.ndarray | None, n: int) -> np.ndarray:
    """All values where they are few, else some thousand from everywhere."""
    if n <= SAMPLE:
        return array.reshape(-1) if inside is None else array[inside]
    step = max(2, n // SAMPLE)
    while gcd(step, array.shape[-1]) > 1:
        step += 1
    chosen = []
    for part in slabs_of(array):
        values = array[part].reshape(-1)[::step]
        chosen.append(values if inside is None else values[inside[part].reshape(-1)[::step]])
    found = np.concatenate(chosen)
    return found if len(found) else array[inside]


def _near(ranks: np.ndarray, n: int) -> list[np.ndarray]:
    """The ranks, rising, in groups that a bracket can hold."""
    return np.split(ranks, np.flatnonzero(np.diff(ranks) > max(1, n // SAMPLE)) + 1)


def _bracket(ranks: np.ndarray, sample: np.ndarray, n: int, slack: float) -> _Bracket:
    """Values that the ranks are between unless the sample is an unlikely one."""
    m = len(sample)
    first, last = float(ranks[0]) / n, float(ranks[-1] + 1) / n
    at = floor(first * m - slack * (1 + sqrt(m * first * (1 - first))))
    to = ceil(last * m + slack * (1 + sqrt(m * last * (1 - last))))
    low, high = sample[at] if at >= 0 else None, sample[to] if to < m else None
    many = int(MANY * m)
    low_apart = low is not None and at + many < m and bool(sample[at + many] == low)
    high_apart = high is not None and to >= many and bool(sample[to - many] == high)
    return _Bracket(ranks, low, high, low_apart, high_apart)


def _counted(
    array: np.ndarray, brackets: list[_Bracket], inside: np.ndarray | None, progress: Progress
) -> list[_Found]:
    """What lies in each bracket, from one pass over the array."""

    def count(values: np.ndarray, bracket: _Bracket) -> _Found:
        below = low = 0
        before = high = len(values)
        kept: Any = slice(None)
        if bracket.high is not None:
            kept = values < bracket.high if bracket.high_apart else values <= bracket.high
            before = int(np.count_nonzero(kept))
            high = int(np.count_nonzero(values <= bracket.high)) if bracket.high_apart else before
        if bracket.low is not None:
            under = values <= bracket.low if bracket.low_apart else values < bracket.low
            low = int(np.count_nonzero(under))
            below = int(np.count_nonzero(values < bracket.low)) if bracket.low_apart else low
            kept = ~under if bracket.high is None else kept > under
        return _Found(np.array([below, low, before, high]), values[kept])

    def work(part: slice) -> list[_Found]:
        values = array[part].reshape(-1) if inside is None else array[part][inside[part]]
        pieces = [values[start : start + PIECE] for start in range(0, len(values), PIECE)]
        return [_joined([count(piece, bracket) for piece in pieces]) for bracket in brackets]

    rows = for_each(work, slabs_of(array), progress=progress, message="Ranking")
    return [_joined(list(column)) for column in zip(*rows, strict=True)]


def _joined(parts: list[_Found]) -> _Found:
    if not parts:
        return _Found(np.zeros(4, np.int64), np.empty(0))
    between = [part.between for part in parts if len(part.between)] or [parts[0].between]
    return _Found(np.sum([part.counts for part in parts], axis=0), np.concatenate(between))


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
