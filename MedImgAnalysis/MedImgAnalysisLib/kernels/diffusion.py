"""Explicit steps of edge-preserving diffusion equations, in slabs, each equal to the ITK filter of its name.

ITK multiplies differences by 1 / spacing once and takes the divergence per voxel. The default here divides both by the
spacing, so that the equation and its time are those of space in millimetres whatever the grid; on grids of
1 mm both are the same, and `per_voxel` gives ITK's own equation on others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ..blockwise import for_each, ranges
from ..progress import SILENT, Progress

SLAB = 1 << 17
"""Values of a slab, so that the differences of a step stay in the cache of a core."""
SMALLEST_NORM = 1e-10
"""Added to squared gradients before a root, as in ITK."""
FLAT = 1e-9
"""Squared gradients below this have no direction, as in ITK."""

Update = Callable[[np.ndarray], np.ndarray]
"""From a slab with one voxel more on all sides to the change per time of its core."""


class Scales(NamedTuple):
    """Factors of differences and of divergences by numpy axis (k, j, i)."""

    gradient: tuple[float, ...]
    divergence: tuple[float, ...]


def scales(spacing_kji: Sequence[float], per_voxel: bool = False) -> Scales:
    """Factors for a grid; `per_voxel` as in ITK."""
    gradient = tuple(1.0 / s for s in spacing_kji)
    return Scales(gradient, (1.0,) * len(gradient) if per_voxel else gradient)


def diffusion_limit(spacing: Sequence[float]) -> float:
    """Largest stable time step in mm2 of diffusion with a diffusivity of at most 1: 1 / (2 sum 1 / h^2)."""
    return float(1 / (2 * sum(s**-2.0 for s in spacing)))


def curvature_limit(spacing: Sequence[float]) -> float:
    """Largest time step in mm2 with which curvature motion makes no new extremes.

    A single bright voxel has the curvature sum 2 / h and the upwind gradient sqrt(sum 2 / h^2) times its height; it
    must not fall below its neighbours.
    """
    return float(1 / (sum(2 / s for s in spacing) * np.sqrt(sum(2 / s**2 for s in spacing))))


def diffuse_gradient(
    array: np.ndarray, scale: Scales, iterations: int, step: float, conductance: float, progress: Progress = SILENT
) -> np.ndarray:
    """Perona and Malik: u_t = div(exp(-|grad u|^2 / (2 K^2)) grad u), K = conductance x root mean square gradient."""

    def prepare(padded: np.ndarray) -> Update | None:
        mean = _mean_squared_gradient(padded, scale)
        factor = _exponent(mean, conductance)
        return None if factor is None else lambda slab: _gradient_update(slab, scale, factor)

    return _evolve(array, iterations, step, prepare, progress)


def diffuse_curvature(
    array: np.ndarray, scale: Scales, iterations: int, step: float, conductance: float, progress: Progress = SILENT
) -> np.ndarray:
    """Whitaker and Xue: u_t = |grad u| div(c grad u / |grad u|), c as in `diffuse_gradient`."""

    def prepare(padded: np.ndarray) -> Update | None:
        mean = _mean_squared_gradient(padded, scale)
        factor = _exponent(mean, conductance)
        return None if factor is None else lambda slab: _curvature_update(slab, scale, factor)

    return _evolve(array, iterations, step, prepare, progress)


def flow_by_curvature(
    array: np.ndarray, scale: Scales, iterations: int, step: float, progress: Progress = SILENT
) -> np.ndarray:
    """Sethian: u_t = |grad u| div(grad u / |grad u|); level sets move by their mean curvature."""
    return _evolve(array, iterations, step, lambda padded: lambda slab: _flow_update(slab, scale), progress)


def _evolve(
    array: np.ndarray,
    iterations: int,
    step: float,
    prepare: Callable[[np.ndarray], Update | None],
    progress: Progress,
) -> np.ndarray:
    """`iterations` explicit steps on (k, j, i), the border repeated; stops early when nothing changes any more."""
    now = np.pad(array, 1, mode="edge")
    then = np.empty_like(now)
    slabs = ranges(array.shape[0], array[0].size, SLAB)
    for n in range(iterations):
        _repeat_border(now)
        update = prepare(now)
        if update is None:
            break
        _step(now, then, slabs, update, step, progress.part(n / iterations, (n + 1) / iterations))
        now, then = then, now
    progress.report(1.0, "Diffusion")
    return now[1:-1, 1:-1, 1:-1]


def _step(
    now: np.ndarray, then: np.ndarray, slabs: list[tuple[int, int]], update: Update, step: float, progress: Progress
) -> None:
    def work(slab: tuple[int, int]) -> None:
        start, stop = slab
        values = now[start : stop + 2]
        change = update(values)
        change *= change.dtype.type(step)
        np.add(values[1:-1, 1:-1, 1:-1], change, out=then[start + 1 : stop + 1, 1:-1, 1:-1])

    for_each(work, slabs, progress=progress, message="Diffusion")


def _repeat_border(padded: np.ndarray) -> None:
    for axis in range(padded.ndim):
        moved = np.moveaxis(padded, axis, 0)
        moved[0], moved[-1] = moved[1], moved[-2]


def _exponent(mean: float, conductance: float) -> float | None:
    """Factor of squared gradients in the exponent of the conductance; None where there are no gradients."""
    scaled = mean * conductance**2
    return -0.5 / scaled if scaled > np.finfo(float).tiny else None


def _mean_squared_gradient(padded: np.ndarray, scale: Scales) -> float:
    """Mean of the squared central differences over the core."""

    def total(slab: tuple[int, int]) -> float:
        values = padded[slab[0] : slab[1] + 2]
        found = 0.0
        for axis in range(3):
            difference = _shifted(values, axis, 1) - _shifted(values, axis, -1)
            difference *= difference.dtype.type(0.5 * scale.gradient[axis])
            found += float(np.vdot(difference, difference))
        return found

    core = padded[1:-1, 1:-1, 1:-1]
    return sum(for_each(total, ranges(core.shape[0], core[0].size, SLAB))) / core.size


def _shifted(values: np.ndarray, axis: int, by: int) -> np.ndarray:
    """The neighbours by one voxel of the core of `values`."""
    index = [slice(1, -1)] * 3
    index[axis] = slice(1 + by, values.shape[axis] - 1 + by)
    return values[tuple(index)]


def _cut(axis: int, first: slice, others: slice = slice(None)) -> tuple[slice, ...]:
    index = [others] * 3
    index[axis] = first
    return tuple(index)


UPPER, LOWER, CORE, ALL = slice(1, None), slice(None, -1), slice(1, -1), slice(None)


def _faces(slab: np.ndarray, scale: Scales, axis: int, central: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Difference across the faces along an axis, and the squared gradient there; one face more than voxels."""
    inner = slab[_cut(axis, ALL, CORE)]
    across = inner[_cut(axis, UPPER)] - inner[_cut(axis, LOWER)]
    across *= across.dtype.type(scale.gradient[axis])
    squared = across * across
    for other in range(3):
        if other != axis:
            # `central` is cut along its own axis only: leave this axis whole and cut the third.
            third = 3 - axis - other
            along = central[other][_cut(third, CORE)]
            mean = along[_cut(axis, UPPER)] + along[_cut(axis, LOWER)]
            mean *= mean
            mean *= mean.dtype.type(0.25)
            squared += mean
    return across, squared


