"""Several segmentations on one lattice: the grid of the first, extended until it covers all."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import SimpleITK as sitk

from ..boxes import Box, boxes_of
from ..errors import InputError
from ..geometry import Grid, union_grid
from ..progress import Progress
from ..resampling import resample
from ..values import Labels, Segment

Array = np.ndarray


class Side:
    """One segmentation on the common grid.

    Attributes
    ----------
    layers
        Label images as integer arrays (k, j, i), read only; a 2-D image has one slice.
    labels
        The segmentation as it was given.
    """

    def __init__(self, labels: Labels, grid: Grid, resampled: bool, progress: Progress) -> None:
        self.labels = labels
        self._images = []
        for layer in labels.layers:
            progress.check()
            self._images.append(resample(layer, grid, interpolation="nearest", outside=0) if resampled else layer)
        arrays = [sitk.GetArrayViewFromImage(image) for image in self._images]
        self.layers: list[Array] = [array[None] if array.ndim == 2 else array for array in arrays]
        self._progress = progress

    @cached_property
    def boxes(self) -> dict[str, Box]:
        """The box of each segment that has voxels, by segment id; one pass over the voxels."""
        found: dict[str, Box] = {}
        for number, layer in enumerate(self.layers):
            here = [segment for segment in self.labels.segments if segment.layer == number]
            boxes = boxes_of(layer, [segment.value for segment in here], self._progress)
            found |= {s.id: boxes[s.value] for s in here if s.value in boxes}
        return found

    def box(self, segment: Segment | None) -> Box | None:
        """The box of a segment, None when it has no voxels."""
        return self.boxes.get(segment.id) if segment is not None else None

    def inside(self, segment: Segment, box: Box) -> Array:
        """The voxels of a segment in a box as a boolean array."""
        return self.layers[segment.layer][box] == segment.value

    def drop(self) -> None:
        """Forget the images."""
        self._images, self.layers = [], []


class CommonGrid:
    """Segmentations on one lattice: that of the first, extended by whole voxels until it covers all.

    On the plain grid of the reference the part of the test outside it would vanish, and the score
    would rise. Label images are moved by nearest neighbour in physical space, outside is background.

    Raises `InputError` when one is 2-D and another 3-D, or when one shares no space with the first.
    """

    def __init__(self, given: Sequence[Labels], progress: Progress, names: Sequence[str] = ()) -> None:
        names = names or [f"segmentation {number}" for number in range(1, len(given) + 1)]
        grid = given[0].grid
        for labels, name in zip(given[1:], names[1:]):
            if labels.grid.dimension != grid.dimension:
                raise InputError("One segmentation is 2-D and the other 3-D; they cannot be compared.", role=name)
            if labels.grid.same_as(given[0].grid):
                continue
            if not labels.grid.overlaps(given[0].grid):
                raise InputError(
                    f"The {names[0]} and the {name} do not share any space; check that both are of one patient.",
                    role=name,
                )
            grid = union_grid(grid, labels.grid)
        self.grid = grid
        self.grids = [labels.grid for labels in given]
        self.resampled = any(not own.same_as(grid) for own in self.grids)
        if self.resampled:
            progress.warn(
                f"The segmentations are on different grids; they were compared on the lattice of the {names[0]}, "
                f"extended to cover all ({grid.describe()}), nearest neighbour."
            )
        self.sides = [Side(labels, grid, not labels.grid.same_as(grid), progress) for labels in given]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along (k, j, i); one slice for 2-D."""
        size = (*self.grid.size, 1)[:3]
        return size[2], size[1], size[0]

    @property
    def voxels(self) -> int:
        """Number of voxels of the grid."""
        return int(np.prod(self.grid.size))

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Spacing along (k, j, i) in millimetres; 1 along k for 2-D, where it is not used."""
        spacing = (*self.grid.spacing, 1.0)[:3]
        return spacing[2], spacing[1], spacing[0]

    def flat_axis(self, one_slice_is_flat: bool) -> int | None:
        """The axis of (k, j, i) that has one voxel, for images that are looked at in 2-D; None for 3-D."""
        if self.grid.dimension == 2:
            return 0
        thin = [axis for axis, n in enumerate(self.shape) if n == 1]
        return thin[0] if thin and one_slice_is_flat else None

    def view_field(self, side: int) -> Array | None:
        """Where a segmentation is defined, as booleans (k, j, i); None where it is defined everywhere."""
        own = self.grids[side]
        if own.same_as(self.grid):
            return None
        image = resample(own.blank() + 1, self.grid, interpolation="nearest", outside=0)
        array = sitk.GetArrayFromImage(image).astype(bool)
        return array[None] if array.ndim == 2 else array
