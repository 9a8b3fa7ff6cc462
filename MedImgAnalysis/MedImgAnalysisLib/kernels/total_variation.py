"""Total variation denoising by the dual projection of Chambolle, in slabs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..blockwise import for_each, ranges
from ..progress import SILENT, Progress

SLAB = 400_000
"""Values of a slab, so that a step works in the cache of a core."""


def denoise(
    array: np.ndarray,
    weight: float,
    scale: Sequence[float],
    tolerance: float,
    iterations: int,
    progress: Progress = SILENT,
) -> np.ndarray:
    """Minimise |u - array|^2 / 2 + weight sum |grad u| (Chambolle 2004), forward differences.

    With `scale` 1 the iteration and its stop rule are those of scikit-image's `denoise_tv_chambolle`.

    Parameters
    ----------
    array
        float (k, j, i).
    weight
        In the unit of the values, above 0.
    scale
        Factors of the differences by numpy axis: 1 for the finest axis, spacing ratios below 1 for the others.
    tolerance
        Stop when the energy changes by less than this part of its first value.
    """
    dual = np.zeros((3, *array.shape), array.dtype)
    out = array.copy()
    step = 1 / (2 * sum(s**2 for s in scale if s) or 1.0)
    slabs = ranges(array.shape[0], array[0].size, SLAB)
    factors = [array.dtype.type(s) for s in scale]

    def primal(slab: tuple[int, int]) -> float:
        """out = array + div(dual); half of the energy."""
        start, stop = slab
        moved = np.zeros((stop - start, *array.shape[1:]), array.dtype)
        for axis, factor in enumerate(factors):
            if axis == 0:
                flow = dual[0, max(start - 1, 0) : stop] * factor
                own = flow[start - max(start - 1, 0) :]
                moved -= own
                moved[len(moved) - len(flow[:-1]) :] += flow[:-1]
            else:
                flow = dual[axis, start:stop] * factor
                moved -= flow
                np.moveaxis(moved, axis, 0)[1:] += np.moveaxis(flow, axis, 0)[:-1]
        np.add(array[start:stop], moved, out=out[start:stop])
        return float(np.vdot(moved, moved))

    def project(slab: tuple[int, int]) -> float:
        """One step of the dual variable; the other half of the energy."""
        start, stop = slab
        gradient = np.zeros((3, stop - start, *array.shape[1:]), array.dtype)
        end = min(stop + 1, array.shape[0])
        np.subtract(out[start + 1 : end], out[start : end - 1], out=gradient[0, : end - 1 - start])
        np.subtract(out[start:stop, 1:], out[start:stop, :-1], out=gradient[1, :, :-1])
        np.subtract(out[start:stop, :, 1:], out[start:stop, :, :-1], out=gradient[2, :, :, :-1])
        for part, factor in zip(gradient, factors, strict=True):
            part *= factor
        norm = gradient[0] * gradient[0]
        norm += gradient[1] * gradient[1]
        norm += gradient[2] * gradient[2]
        np.sqrt(norm, out=norm)
        energy = float(norm.sum(dtype=float))
        norm *= norm.dtype.type(step / weight)
        norm += 1
        gradient *= gradient.dtype.type(step)
        own = dual[:, start:stop]
        own -= gradient
        own /= norm
        return energy

    first = before = 0.0
    for n in range(iterations):
        here = progress.part(n / iterations, (n + 1) / iterations)
        energy = 0.0
        if n:
            energy = sum(for_each(primal, slabs, progress=here.part(0.0, 0.5), message="Total variation"))
        energy += weight * sum(for_each(project, slabs, progress=here.part(0.5, 1.0), message="Total variation"))
        if n == 0:
            first = energy
        elif abs(before - energy) < tolerance * first:
            break
        before = energy
    progress.report(1.0, "Total variation")
    return out
