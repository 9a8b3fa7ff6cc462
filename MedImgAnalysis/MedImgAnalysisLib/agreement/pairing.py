"""Which segment of the test belongs to which of the reference, and on which grid they are compared."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import SimpleITK as sitk

from ..errors import InputError
from ..geometry import union_grid
from ..progress import Progress
from ..resampling import on_grid
from ..values import Labels, Segment


class Pair(NamedTuple):
    """A reference segment and its test segment; one of them is None when nothing corresponds."""

    name: str
    reference: Segment | None
    test: Segment | None


def pair_by_name(reference: Labels, test: Labels) -> list[Pair]:
    """Pairs of equal name (case and surrounding space ignored), reference order, then the test's rest.

    When each side has a single segment they are compared whatever their names. Names that occur twice
    on one side are refused, since a pair would be a guess.
    """
    if len(reference.segments) == len(test.segments) == 1:
        return [Pair(reference.segments[0].name, reference.segments[0], test.segments[0])]
    left, right = _by_name(reference, "reference"), _by_name(test, "test")
    pairs = [Pair(segment.name, segment, right.get(key)) for key, segment in left.items()]
    pairs += [Pair(segment.name, None, segment) for key, segment in right.items() if key not in left]
    return pairs


def _by_name(labels: Labels, side: str) -> dict[str, Segment]:
    found: dict[str, Segment] = {}
    for segment in labels.segments:
        key = segment.name.strip().casefold()
        if key in found:
            raise InputError(f"The {side} has two segments named {segment.name!r}; rename one.", role=side)
        found[key] = segment
    return found


class CommonGrid:
    """Masks of both sides on one lattice: the reference grid, extended until it covers both."""

    def __init__(self, reference: Labels, test: Labels, progress: Progress) -> None:
        self.resampled = not test.grid.same_as(reference.grid)
        if reference.grid.dimension != test.grid.dimension:
            raise InputError("One segmentation is 2-D and the other 3-D; they cannot be compared.")
        if self.resampled and not test.grid.overlaps(reference.grid):
            raise InputError("The two segmentations do not share any space; check that both are of one patient.")
        self.grid = union_grid(reference.grid, test.grid) if self.resampled else reference.grid
        if self.resampled:
            progress.warn(
                "The segmentations are on different grids; they were compared on the reference lattice, "
                f"extended to cover both ({self.grid.describe()}), nearest neighbour."
            )
        self._quiet = _Quiet(progress)
        self._reference, self._test = reference, test

    def masks(self, pair: Pair) -> Iterator[sitk.Image]:
        """The uint8 masks of reference and test on the common grid."""
        for labels, segment in ((self._reference, pair.reference), (self._test, pair.test)):
            if segment is None:
                yield self.grid.blank()
            else:
                yield on_grid(labels.mask(segment), self.grid, labels=True, what="segment", progress=self._quiet)


class _Quiet(Progress):
    """The change of grid is said once for all segments, not for each."""

    def __init__(self, whole: Progress) -> None:
        super().__init__(on_warning=lambda sentence: None)
        self._whole = whole

    @property
    def cancelled(self) -> bool:
        return self._whole.cancelled
