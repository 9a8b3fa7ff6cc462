"""Minimum cut between voxels of an image: coarse to fine, then only in a band around the coarser border."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..progress import SILENT, Progress, waited
from .grid_equations import halves
from .minimum_cut import minimum_cut

LARGEST_NODES = 600_000
"""More voxels are cut on voxels twice as large first."""
BAND = 2
"""Voxels on either side of the coarse border that are cut again."""


def cut_voxels(
    array: np.ndarray,
    region: np.ndarray,
    seeds: np.ndarray,
    spacing: Sequence[float],
    noise: float,
    progress: Progress = SILENT,
    face: float | None = None,
) -> np.ndarray:
    """Boolean (k, j, i): the object side of the cheapest cut.

    Parameters
    ----------
    array
        (k, j, i) float32; parting neighbours that differ by d costs exp(-d^2 / 2 noise^2) times the face between them.
    region
        Same shape, float32: cost of the object minus cost of the background for each voxel.
    seeds
        Same shape: 1 object, 2 background, 0 neither.
    spacing
        Millimetres by axis.
    face
        Area in mm2 of the face that costs 1; that across the shortest axis of this grid if None.
    """
    fixed = seeds
    if face is None:
        face = float(np.prod(spacing)) / min(spacing)
    if array.size > LARGEST_NODES:
        factors = _factors(array.shape, spacing)
        values, costs, larger = (
            waited(make, one, factors, progress=progress)
            for make, one in ((_mean, array), (_mean, region), (_seeded, seeds))
        )
        coarse = cut_voxels(
            values,
            costs * float(np.prod(factors)),
            larger,
            [s * f for s, f in zip(spacing, factors, strict=True)],
            noise / float(np.prod(factors)) ** 0.5,
            progress.part(0.0, 0.4),
            face,
        )
        for axis, factor in enumerate(factors):
            coarse = coarse.repeat(factor, axis)
        coarse = coarse[tuple(slice(0, n) for n in array.shape)]
        # Seeds that were lost on larger voxels still have a border around them.
        coarse[seeds == 1], coarse[seeds == 2] = True, False
        away = ~waited(_band, coarse, progress=progress)
        fixed = np.where((seeds == 0) & away, np.where(coarse, 1, 2), seeds)
        progress = progress.part(0.4, 1.0)
    return _cut(array, region, fixed, [float(np.prod(spacing)) / s / face for s in spacing], noise, progress)


def _cut(
    array: np.ndarray, region: np.ndarray, fixed: np.ndarray, faces: Sequence[float], noise: float, progress: Progress
) -> np.ndarray:
    """`faces` are the areas across each axis. Seeds that touch no free voxel are left out of the graph."""
    free = fixed == 0
    used = free.copy()
    for axis in range(array.ndim):
        low, high = halves(axis, array.ndim)
        used[low] |= free[high]
        used[high] |= free[low]
    numbers = np.full(array.shape, -1, np.int32)
    numbers[used] = np.arange(np.count_nonzero(used), dtype=np.int32)
    firsts, seconds, costs = [], [], []
    for axis, area in enumerate(faces):
        progress.check()
        low, high = halves(axis, array.ndim)
        linked = used[low] & used[high] & (free[low] | free[high])
        difference = array[low][linked].astype(np.float64) - array[high][linked]
        firsts.append(numbers[low][linked])
        seconds.append(numbers[high][linked])
        costs.append(np.exp(-np.square(difference) / (2 * noise**2)) * area)
    value, seed = region[used].astype(np.float64), fixed[used]
    # Voxels on the source side pay the sink's link: the object is the source.
    source = np.where(seed == 1, np.inf, np.where(seed == 2, 0, np.maximum(-value, 0)))
    sink = np.where(seed == 2, np.inf, np.where(seed == 1, 0, np.maximum(value, 0)))
    chosen = fixed == 1
    chosen[used] = minimum_cut(
        np.concatenate(firsts), np.concatenate(seconds), np.concatenate(costs), source, sink, progress
    )
    progress.report(1.0, "Minimum cut")
    return chosen


def _factors(shape: Sequence[int], spacing: Sequence[float]) -> list[int]:
    least = min(s for s, n in zip(spacing, shape, strict=True) if n > 1)
    return [2 if s < 1.9 * least and n > 1 else 1 for s, n in zip(spacing, shape, strict=True)]


def _blocks(array: np.ndarray, factors: Sequence[int]) -> np.ndarray:
    """The voxels of each larger voxel along a last axis, the border repeated."""
    padded = np.pad(array, [(0, -n % f) for n, f in zip(array.shape, factors, strict=True)], mode="edge")
    split = [part for n, f in zip(padded.shape, factors, strict=True) for part in (n // f, f)]
    order = [*range(0, 2 * array.ndim, 2), *range(1, 2 * array.ndim, 2)]
    blocks = padded.reshape(split).transpose(order)
    return blocks.reshape(*blocks.shape[: array.ndim], -1)


def _mean(array: np.ndarray, factors: Sequence[int]) -> np.ndarray:
    return np.asarray(_blocks(array, factors).mean(axis=-1, dtype=np.float32))


def _seeded(seeds: np.ndarray, factors: Sequence[int]) -> np.ndarray:
    """A larger voxel is a seed when it holds seeds of one kind only."""
    blocks = _blocks(seeds, factors)
    first, second = (blocks == 1).any(axis=-1), (blocks == 2).any(axis=-1)
    return np.where(first & ~second, 1, np.where(second & ~first, 2, 0)).astype(seeds.dtype)


def _band(mask: np.ndarray) -> np.ndarray:
    """Voxels within `BAND` steps of a border between inside and outside."""
    near = np.zeros(mask.shape, bool)
    for axis in range(mask.ndim):
        low, high = halves(axis, mask.ndim)
        differs = mask[low] != mask[high]
        near[low] |= differs
        near[high] |= differs
    for _ in range(BAND):
        wider = near.copy()
        for axis in range(mask.ndim):
            low, high = halves(axis, mask.ndim)
            wider[low] |= near[high]
            wider[high] |= near[low]
        near = wider
    return near
