"""The exact median of a box of voxels: a network of minima and maxima for 3 x 3 x 3, partition for others.

The network equals `SimpleITK.Median` with radius 1 to the bit (edge voxels repeated), for every real pixel type,
some ten times faster: all 27 values are never sorted. Along x and y the columns of three are sorted in
place, which leaves sorted tableaux; of three such tableaux only 19 values can still be the median
(the others have 14 larger or 14 smaller ones), and forgetting the smallest and the largest of a growing
set in turn leaves it. Every step is one numpy minimum or maximum over a strip of rows.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

STRIP_BYTES = 3 << 16
"""Of one register, the values of a strip of rows: in shorter ones threads would mostly wait for each other."""

VALUES = 27

BOX_VALUES = 2_000_000
"""Values copied for one partition: some milliseconds of work, some megabytes."""


class Step(NamedTuple):
    """`low` and `high` get minimum and maximum of the registers `a` and `b`; -1: not wanted."""

    low: int
    high: int
    a: int
    b: int


class _Network:
    """Records compare-exchange steps on numbered values; every result is a new number."""

    def __init__(self) -> None:
        self.count = VALUES
        self.steps: list[Step] = []

    def exchange(self, a: int, b: int) -> tuple[int, int]:
        low, high = self.count, self.count + 1
        self.count += 2
        self.steps.append(Step(low, high, a, b))
        return low, high

    def sort3(self, a: int, b: int, c: int) -> tuple[int, int, int]:
        a, b = self.exchange(a, b)
        b, c = self.exchange(b, c)
        a, b = self.exchange(a, b)
        return a, b, c

    def drop_extremes(self, values: list[int]) -> list[int]:
        """`values` without their smallest and largest, by a tournament."""
        lows, highs = [], []
        for a, b in zip(values[0::2], values[1::2], strict=False):
            low, high = self.exchange(a, b)
            lows.append(low)
            highs.append(high)
        rest = []
        if len(values) % 2:
            lows[0], middle = self.exchange(lows[0], values[-1])
            middle, highs[0] = self.exchange(middle, highs[0])
            rest.append(middle)
        for n in range(1, len(lows)):
            lows[0], lows[n] = self.exchange(lows[0], lows[n])
            highs[n], highs[0] = self.exchange(highs[n], highs[0])
        return lows[1:] + highs[1:] + rest


@cache
def program() -> tuple[tuple[Step, ...], int]:
    """The steps without those whose results nobody uses, and the value that is the median.

    Value 9 k + 3 j + i is the (i, j)-th of the sorted tableau of plane k: rising along i and along j.
    """
    network = _Network()
    ranked: dict[tuple[int, int, int], int] = {}
    for j, i in product(range(3), repeat=2):
        for k, value in enumerate(network.sort3(*(9 * plane + 3 * j + i for plane in range(3)))):
            ranked[k, j, i] = value
    middle = [
        place for place in ranked
        if np.prod([p + 1 for p in place]) <= 14 and np.prod([3 - p for p in place]) <= 14
    ]  # fmt: skip
    # Likely extremes first: they are dropped while the set is small.
    waiting = [ranked[place] for place in sorted(middle, key=lambda place: -abs(sum(place) - 3))]
    first = len(waiting) // 2 + 2
    working, waiting = waiting[:first], waiting[first:]
    working = network.drop_extremes(working)
    for value in waiting:
        working = network.drop_extremes([*working, value])
    (median,) = working
    return _used(network.steps, median), median


def _used(steps: list[Step], result: int) -> tuple[Step, ...]:
    wanted = {result}
    kept = []
    for step in reversed(steps):
        low, high = step.low in wanted, step.high in wanted
        if low or high:
            kept.append(Step(step.low if low else -1, step.high if high else -1, step.a, step.b))
            wanted |= {step.a, step.b}
    return tuple(reversed(kept))


@cache
def registers() -> tuple[tuple[Step, ...], int, int]:
    """The program on few registers: values 0 to 26 are inputs, registers are 27 and up.

    Returns the steps, the number of registers and the register of the median.
    """
    steps, median = program()
    last = {value: at for at, step in enumerate(steps) for value in (step.a, step.b)}
    place = {value: value for value in range(VALUES)}
    free: list[int] = []
    used = 0
    packed = []
    for at, step in enumerate(steps):
        targets = []
        for value in (step.low, step.high):
            if value < 0:
                targets.append(-1)
                continue
            if not free:
                free.append(VALUES + used)
                used += 1
            place[value] = free.pop()
            targets.append(place[value])
        packed.append(Step(targets[0], targets[1], place[step.a], place[step.b]))
        free += [place[value] for value in {step.a, step.b} if last[value] == at and place[value] >= VALUES]
    return tuple(packed), used, place[median]


def median_of_27(slab: np.ndarray) -> np.ndarray:
    """Medians of all 3 x 3 x 3 boxes that lie inside `slab` (k, j, i): each axis is shorter by two."""
    depth, height, width = (n - 2 for n in slab.shape)
    out = np.empty((depth, height, width), slab.dtype)
    rows = max(4, STRIP_BYTES // (width * slab.itemsize))
    for start in range(0, height, rows):
        _strip(slab[:, start : min(start + rows, height) + 2], out[:, start : start + rows])
    return out


def _strip(slab: np.ndarray, out: np.ndarray) -> None:
    steps, count, result = registers()
    shape = out.shape[1:]
    tableaux = np.empty((3, 9, *shape), slab.dtype)
    registers_ = np.empty((count, *shape), slab.dtype)
    columns = np.empty((3, shape[0] + 2, shape[1]), slab.dtype)
    for k in range(2):
        _tableau(slab[k], columns, tableaux[k])
    for k in range(out.shape[0]):
        _tableau(slab[k + 2], columns, tableaux[(k + 2) % 3])
        values = [*tableaux[0], *tableaux[1], *tableaux[2], *registers_]
        for low, high, a, b in steps:
            if low >= 0:
                np.minimum(values[a], values[b], out=values[low])
            if high >= 0:
                np.maximum(values[a], values[b], out=values[high])
        out[k] = values[result]


def _tableau(plane: np.ndarray, columns: np.ndarray, tableau: np.ndarray) -> None:
    """Sort neighbours along i, then along j: `tableau` (9, j, i) rises in both directions."""
    _sort3(plane[:, :-2], plane[:, 1:-1], plane[:, 2:], columns)
    for i, column in enumerate(columns):
        _sort3(column[:-2], column[1:-1], column[2:], tableau[i::3])


def _sort3(a: np.ndarray, b: np.ndarray, c: np.ndarray, out: np.ndarray) -> None:
    low, high = np.minimum(a, b), np.maximum(a, b)
    np.minimum(low, c, out=out[0])
    np.maximum(low, c, out=low)
    np.minimum(low, high, out=out[1])
    np.maximum(low, high, out=out[2])


def median_of_box(slab: np.ndarray, radii: tuple[int, int, int], stop: Callable[[], bool]) -> np.ndarray:
    """Medians of all boxes of 2 radius + 1 voxels inside `slab` (k, j, i): each axis is shorter by 2 radius.

    By numpy's partition of the boxes of some rows at a time, several times faster than ITK and SciPy.
    `stop` is asked between the rows; the rest of the result is undefined when it says yes.
    """
    size = tuple(2 * r + 1 for r in radii)
    count = int(np.prod(size))
    out = np.empty(tuple(n - 2 * r for n, r in zip(slab.shape, radii, strict=True)), slab.dtype)
    rows = max(1, BOX_VALUES // (count * out.shape[2]))
    for k in range(out.shape[0]):
        for j in range(0, out.shape[1], rows):
            if stop():
                return out
            part = slab[k : k + size[0], j : j + rows + 2 * radii[1]]
            boxes = np.array(sliding_window_view(part, size)[0]).reshape(-1, out.shape[2], count)
            boxes.partition(count // 2, axis=-1)
            out[k, j : j + rows] = boxes[..., count // 2]
    return out
