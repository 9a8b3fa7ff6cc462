"""Slow methods work in the box around what they begin with, and say so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from ..geometry import Grid
from ..progress import Progress


@dataclass(frozen=True)
class Surroundings:
    """A box of voxels in an image: first voxel and number of voxels along (i, j, k)."""

    start: tuple[int, ...]
    size: tuple[int, ...]

    @classmethod
    def around(cls, image: sitk.Image, at: Sequence[np.ndarray], margin_mm: float, progress: Progress) -> Surroundings:
        """The box of the voxels `at` (index arrays by numpy axis) with a margin; warns when that is not the whole."""
        grid = Grid.of(image)
        low, high = [], []
        for axis, spacing, n in zip(reversed(at), grid.spacing, grid.size, strict=True):
            margin = int(np.ceil(margin_mm / spacing))
            low.append(max(0, int(axis.min()) - margin))
            high.append(min(n, int(axis.max()) + 1 + margin))
        found = cls(tuple(low), tuple(h - a for a, h in zip(low, high, strict=True)))
        if found.size != grid.size:
            box = " x ".join(map(str, found.size))
            progress.warn(f"Only the {box} voxels within {margin_mm:g} mm of the seeds were looked at.")
        return found

    @property
    def slices(self) -> tuple[slice, ...]:
        """The box in the order of numpy axes."""
        return tuple(slice(a, a + n) for a, n in zip(reversed(self.start), reversed(self.size), strict=True))

    def cut(self, image: sitk.Image) -> sitk.Image:
        """The part of an image of the same grid."""
        return sitk.RegionOfInterest(image, self.size, self.start)

    def moved(self, at: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
        """Index arrays of the image as those of the box."""
        return tuple(axis - a for axis, a in zip(at, reversed(self.start), strict=True))

    def put_back(self, part: np.ndarray, shape: Sequence[int], outside: float = 0) -> np.ndarray:
        """An array of the whole image: `part` in the box, `outside` elsewhere."""
        whole = np.full(shape, outside, part.dtype)
        whole[self.slices] = part
        return whole

    def touched(self, part: np.ndarray, shape: Sequence[int]) -> bool:
        """Whether a boolean `part` reaches a side of the box that is not also a side of the image."""
        for axis, (cut, n) in enumerate(zip(self.slices, shape, strict=True)):
            if (cut.start > 0 and np.take(part, 0, axis).any()) or (cut.stop < n and np.take(part, -1, axis).any()):
                return True
        return False
