"""Zones: connected voxels of one grey level inside a region."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...progress import Progress
from .region import Levels, directions

AT_ONCE = 1 << 19
"""Voxels that are connected in one call, so that a cancel comes through."""


class Zones(NamedTuple):
    """Zones of a region: `zone` numbers the voxels of `Levels.at`; size, level and slice (of a voxel) are per zone."""

    zone: np.ndarray
    size: np.ndarray
    level: np.ndarray
    slice: np.ndarray


def zones(levels: Levels, aggregation: str, progress: Progress) -> Zones:
    """Zones by 26 neighbours in space, or by 8 in each slice for 2-D and 2.5-D."""
    steps = [levels.offset(direction) for direction in directions(aggregation)]
    order = np.argsort(levels.level, kind="stable")
    ends = np.cumsum(np.bincount(levels.level, minlength=levels.count + 1))
    number = np.full(levels.flat.size, -1, np.int64)
    zone = np.empty(levels.at.size, np.int64)
    known = start = 0
    while start < order.size:
        progress.check()
        # Whole levels, as many as fit; connections never cross levels.
        stop = int(ends[max(np.searchsorted(ends, start + AT_ONCE, "right") - 1, levels.level[order[start]])])
        chosen = order[start:stop]
        at = levels.at[chosen]
        if stop - start > AT_ONCE:
            labels = _in_box(levels, at, aggregation)
        else:
            number[at] = np.arange(at.size)
            labels = _connected(levels, at, steps, number, progress)
        zone[chosen] = labels + known
        known += int(labels.max()) + 1
        start = stop
    size = np.bincount(zone, minlength=known)
    member = np.zeros(known, np.int64)
    member[zone[::-1]] = np.arange(zone.size)[::-1]
    return Zones(zone, size, levels.level[member], levels.slice[member])


def _connected(levels: Levels, at: np.ndarray, steps: list[int], number: np.ndarray, progress: Progress) -> np.ndarray:
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    level = levels.flat[at]
    ends = []
    for step in steps:
        progress.check()
        same = np.flatnonzero(levels.flat[at + step] == level)
        ends.append((same, number[at[same] + step]))
    one, two = (np.concatenate(side) for side in zip(*ends, strict=True))
    graph = coo_matrix((np.ones(one.size, np.int8), (one, two)), shape=(at.size, at.size))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def _in_box(levels: Levels, at: np.ndarray, aggregation: str) -> np.ndarray:
    """The same for very many voxels of one level, by labelling an image."""
    from scipy import ndimage

    mask = np.zeros(levels.flat.size, bool)
    mask[at] = True
    structure = np.ones((3, 3, 3), bool)
    if not aggregation.startswith("3D"):
        structure[[0, 2]] = False
    labels, _ = ndimage.label(mask.reshape(levels.box), structure)
    return labels.ravel()[at].astype(np.int64) - 1
