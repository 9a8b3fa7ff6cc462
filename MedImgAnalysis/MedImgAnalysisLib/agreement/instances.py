"""Objects of a segmentation one by one, and which of two segmentations belong to each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk

from ..boxes import Box, boxes_of, shape_of
from ..errors import InputError
from ..progress import Progress, waited
from ..values import Segment
from .common_grid import Side


@dataclass(frozen=True, eq=False)
class Instances:
    """The objects of one side inside a box.

    Attributes
    ----------
    array
        Numbers 1 to n inside the box, 0 outside the objects, int32 (k, j, i).
    voxels
        Voxels of the objects 1 to n.
    boxes
        Box of each object inside the box, by number.
    """

    array: np.ndarray
    voxels: np.ndarray
    boxes: dict[int, Box]

    @property
    def count(self) -> int:
        """Number of objects."""
        return len(self.voxels)

    def centre(self, number: int) -> np.ndarray:
        """Mean voxel index (k, j, i) inside the box."""
        box = self.boxes[number]
        at = np.argwhere(self.array[box] == number)
        return at.mean(axis=0) + [axis.start for axis in box]


def components(
    side: Side, segments: Sequence[Segment], box: Box, corners: bool, smallest: float, progress: Progress
) -> Instances:
    """Connected components of all `segments` together; those of fewer than `smallest` voxels are left out."""
    inside = np.zeros(shape_of(box), np.uint8)
    for segment in segments:
        own = side.box(segment)
        if own is not None:
            inside |= side.inside(segment, box)
    numbered = waited(_connected, inside, corners, progress=progress)
    return _instances(numbered, smallest, progress)


def one_per_segment(
    side: Side, segments: Sequence[Segment], box: Box, smallest: float, progress: Progress
) -> Instances:
    """Each segment as one object, for segmentations whose objects are told apart already."""
    numbered = np.zeros(shape_of(box), np.int32)
    for number, segment in enumerate(segments, start=1):
        progress.check()
        inside = side.inside(segment, box)
        if numbered[inside].any():
            raise InputError(f"The segment {segment.name!r} overlaps another one; use connected components instead.")
        numbered[inside] = number
    return _instances(numbered, smallest, progress)


def _connected(inside: np.ndarray, corners: bool) -> np.ndarray:
    flat = inside.shape[0] == 1
    image = sitk.GetImageFromArray(inside[0] if flat else inside)
    found = sitk.GetArrayFromImage(sitk.ConnectedComponent(image, corners)).astype(np.int32, copy=False)
    return found[None] if flat else found


def _instances(numbered: np.ndarray, smallest: float, progress: Progress) -> Instances:
    sizes = np.bincount(numbered.ravel())[1:]
    kept = np.flatnonzero((sizes > 0) & (sizes >= smallest))
    table = np.zeros(len(sizes) + 1, np.int32)
    table[kept + 1] = np.arange(1, len(kept) + 1)
    array = table[numbered] if len(kept) < len(sizes) else numbered
    return Instances(array, sizes[kept], boxes_of(array, range(1, len(kept) + 1), progress))


class Overlaps(NamedTuple):
    """Pairs of objects that share voxels: numbers on either side (from 1) and shared voxels, rising."""

    reference: np.ndarray
    test: np.ndarray
    voxels: np.ndarray


def overlaps(reference: Instances, test: Instances) -> Overlaps:
    """All pairs that share at least one voxel."""
    shared = (reference.array > 0) & (test.array > 0)
    joint = reference.array[shared].astype(np.int64) * (test.count + 1) + test.array[shared]
    pairs, voxels = np.unique(joint, return_counts=True)
    return Overlaps(pairs // (test.count + 1), pairs % (test.count + 1), voxels)


def iou_of(found: Overlaps, reference: Instances, test: Instances) -> np.ndarray:
    """Intersection over union of voxels for every pair."""
    return found.voxels / (reference.voxels[found.reference - 1] + test.voxels[found.test - 1] - found.voxels)


def matched(found: Overlaps, iou: np.ndarray, threshold: float) -> list[int]:
    """Positions in `found` of the one-to-one pairs whose IoU has the largest sum.

    A pair must have an IoU above the threshold when that is 0.5 or more (no object can then have two
    partners), and of at least the threshold below. Solved group by group of objects that touch.
    """
    from scipy.optimize import linear_sum_assignment
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    good = np.flatnonzero(iou > threshold if threshold >= 0.5 else iou >= max(threshold, 1e-12))
    if not len(good):
        return []
    rows, columns = found.reference[good], found.test[good]
    size = int(rows.max()) + 1
    links = coo_matrix((np.ones(len(good)), (rows, columns + size)), shape=(size + int(columns.max()) + 1,) * 2)
    group = connected_components(links, directed=False)[1][rows]
    order = np.argsort(group, kind="stable")
    chosen: list[int] = []
    for part in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
        left, right = np.unique(rows[part]), np.unique(columns[part])
        at = np.full((len(left), len(right)), -1)
        at[np.searchsorted(left, rows[part]), np.searchsorted(right, columns[part])] = good[part]
        weights = np.where(at >= 0, iou[at], 0)
        chosen += [int(at[a, b]) for a, b in zip(*linear_sum_assignment(-weights)) if at[a, b] >= 0]
    return sorted(chosen)
