"""Seeds of several structures as one array of numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from ..errors import EmptyResultError, InputError
from ..geometry import Grid, image_like
from ..progress import SILENT, Progress
from ..resampling import on_grid
from ..values import Labels, Segment


@dataclass(frozen=True, eq=False)
class Marked:
    """Numbers (k, j, i): 0 where nothing is said, n for the n-th segment; int32."""

    numbers: np.ndarray
    segments: tuple[Segment, ...]

    @property
    def at(self) -> tuple[np.ndarray, ...]:
        """Index arrays of all seeds, by numpy axis."""
        return np.nonzero(self.numbers)

    def labels(self, found: np.ndarray, image: sitk.Image) -> Labels:
        """Segments with the names and colours of the seeds from numbers of the same meaning on the whole image.

        Raises `EmptyResultError` naming a segment without a voxel.
        """
        present = np.bincount(found.ravel(), minlength=len(self.segments) + 1)
        empty = [s.name for n, s in enumerate(self.segments, start=1) if not present[n]]
        if empty:
            names = ", ".join(map(repr, empty))
            raise EmptyResultError(f"Nothing was found for {names}.", role="seeds", segments=len(empty))
        small = np.uint8 if len(self.segments) < 256 else np.uint16
        layer = image_like(found.astype(small), image)
        segments = tuple(
            Segment(f"Segment_{n}", s.name, s.color, 0, n, s.tags) for n, s in enumerate(self.segments, start=1)
        )
        return Labels((layer,), segments)


def marked(seeds: Labels, image: sitk.Image, least: int = 1, progress: Progress = SILENT) -> Marked:
    """The seeds on the grid of `image`.

    Raises `InputError` for fewer than `least` segments, for a seed without a voxel inside the image and for seeds
    that share voxels.
    """
    if len(seeds.segments) < least:
        raise InputError(
            f"The seeds need at least {least} segments, one for each structure and one for what is around; "
            f"there are {len(seeds.segments)}.",
            role="seeds",
        )
    numbers: np.ndarray = np.zeros(tuple(reversed(image.GetSize())), np.int32)
    for number, segment in enumerate(seeds.segments, start=1):
        moved = on_grid(
            seeds.mask(segment), Grid.of(image), labels=True, what=f"seed {segment.name}", progress=progress
        )
        inside = sitk.GetArrayViewFromImage(moved) != 0
        if not inside.any():
            raise InputError(f"The seed {segment.name!r} has no voxel inside the image.", role="seeds")
        shared = np.count_nonzero(numbers[inside])
        if shared:
            raise InputError(
                f"The seed {segment.name!r} shares {shared} voxels with another one; a voxel belongs to one seed.",
                role="seeds",
            )
        numbers[inside] = number
    return Marked(numbers, seeds.segments)
