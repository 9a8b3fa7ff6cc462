"""Total variation denoising by the dual projection of Chambolle, each slab in one sweep that stays in the cache."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..blockwise import for_each, ranges
from ..progress import SILENT, Progress
from .separable import working_type

LAYERS = 16
"""Layers of a slab at the least; its last but one is computed twice."""
SLAB_VALUES = 1 << 18
STRIP_VALUES = 1 << 17
"""Values that a step works on at once; with fewer, threads would mostly wait for each other."""

MESSAGE = "Total variation"


class Ends(NamedTuple):
    """What a slab needs of its neighbours as it was before the sweep: the dual variable of the layer before it along
    the first axis, and the layer of the result after it; None at the border."""

    before: np.ndarray | None
    after: np.ndarray | None


def denoise(
    array: np.ndarray,
    weight: float,
    scale: Sequence[float],
    tolerance: float,
    iterations: int,
    progress: Progress = SILENT,
) -> np.ndarray:
    """Minimise |u - array|^2 / 2 + weight sum |grad u| (Chambolle 2004), forward differences.

    With `scale` 1 the iteration is that of scikit-image's `denoise_tv_chambolle`; where that stops for the tolerance,
    this goes one step further. Nothing but the dual variable is held, whose last part becomes the result.

    Parameters
    ----------
    array
        (k, j, i) of any real type; the result is in its `working_type`.
    weight
        In the unit of the values, above 0.
    scale
        Factors of the differences by numpy axis: 1 for the finest axis, spacing ratios below 1 for the others, 0 for
        axes of one voxel.
    tolerance
        Stop when the energy changes by less than this part of its first value.
    """
    solver = _Solver(array, weight, scale)
    # Not by the number of threads: the energy must not depend on it.
    slabs = ranges(array.shape[0], 1, max(LAYERS, SLAB_VALUES // max(1, array[:1].size)))
    first = before = 0.0
    for n in range(iterations - 1):
        here = progress.part(n / iterations, (n + 1) / iterations)
        ends = for_each(solver.ends, slabs, progress=here.part(0.0, 0.0), message=MESSAGE)
        jobs = list(zip(slabs, ends, strict=True))
        found = for_each(lambda job: solver.sweep(*job), jobs, progress=here, message=MESSAGE)
        energy = sum(moved for moved, _ in found) + weight * sum(varied for _, varied in found)
        if n == 0:
            first = energy
        elif abs(before - energy) < tolerance * first:
            break
        before = energy
    befores = for_each(solver.before, slabs, progress=progress.part(1.0, 1.0), message=MESSAGE)
    last = list(zip(slabs, befores, strict=True))
    for_each(lambda job: solver.finish(*job), last, progress=progress.part(1.0, 1.0), message=MESSAGE)
    return solver.result()


class _Solver:
    """The dual variable, an array for each axis, which is kept in units of the step."""

    def __init__(self, array: np.ndarray, weight: float, scale: Sequence[float]) -> None:
        self.dtype = working_type(array.dtype)
        step = 1 / (2 * sum(s**2 for s in scale) or 1.0)
        self.array = array
        self.axes = [(axis, self.dtype(s)) for axis, s in enumerate(scale) if s]
        self.dual: list[np.ndarray] = [np.zeros(array.shape, self.dtype) for _ in self.axes]
        self.step, self.slowing = self.dtype(step), self.dtype(step / weight)
        layer = max(1, array[:1].size)
        self.depth = max(1, STRIP_VALUES // layer)
        self.rows = [slice(*part) for part in ranges(array.shape[1], array.shape[2], STRIP_VALUES)]

    def before(self, slab: tuple[int, int]) -> np.ndarray | None:
        """The dual variable of the layer before a slab, which the work on others changes."""
        return self.dual[0][slab[0] - 1].copy() if slab[0] and self._along_first() else None

    def ends(self, slab: tuple[int, int]) -> Ends:
        """What the sweep of this slab needs that those of others change."""
        stop = slab[1]
        if stop == len(self.array) or not self._along_first():
            return Ends(self.before(slab), None)
        after = np.empty((1, *self.array.shape[1:]), self.dtype)
        for rows in self.rows:
            self._primal(stop, stop + 1, rows, None, after[:, rows])
        return Ends(self.before(slab), after[0])

    def sweep(self, slab: tuple[int, int], ends: Ends) -> tuple[float, float]:
        """The result array + div(dual), then one step of the dual variable; the sums of both halves of the energy.

        The result is made a few layers at a time, one more than those whose dual variable is changed next.
        """
        start, stop = slab
        moved = varied = 0.0
        held = np.empty((min(self.depth, stop - start) + 1, *self.array.shape[1:]), self.dtype)
        done = start
        for low in range(start, stop, self.depth):
            high = min(low + self.depth, stop)
            upto = min(high + 1, stop)
            for rows in self.rows:
                before = ends.before if done == start else None
                moved += self._primal(done, upto, rows, before, held[done - low : upto - low, rows])
            done = upto
            after = held[high - low] if high < stop else ends.after
            for rows in self.rows:
                varied += self._project(low, held[: high - low], rows, after)
            if high < stop:
                held[0] = held[high - low]
        return moved, varied

    def finish(self, slab: tuple[int, int], before: np.ndarray | None) -> None:
        """The result in the place of the dual variable of the last axis; what is still to be read stays."""
        if not self.axes:
            return
        low, high = slab
        alone = len(self.axes) == 1 and self._along_first()
        for k in reversed(range(low, high)) if alone else range(low, high):
            for rows in reversed(self.rows) if self.axes[-1][0] == 1 else self.rows:
                out = np.empty((1, rows.stop - rows.start, self.array.shape[2]), self.dtype)
                self._primal(k, k + 1, rows, before if k == low else None, out)
                self.dual[-1][k, rows] = out[0]

    def result(self) -> np.ndarray:
        """What `finish` made."""
        return self.dual.pop() if self.axes else self.array.astype(self.dtype)

    def _along_first(self) -> bool:
        return bool(self.axes) and self.axes[0][0] == 0

    def _primal(self, low: int, high: int, rows: slice, before: np.ndarray | None, out: np.ndarray) -> float:
        """Some rows of some layers of the result; the sum of the squares of what they moved by.

        `before` is the dual variable of the layer before where it has changed since.
        """
        if low == high:
            return 0.0
        moved, flow = np.zeros(out.shape, out.dtype), np.empty(out.shape, out.dtype)
        for (axis, factor), dual in zip(self.axes, self.dual, strict=True):
            own = dual[low:high, rows]
            if axis == 0:
                np.subtract(own[:-1], own[1:], out=flow[1:])
                last = before if before is not None else dual[low - 1] if low else None
                np.subtract(0 if last is None else last[rows], own[0], out=flow[0])
            elif axis == 1:
                np.subtract(own[:, :-1], own[:, 1:], out=flow[:, 1:])
                np.subtract(dual[low:high, rows.start - 1] if rows.start else 0, own[:, 0], out=flow[:, 0])
            else:
                np.subtract(own[..., :-1], own[..., 1:], out=flow[..., 1:])
                # Not np.negative: numpy 2.4 gets it wrong where both arrays have strides.
                np.subtract(0, own[..., 0], out=flow[..., 0])
            if factor != 1:
                flow *= factor
            moved += flow
        moved *= self.step
        np.add(self.array[low:high, rows], moved, out=out, casting="unsafe")
        return float(np.square(moved, out=moved).sum())

    def _project(self, low: int, out: np.ndarray, rows: slice, after: np.ndarray | None) -> float:
        """One step of the dual variable of some rows of the layers from `low` on; the sum of the gradients.

        `out` are these layers of the result, `after` the layer after the last one, None at the border.
        """
        high, here = low + len(out), out[:, rows]
        slopes = np.zeros((len(self.axes), *here.shape), here.dtype)
        norm, square = np.zeros(here.shape, here.dtype), np.empty(here.shape, here.dtype)
        for (axis, factor), slope in zip(self.axes, slopes, strict=True):
            if axis == 0:
                np.subtract(here[1:], here[:-1], out=slope[:-1])
                if after is not None:
                    np.subtract(after[rows], here[-1], out=slope[-1])
            elif axis == 1:
                following = out[:, rows.start + 1 : rows.stop + 1]
                count = following.shape[1]
                np.subtract(following, here[:, :count], out=slope[:, :count])
            else:
                np.subtract(here[..., 1:], here[..., :-1], out=slope[..., :-1])
            if factor != 1:
                slope *= factor
            norm += np.square(slope, out=square)
        np.sqrt(norm, out=norm)
        varied = float(norm.sum())
        norm *= self.slowing
        norm += 1
        np.reciprocal(norm, out=norm)
        for slope, dual in zip(slopes, self.dual, strict=True):
            own = dual[low:high, rows]
            own -= slope
            own *= norm
        return varied
