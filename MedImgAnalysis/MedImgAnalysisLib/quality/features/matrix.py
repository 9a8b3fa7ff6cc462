"""Texture matrices as events: what is counted, where, and how matrices come together to one number per feature.

A matrix is kept as a list of events (grey level i, second quantity j), each in a slice and of a direction: pairs of
neighbours, runs, zones, voxels. Merging matrices is joining their events; averaging features is the mean over the
groups that have any event.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ...progress import Progress
from .feature import Feature

DENSE = 1 << 22
"""Cells of a matrix that is counted cell by cell instead of by sorting."""


class Events(NamedTuple):
    """Events of one direction (or of none). `voxels` is the number of voxels of each slice of the region."""

    level: np.ndarray
    second: np.ndarray
    slice: np.ndarray
    voxels: np.ndarray

    def slices(self) -> Iterator[tuple[int, Events]]:
        """The events of each slice that has voxels, with its number; slices are in rising order."""
        numbers = np.flatnonzero(self.voxels)
        starts, stops = np.searchsorted(self.slice, numbers), np.searchsorted(self.slice, numbers, "right")
        for number, a, b in zip(numbers.tolist(), starts.tolist(), stops.tolist(), strict=True):
            alone = self.voxels[number : number + 1]
            yield number, Events(self.level[a:b], self.second[a:b], self.slice[a:b], alone)


class Cells(NamedTuple):
    """The cells of a matrix that are not 0: level i, second quantity j, count n, and the voxels it is of."""

    i: np.ndarray
    j: np.ndarray
    n: np.ndarray
    voxels: int

    def mirrored(self) -> Cells:
        """The matrix plus its transpose."""
        return merged([self, Cells(self.j, self.i, self.n, 0)])


Numbers = dict[str, float]


def cells(events: Events) -> Cells:
    """The matrix of these events."""
    return _counted(events.level, events.second, None, int(events.voxels.sum()))


def merged(matrices: Sequence[Cells]) -> Cells:
    """The sum of matrices."""
    if len(matrices) == 1:
        return matrices[0]
    i, j, n = (np.concatenate([getattr(m, key) for m in matrices]) for key in ("i", "j", "n"))
    return _counted(i, j, n, sum(m.voxels for m in matrices))


def _counted(i: np.ndarray, j: np.ndarray, n: np.ndarray | None, voxels: int) -> Cells:
    if not i.size:
        return Cells(i, j, np.empty(0), voxels)
    width = int(j.max()) + 1
    code = i.astype(np.int64) * width + j
    if (int(i.max()) + 1) * width <= DENSE:
        counts = np.bincount(code, n)
        found = np.flatnonzero(counts)
        counts = counts[found]
    else:
        found, place = np.unique(code, return_inverse=True)
        counts = np.bincount(place, n)
    return Cells(found // width, found % width, counts.astype(np.float64), voxels)


def matrices(events: Iterable[Events], aggregation: str) -> Iterator[Cells]:
    """The matrices whose features are averaged for an aggregation such as `2D_comb`; one direction at a time."""
    by_slice, by_direction = aggregation.startswith("2D"), aggregation.endswith("avg")
    parts: dict[int, list[Cells]] = {}
    for direction, one in enumerate(events):
        if not by_slice:
            parts.setdefault(direction if by_direction else 0, []).append(cells(one))
            continue
        for number, layer in one.slices():
            key = direction * len(one.voxels) + number if by_direction else number
            parts.setdefault(key, []).append(cells(layer))
    for several in parts.values():
        yield merged(several)


def aggregated(
    events: Iterable[Events],
    aggregation: str,
    measure: Callable[[Cells], Numbers],
    features: Sequence[Feature],
    progress: Progress,
) -> Numbers:
    """The features of a family for one way of aggregation, NaN where there is no event at all."""
    results = []
    for matrix in matrices(events, aggregation):
        progress.check()
        if matrix.n.size:
            results.append(measure(matrix))
    if not results:
        return {feature.tag: math.nan for feature in features}
    return {feature.tag: _mean([result[feature.tag] for result in results]) for feature in features}


def _mean(values: list[float]) -> float:
    """Mean of the numbers that are defined."""
    known = [value for value in values if not math.isnan(value)]
    return math.fsum(known) / len(known) if known else math.nan


def entropy(p: np.ndarray) -> float:
    """-sum p log2 p, 0 log 0 being 0."""
    q = p[p > 0]
    return max(0.0, -float((q * np.log2(q)).sum()))


def emphases(matrix: Cells, tags: Sequence[str]) -> Numbers:
    """The sixteen or seventeen features of run length, size zone, distance zone and dependence matrices, under `tags`.

    With p = n / N, N the sum of all counts: short `sum p / j^2`, long `sum p j^2`, low `sum p / i^2`, high `sum p
    i^2`, their four products, non-uniformity `sum_i (sum_j n)^2 / N` (and over N^2) of both quantities, percentage `N
    / voxels`, variances `sum p (i - mean)^2` of both, entropy in bits, energy `sum p^2`.
    """
    i, j, n = matrix.i.astype(float), matrix.j.astype(float), matrix.n
    total = float(n.sum())
    p = n / total
    ii, jj = i * i, j * j
    rows, columns = np.bincount(matrix.i, n), np.bincount(matrix.j, n)
    level_nu, second_nu = float(rows @ rows) / total, float(columns @ columns) / total
    mean_i, mean_j = float(p @ i), float(p @ j)
    numbers = (
        float((p / jj).sum()),
        float(p @ jj),
        float((p / ii).sum()),
        float(p @ ii),
        float((p / (ii * jj)).sum()),
        float((p * ii / jj).sum()),
        float((p * jj / ii).sum()),
        float((p * ii * jj).sum()),
        level_nu,
        level_nu / total,
        second_nu,
        second_nu / total,
        total / matrix.voxels,
        float(p @ (i - mean_i) ** 2),
        float(p @ (j - mean_j) ** 2),
        entropy(p),
        float(p @ p),
    )
    return dict(zip(tags, numbers))