def _central(slab: np.ndarray, scale: Scales) -> list[np.ndarray]:
    """Central differences by axis, each shorter by two along its own axis."""
    found = []
    for axis in range(3):
        difference = slab[_cut(axis, slice(2, None))] - slab[_cut(axis, slice(None, -2))]
        difference *= difference.dtype.type(0.5 * scale.gradient[axis])
        found.append(difference)
    return found


def _gradient_update(slab: np.ndarray, scale: Scales, factor: float) -> np.ndarray:
    central = _central(slab, scale)
    change = np.zeros([n - 2 for n in slab.shape], slab.dtype)
    for axis in range(3):
        across, flow = _faces(slab, scale, axis, central)
        flow *= flow.dtype.type(factor)
        np.exp(flow, out=flow)
        flow *= across
        difference = flow[_cut(axis, UPPER)] - flow[_cut(axis, LOWER)]
        difference *= difference.dtype.type(scale.divergence[axis])
        change += difference
    return change


def _curvature_update(slab: np.ndarray, scale: Scales, factor: float) -> np.ndarray:
    central = _central(slab, scale)
    shape = [n - 2 for n in slab.shape]
    speed, rising, falling = (np.zeros(shape, slab.dtype) for _ in range(3))
    for axis in range(3):
        across, squared = _faces(slab, scale, axis, central)
        forward, backward = across[_cut(axis, UPPER)], across[_cut(axis, LOWER)]
        rising += np.minimum(backward, 0) ** 2
        rising += np.maximum(forward, 0) ** 2
        falling += np.maximum(backward, 0) ** 2
        falling += np.minimum(forward, 0) ** 2
        flow = across / np.sqrt(squared + squared.dtype.type(SMALLEST_NORM))
        squared *= squared.dtype.type(factor)
        flow *= np.exp(squared, out=squared)
        difference = flow[_cut(axis, UPPER)] - flow[_cut(axis, LOWER)]
        difference *= difference.dtype.type(scale.divergence[axis])
        speed += difference
    norm = np.where(speed > 0, rising, falling)
    speed *= np.sqrt(norm, out=norm)
    return speed


def _flow_update(slab: np.ndarray, scale: Scales) -> np.ndarray:
    core = slab[1:-1, 1:-1, 1:-1]
    first, second = [], []
    for axis in range(3):
        up, down = _shifted(slab, axis, 1), _shifted(slab, axis, -1)
        first.append((up - down) * slab.dtype.type(0.5 * scale.gradient[axis]))
        second.append((up - 2 * core + down) * slab.dtype.type(scale.gradient[axis] * scale.divergence[axis]))
    squared = [part * part for part in first]
    norm = squared[0] + squared[1] + squared[2]
    change = np.zeros_like(core)
    for axis in range(3):
        others = [a for a in range(3) if a != axis]
        change += second[axis] * (squared[others[0]] + squared[others[1]])
        a, b = others
        corner = _diagonal(slab, a, b, 1, 1) + _diagonal(slab, a, b, -1, -1)
        corner -= _diagonal(slab, a, b, 1, -1) + _diagonal(slab, a, b, -1, 1)
        corner *= slab.dtype.type(0.5 * scale.gradient[a] * scale.divergence[b])
        change -= first[a] * first[b] * corner
    flat = norm < FLAT
    norm[flat] = 1
    change /= norm
    change[flat] = 0
    return change


def _diagonal(values: np.ndarray, a: int, b: int, by_a: int, by_b: int) -> np.ndarray:
    index = [slice(1, -1)] * 3
    index[a] = slice(1 + by_a, values.shape[a] - 1 + by_a)
    index[b] = slice(1 + by_b, values.shape[b] - 1 + by_b)
    return values[tuple(index)]
