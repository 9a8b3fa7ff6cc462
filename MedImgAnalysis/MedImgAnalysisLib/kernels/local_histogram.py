"""Contrast-limited adaptive histogram equalisation in tiles of any number of dimensions up to three."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from ..blockwise import for_each
from ..progress import SILENT, Progress

BINS = 512


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
    places = list(product(*(range(count) for count in tiles)))

    def work(place: tuple[int, ...]) -> np.ndarray:
        box = tuple(slice(edge[p], edge[p + 1]) for edge, p in zip(edges, place, strict=True))
        values = array[box] if inside is None else array[box][inside[box]]
        return _cumulated(np.histogram(values, BINS, (low, high))[0], limit)

    found = for_each(work, places, progress=progress, message="Histograms")
    return np.reshape(found, (*tiles, BINS + 1))


def _cumulated(counts: np.ndarray, limit: float) -> np.ndarray:
    """From 0 at the lower edge of the first bin to 1, with no bin above `limit` times the mean.

    What is above a cut is spread over all bins; the cut is chosen so that the largest bin then is at the limit.
    """
    total = counts.sum()
    if total == 0:
        return np.linspace(0, 1, BINS + 1)
    share = counts * (BINS / total)
    if share.max() > limit:
        low, high = 0.0, limit
        for _ in range(60):
            cut = (low + high) / 2
            low, high = (cut, high) if cut + np.maximum(share - cut, 0).mean() < limit else (low, cut)
        share = np.minimum(share, high) + np.maximum(share - high, 0).mean()
    return np.concatenate([[0.0], np.cumsum(share) / BINS])
