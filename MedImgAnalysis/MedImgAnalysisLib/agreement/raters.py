"""Segmentations of one image by several raters: which segments belong together, and their counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..boxes import Box, join, shape_of, slabs
from ..errors import InputError
from ..progress import Progress
from ..values import Color, Segment
from .common_grid import CommonGrid


class Rated(NamedTuple):
    """A structure and its segment in each rater's segmentation (None where a rater has none)."""

    name: str
    color: Color
    segments: tuple[Segment | None, ...]


def structures(common: CommonGrid, progress: Progress) -> list[Rated]:
    """The structures of all raters by name, in the order in which they are met.

    When every rater has a single segment these belong together whatever their names. Raises `InputError`
    when a rater has a name twice; warns when a rater lacks a structure, since this counts as empty.
    """
    given = [side.labels.segments for side in common.sides]
    if all(len(segments) == 1 for segments in given):
        return [Rated(given[0][0].name, given[0][0].color, tuple(segments[0] for segments in given))]
    by_name: list[dict[str, Segment]] = []
    for number, segments in enumerate(given, start=1):
        known: dict[str, Segment] = {}
        for segment in segments:
            key = segment.name.strip().casefold()
            if key in known:
                raise InputError(f"Rater {number} has two segments named {segment.name!r}; rename one.")
            known[key] = segment
        by_name.append(known)
    found = []
    for key in dict.fromkeys(key for known in by_name for key in known):
        own = tuple(known.get(key) for known in by_name)
        first = next(segment for segment in own if segment is not None)
        missing = [str(n) for n, segment in enumerate(own, start=1) if segment is None]
        if missing:
            progress.warn(f"Rater {', '.join(missing)} has no segment {first.name!r}; it counts as empty.")
        found.append(Rated(first.name, first.color, own))
    return found


def domain(common: CommonGrid, rated: Rated, whole: bool) -> Box | None:
    """The whole grid, or the box around the segments of all raters; None when all are empty."""
    if whole:
        k, j, i = common.shape
        return slice(0, k), slice(0, j), slice(0, i)
    return join(*(side.box(segment) for side, segment in zip(common.sides, rated.segments)))


def masks_in(common: CommonGrid, rated: Rated, box: Box) -> list[np.ndarray]:
    """Boolean arrays (k, j, i) of every rater in a box."""
    return [
        side.inside(segment, box) if segment is not None else np.zeros(shape_of(box), bool)
        for side, segment in zip(common.sides, rated.segments)
    ]


def votes(common: CommonGrid, rated: Rated, progress: Progress) -> np.ndarray | None:
    """How many raters mark each voxel, uint8 (k, j, i) over the box around all; None when nobody marks any."""
    box = domain(common, rated, False)
    if box is None:
        return None
    if len(common.sides) > 255:
        raise InputError(f"At most 255 raters can be compared at once; these are {len(common.sides)}.")
    total = np.zeros(shape_of(box), np.uint8)
    for start, stop in slabs(total.shape):
        progress.check()
        part = (slice(box[0].start + start, box[0].start + stop), *box[1:])
        for mask in masks_in(common, rated, part):
            total[start:stop] += mask
    return total


def fleiss_kappa(histogram: Sequence[int]) -> float:
    """Fleiss' kappa of k raters and two categories.

    `histogram[j]` is the number of voxels that j of the k raters mark, j = 0 to k. kappa = (P - P_e) / (1 -
    P_e), P the mean agreement of pairs of raters per voxel, P_e that of chance with the pooled frequencies
    (Fleiss 1971). In exact integers up to the last division; NaN when chance explains everything.
    """
    raters = len(histogram) - 1
    voxels = sum(histogram)
    marks = sum(j * n for j, n in enumerate(histogram))
    pairs = sum(n * (j * (j - 1) + (raters - j) * (raters - j - 1)) for j, n in enumerate(histogram))
    total = voxels * raters
    chance = marks * marks + (total - marks) * (total - marks)
    # P = pairs / (total (raters - 1)) and P_e = chance / total^2, both times total^2 (raters - 1).
    top = pairs * total - chance * (raters - 1)
    bottom = (total * total - chance) * (raters - 1)
    return top / bottom if bottom else float("nan")
