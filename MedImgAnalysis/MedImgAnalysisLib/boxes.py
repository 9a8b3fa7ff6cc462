"""Bounding boxes of label values, found in slabs so that a stop comes through and memory stays small."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from .progress import SILENT, Progress

Box = tuple[slice, slice, slice]
"""Slices along (k, j, i)."""

SLAB_VOXELS = 4 << 20
FEW = 3
"""Up to so many values are looked for one by one; more are found in a single pass."""
LARGEST = 1 << 16
"""Values up to this are found in a single pass, whose result is as long as the largest value."""


def slabs(shape: Sequence[int], voxels: int = SLAB_VOXELS) -> Iterator[tuple[int, int]]:
    """Ranges along the first axis of about `voxels` voxels."""
    depth = max(1, voxels // max(1, shape[1] * shape[2]))
    for start in range(0, shape[0], depth):
        yield start, min(start + depth, shape[0])


def boxes_of(layer: np.ndarray, values: Sequence[int], progress: Progress = SILENT) -> dict[int, Box]:
    """The box of each of the `values` that occurs in `layer` (k, j, i)."""
    if len(values) > FEW and min(values) > 0 and max(values) <= LARGEST:
        return _all_at_once(layer, values, progress)
    found = {value: _one(layer, value, progress) for value in values}
    return {value: box for value, box in found.items() if box is not None}


def _all_at_once(layer: np.ndarray, values: Sequence[int], progress: Progress) -> dict[int, Box]:
    from scipy.ndimage import find_objects

    wanted = set(values)
    found: dict[int, Box] = {}
    for start, stop in slabs(layer.shape):
        progress.check()
        part = layer[start:stop]
        if not part.any():
            continue
        part = part if part.dtype.kind == "i" or part.dtype.itemsize < 4 else part.astype(np.int64)
        for value, box in enumerate(find_objects(part, max(values)), start=1):
            if box is None or value not in wanted:
                continue
            moved = (slice(box[0].start + start, box[0].stop + start), box[1], box[2])
            found[value] = join(found.get(value), moved) or moved
    return found


def _one(layer: np.ndarray, value: int, progress: Progress) -> Box | None:
    along_k = np.zeros(layer.shape[0], bool)
    in_plane = np.zeros(layer.shape[1:], bool)
    for start, stop in slabs(layer.shape):
        progress.check()
        inside = layer[start:stop] == value
        along_k[start:stop] = inside.any(axis=(1, 2))
        if along_k[start:stop].any():
            in_plane |= inside.any(axis=0)
    if not along_k.any():
        return None
    return _range(along_k), _range(in_plane.any(axis=1)), _range(in_plane.any(axis=0))


def _range(line: np.ndarray) -> slice:
    at = np.flatnonzero(line)
    return slice(int(at[0]), int(at[-1]) + 1)


def join(*boxes: Box | None) -> Box | None:
    """The smallest box around all boxes; None stands for an empty one."""
    given = [box for box in boxes if box is not None]
    if not given:
        return None
    a, b, c = (slice(min(s.start for s in axis), max(s.stop for s in axis)) for axis in zip(*given))
    return a, b, c


def shape_of(box: Box) -> tuple[int, int, int]:
    """Voxels of a box along (k, j, i)."""
    k, j, i = (axis.stop - axis.start for axis in box)
    return k, j, i
