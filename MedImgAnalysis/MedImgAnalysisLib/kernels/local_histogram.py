"""Contrast-limited adaptive histogram equalisation in tiles of any number of dimensions up to three."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from ..blockwise import for_each
from ..progress import SILENT, Progress

BINS = 512
ROW_VALUES = 1 << 19
"""Voxels and bins of tiles that are counted at once."""


def equalise(
    array: np.ndarray,
    tiles: Sequence[int],
    limit: float,
    low: float,
    high: float,
    inside: np.ndarray | None = None,
    progress: Progress = SILENT,
) -> np.ndarray:
    """`array` (float, k, j, i) with each tile's values spread evenly over `low` to `high`, which must differ.

    A value goes to low + (high - low) F(v), with F the cumulative histogram of its tile, linear within a bin and
    between the centres of the nearest tiles. Bins above `limit` times the mean are cut and the rest is spread over
    all bins, so that contrast grows by at most about `limit` (Zuiderveld 1994). Tiles without voxels in `inside`
    change nothing.
    """
    tables = _tables(array, tiles, limit, low, high, inside, progress.part(0.0, 0.4))
    out = np.empty_like(array)
    weights = [_between(n, count) for n, count in zip(array.shape, tiles, strict=True)]
    below_j, share_j = weights[1]
    below_i, share_i = weights[2]
    scale = BINS / (high - low)

    def work(k: int) -> None:
        first, share = weights[0][0][k], weights[0][1][k]
        following = min(first + 1, tiles[0] - 1)
        table = (1 - share) * tables[first] + share * tables[following]
        place = np.clip((array[k].astype(float) - low) * scale, 0, BINS)
        bin_ = np.minimum(place.astype(np.intp), BINS - 1)
        rest = place - bin_
        flat = table.reshape(-1)
        total = np.zeros(place.shape)
        for j, i in product((0, 1), repeat=2):
            row = np.minimum(below_j + j, tiles[1] - 1)[:, None]
            column = np.minimum(below_i + i, tiles[2] - 1)[None, :]
            start = (row * tiles[2] + column) * (BINS + 1) + bin_
            lower = flat[start]
            value = lower + rest * (flat[start + 1] - lower)
            value *= (share_j if j else 1 - share_j)[:, None]
            value *= (share_i if i else 1 - share_i)[None, :]
            total += value
        out[k] = low + (high - low) * total

    for_each(work, range(array.shape[0]), progress=progress.part(0.4, 1.0), message="Equalising")
    return out


def _edges(n: int, count: int) -> np.ndarray:
    """Where `count` tiles of `n` voxels begin and end."""
    return np.linspace(0, n, count + 1).round().astype(int)


def _between(n: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """For each voxel the tile whose centre is at or before it, and the share of the next one."""
    edges = _edges(n, count)
    centres = (edges[:-1] + edges[1:] - 1) / 2
    place = np.interp(np.arange(n), centres, np.arange(count))
    below = np.minimum(place.astype(np.intp), count - 1)
    return below, place - below


def _tables(
    array: np.ndarray,
    tiles: Sequence[int],
    limit: float,
    low: float,
    high: float,
    inside: np.ndarray | None,
    progress: Progress,
) -> np.ndarray:
    """Cumulative histograms (tile k, j, i, bin edge) from 0 to 1."""
    edges = [_edges(n, count) for n, count in zip(array.shape, tiles, strict=True)]
    along_i = np.repeat(np.arange(tiles[2]), np.diff(edges[2]))
    bins = np.linspace(low, high, BINS + 1)
    out = np.empty((*tiles, BINS + 1))
    # Some rows of tiles at once: with small tiles there are many of them.
    rows = max(1, ROW_VALUES // max(tiles[2] * BINS, array[: edges[0][1], : edges[1][1]].size))
    places = list(product(range(tiles[0]), range(0, tiles[1], rows)))

    def work(place: tuple[int, int]) -> None:
        k, j = place
        last = min(j + rows, tiles[1])
        box = slice(edges[0][k], edges[0][k + 1]), slice(edges[1][j], edges[1][last])
        values = array[box]
        along_j = np.repeat(np.arange(last - j), np.diff(edges[1][j : last + 1]))
        tile = np.broadcast_to(along_j[:, None] * tiles[2] + along_i, values.shape)
        if inside is None:
            values, tile = values.reshape(-1), tile.reshape(-1)
        else:
            values, tile = values[inside[box]], tile[inside[box]]
        count = (last - j) * tiles[2]
        counts = np.bincount(tile * BINS + _bin_of(values, bins), minlength=count * BINS).reshape(count, BINS)
        out[k, j:last] = _cumulated(counts, limit).reshape(last - j, tiles[2], BINS + 1)

    for_each(work, places, progress=progress, message="Histograms")
    return out


def _bin_of(values: np.ndarray, bins: np.ndarray) -> np.ndarray:
    """The bin of each value as `numpy.histogram` has it: the upper edge is the next one's, but for the last."""
    guess = ((values.astype(float) - bins[0]) * (BINS / (bins[-1] - bins[0]))).astype(np.intp)
    np.clip(guess, 0, BINS - 1, out=guess)
    guess -= values < bins[guess]
    guess += (values >= bins[guess + 1]) & (guess < BINS - 1)
    return guess


def _cumulated(counts: np.ndarray, limit: float) -> np.ndarray:
    """(tile, bin edge) from (tile, bin): from 0 at the lower edge of the first bin to 1, no bin above `limit` times the
    mean. Tiles without voxels have a straight line.

    What is above a cut is spread over all bins; the cut is chosen so that the largest bin then is at the limit.
    """
    total = counts.sum(axis=1, keepdims=True)
    share = np.where(total > 0, counts * (BINS / np.maximum(total, 1)), 1.0)
    high = share.max(axis=1) > limit
    if high.any():
        falling = -np.sort(-share[high], axis=1)
        sums = np.cumsum(falling, axis=1)
        number = np.arange(1, BINS + 1)
        # The largest bin if the cut were at each of the shares; it falls with them.
        largest = falling + (sums - number * falling) / BINS
        above = np.clip(np.count_nonzero(largest > limit, axis=1), 1, BINS - 1)[:, None]
        cut = (limit - np.take_along_axis(sums, above - 1, axis=1) / BINS) / (1 - above / BINS)
        spread = np.maximum(share[high] - cut, 0).mean(axis=1, keepdims=True)
        share[high] = np.minimum(share[high], cut) + spread
    return np.concatenate([np.zeros((len(share), 1)), np.cumsum(share, axis=1) / BINS], axis=1)
