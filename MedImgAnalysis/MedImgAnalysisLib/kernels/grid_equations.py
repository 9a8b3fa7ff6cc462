"""Linear equations between the neighbours of a grid, by conjugate gradients that multigrid makes quick."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..blockwise import for_each, ranges
from ..progress import SILENT, Progress, Quiet

COARSEST = 128
"""Unknowns that are solved for directly."""
MOST_STEPS = 1000
DAMPING = 0.7
SLAB_VALUES = 1 << 18


class GridEquations:
    """(degree x)(v) - sum of weight(v, w) x(w) over the face neighbours w of v = right(v), degree = links + weights.

    Parameters
    ----------
    weights
        For each axis the weights, at least 0, between neighbours along it; one shorter than the grid along that axis.
    links
        (k, j, i), at least 0: weight of each voxel to something outside the grid whose value is part of `right`.
    spacing
        Lengths by axis: the shorter ones are made coarser first.
    """

    def __init__(self, weights: Sequence[np.ndarray], links: np.ndarray, spacing: Sequence[float]) -> None:
        self._weights = weights
        self._degree = links.copy()
        for axis, weight in enumerate(weights):
            low, high = halves(axis, links.ndim)
            self._degree[low] += weight
            self._degree[high] += weight
        self._coarser: GridEquations | None = None
        if links.size > COARSEST:
            least = min(s for s, n in zip(spacing, links.shape, strict=True) if n > 1)
            self._factors = [2 if s < 1.9 * least and n > 1 else 1 for s, n in zip(spacing, links.shape, strict=True)]
            wider = [s * f for s, f in zip(spacing, self._factors, strict=True)]
            # The equations for x that is even in each larger voxel (Galerkin): weights across its faces are added up.
            across = [w[_second(axis, f, w.ndim)] for axis, (w, f) in enumerate(zip(weights, self._factors))]
            between = [_summed(weight, self._factors, but=axis) for axis, weight in enumerate(across)]
            self._coarser = GridEquations(between, _summed(links, self._factors), wider)
        else:
            self._inverse = np.linalg.pinv(self._matrix(), hermitian=True)
        # Voxels without any weight stay 0.
        self._absent = self._degree == 0
        self._degree[self._absent] = 1.0

    def solve(
        self, right: np.ndarray, tolerance: float, progress: Progress = SILENT, message: str = ""
    ) -> tuple[np.ndarray, bool]:
        """x, and whether the residual fell to `tolerance` times its beginning, both measured through the multigrid."""
        x, residual = np.zeros_like(right), right.copy()
        scaled = self._cycle(residual, progress)
        direction, product = scaled.copy(), _product(residual, scaled)
        goal = tolerance**2 * product
        for step in range(MOST_STEPS):
            if product <= goal:
                return x, True
            progress.report(1 - 0.97**step, message)
            image = self._applied(direction, progress)
            length = product / _product(direction, image)
            x += length * direction
            image *= length
            residual -= image
            scaled = self._cycle(residual, progress)
            before, product = product, _product(residual, scaled)
            direction *= product / before
            direction += scaled
        return x, False

    def _cycle(self, residual: np.ndarray, progress: Progress) -> np.ndarray:
        """About the x of a residual: one damped step, the correction of the coarser grid, one damped step."""
        if self._coarser is None:
            return np.asarray((self._inverse @ residual.ravel()).reshape(residual.shape))
        x: np.ndarray = residual * DAMPING
        x /= self._degree
        rest = residual - self._applied(x, progress)
        wide = self._coarser._cycle(_summed(rest, self._factors), progress)
        for axis, factor in enumerate(self._factors):
            wide = wide.repeat(factor, axis)
        x += wide[tuple(slice(0, n) for n in x.shape)]
        x[self._absent] = 0
        np.subtract(residual, self._applied(x, progress), out=rest)
        rest *= DAMPING
        rest /= self._degree
        x += rest
        return x

    def _applied(self, x: np.ndarray, progress: Progress) -> np.ndarray:
        """The left side of the equations."""
        out = np.empty_like(x)

        def work(part: tuple[int, int]) -> None:
            start, stop = part
            own = self._degree[start:stop] * x[start:stop]
            first, below, above = self._weights[0], max(start, 1), min(stop, len(x) - 1)
            own[below - start :] -= first[below - 1 : stop - 1] * x[below - 1 : stop - 1]
            own[: above - start] -= first[start:above] * x[start + 1 : above + 1]
            here = x[start:stop]
            for axis, weight in enumerate(self._weights[1:], start=1):
                low, high = halves(axis, x.ndim)
                own[low] -= weight[start:stop] * here[high]
                own[high] -= weight[start:stop] * here[low]
            out[start:stop] = own

        for_each(work, ranges(len(x), x[:1].size, SLAB_VALUES), progress=Quiet(progress))
        return out

    def _matrix(self) -> np.ndarray:
        """The equations of a small grid as a matrix."""
        matrix = np.diag(self._degree.ravel())
        numbers = np.arange(matrix.shape[0]).reshape(self._degree.shape)
        for axis, weight in enumerate(self._weights):
            low, high = halves(axis, numbers.ndim)
            one, two = numbers[low].ravel(), numbers[high].ravel()
            matrix[one, two] = matrix[two, one] = -weight.ravel()
        return matrix


def halves(axis: int, dimension: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """All but the last, and all but the first layer along an axis."""
    cuts = (slice(None, -1), slice(1, None))
    low, high = (tuple(cut if a == axis else slice(None) for a in range(dimension)) for cut in cuts)
    return low, high


def _second(axis: int, factor: int, dimension: int) -> tuple[slice, ...]:
    """Of the weights along an axis those across the faces of the larger voxels."""
    return tuple(slice(factor - 1, None, factor) if a == axis else slice(None) for a in range(dimension))


def _summed(array: np.ndarray, factors: Sequence[int], but: int | None = None) -> np.ndarray:
    """Sums over the larger voxels, along all axes `but` one."""
    for axis, factor in enumerate(factors):
        if factor == 2 and axis != but:
            array = np.add.reduceat(array, np.arange(0, array.shape[axis], 2), axis=axis)
    return array


def _product(one: np.ndarray, two: np.ndarray) -> float:
    return float((one * two).sum())
