"""Where small blocks of one array are found again in another, by normalised correlation at whole shifts."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..blockwise import for_each, ranges
from ..progress import SILENT, Progress

TINY = 1e-6
"""Variance, as part of that of the whole array, below which a block is flat."""
GATHER = 1 << 18
"""Values that are worked on at once."""
NOWHERE = -2.0
"""Score where a block cannot be."""


class Blocks(NamedTuple):
    """B blocks that were found again.

    Attributes
    ----------
    places
        (B, d) centres in voxels of the first array, in the order of its axes.
    shifts
        (B, d) from there to the centre in the second array, with fractions of voxels.
    scores
        (B,) correlation, -1 to 1.
    """

    places: np.ndarray
    shifts: np.ndarray
    scores: np.ndarray


def chosen_blocks(array: np.ndarray, known: np.ndarray, size: int, step: int, most: int) -> np.ndarray:
    """Centres (B, d) of the half of all blocks that varies most, on a lattice of `step` voxels, at most `most`.

    Blocks lie in the array, their centres where `known` is true. Flat ones are left out.
    """
    from scipy.ndimage import uniform_filter

    half = size // 2
    wide = array.astype(np.float64) - array.mean(dtype=np.float64)
    variance = uniform_filter(wide * wide, size) - uniform_filter(wide, size) ** 2
    axes = [np.arange(half + (n - 2 * half - 1) % step // 2, n - half, step) for n in array.shape]
    if any(len(axis) == 0 for axis in axes):
        return np.empty((0, array.ndim), int)
    places = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, array.ndim)
    values = variance[tuple(places.T)]
    good = known[tuple(places.T)] & (values > TINY * wide.var())
    places, values = places[good], values[good]
    order = np.argsort(-values, kind="stable")[: min(most, (len(values) + 1) // 2)]
    return places[np.sort(order)]


def found_again(
    fixed: np.ndarray,
    moving: np.ndarray,
    known: np.ndarray,
    places: np.ndarray,
    size: int,
    reach: int,
    *,
    signed: bool = True,
    progress: Progress = SILENT,
) -> Blocks:
    """The shift of best correlation for each block, within `reach` voxels along each axis.

    Parameters
    ----------
    fixed, moving
        float32 arrays of equal shape.
    known
        Where the moving array is defined; blocks are looked for inside that only.
    signed
        Whether bright must stay bright; otherwise the size of the correlation counts, for images of other contrast.

    Blocks whose best place is at the edge of the reach, or nowhere, are left out.
    """
    d, half = fixed.ndim, size // 2
    side = 2 * reach + 1
    cube = np.stack(np.meshgrid(*[np.arange(-half, half + 1)] * d, indexing="ij"), axis=-1).reshape(-1, d)
    patches = fixed[tuple((places[:, None] + cube).transpose(2, 0, 1))].astype(np.float32)
    patches -= patches.mean(axis=1, keepdims=True)
    patches /= np.maximum(np.linalg.norm(patches, axis=1, keepdims=True), 1e-12)
    # Around each block all that it is compared with, cut out once.
    around = sliding_window_view(np.pad(moving, reach), (side + size - 1,) * d)
    open_ = sliding_window_view(np.pad(known, reach), (side,) * d)
    flat = TINY * max(float(moving.var()), 1e-30) * len(cube)
    scores = np.full((len(places), side**d), NOWHERE, np.float32)

    def work(span: tuple[int, int]) -> None:
        part = slice(*span)
        here = around[tuple((places[part] - half).T)].astype(np.float32)
        here -= here.reshape(len(here), -1).mean(axis=1).reshape(-1, *[1] * d)
        dots = np.zeros((len(here), *[side] * d), np.float32)
        for at, weight in zip(cube + half, patches[part].T, strict=True):
            dots += weight.reshape(-1, *[1] * d) * here[(slice(None), *(slice(n, n + side) for n in at))]
        norm = _box_sum(here * here, size) - _box_sum(here, size) ** 2 / len(cube)
        good = open_[tuple(places[part].T)] & (norm > flat)
        one = dots / np.sqrt(np.where(good, norm, 1.0))
        scores[part] = np.where(good, one if signed else np.abs(one), NOWHERE).reshape(len(here), -1)

    spans = ranges(len(places), (side + size) ** d, GATHER)
    for_each(work, spans, progress=progress, message="Block matching")
    best = scores.argmax(axis=1)
    top = scores[np.arange(len(places)), best]
    table = scores.reshape(len(places), *[side] * d)
    at = np.stack(np.unravel_index(best, [side] * d), axis=1)
    kept = ((at > 0) & (at < side - 1)).all(axis=1) & (top > 0)
    rows = np.flatnonzero(kept)
    fine = np.zeros((len(rows), d))
    for axis in range(d):
        unit = np.eye(d, dtype=int)[axis]
        before, after = (table[(rows, *(at[rows] + sign * unit).T)] for sign in (-1, 1))
        curve = 2 * top[rows] - before - after
        usable = (before > NOWHERE) & (after > NOWHERE) & (curve > 1e-6)
        fine[:, axis] = np.where(usable, 0.5 * (after - before) / np.where(usable, curve, 1.0), 0.0)
    return Blocks(places[rows], at[rows] - reach + np.clip(fine, -0.5, 0.5), top[rows])


def _box_sum(values: np.ndarray, size: int) -> np.ndarray:
    """Sums over windows of `size` along all axes but the first, (B, n - size + 1, ...)."""
    for axis in range(1, values.ndim):
        n = values.shape[axis] - size + 1
        values = sum(  # type: ignore[assignment]
            values[(slice(None),) * axis + (slice(start, start + n),)] for start in range(size)
        )
    return values
