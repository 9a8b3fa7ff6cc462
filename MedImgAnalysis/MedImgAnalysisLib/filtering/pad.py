"""Voxels added around an image."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import SimpleITK as sitk

from ..blockwise import for_each
from ..errors import InputError
from ..geometry import Grid, image_like
from ..operation import Operation
from ..parameters import Choice, Quantity
from ..progress import SILENT, Progress
from ..resampling import checked_value
from ..values import Image
from .resample import MOST_VOXELS, per_axis, whole_numbers


@dataclass(frozen=True)
class Pad(Operation):
    """Add voxels around an image.

    First a margin on all sides (rounded up to whole voxels), then as many more as make each axis at least `size_voxels`
    long and a multiple of `multiple_voxels`, half of them on either side (one more at the end when their number is
    odd). The voxels that were there keep value and place; nothing is cut off.

    Inputs
    ------
    image
        Image to enlarge.

    Outputs
    -------
    image
        Enlarged image.

    Parameters
    ----------
    margin_mm
        What is added on each side.
    size_voxels
        Smallest number of voxels: one for all axes, or one for each axis (i, j, k).
    multiple_voxels
        What the number of voxels of each axis must be a multiple of.
    fill
        A constant value, the value of the nearest voxel (edge), or the image mirrored at its border voxel.
    value
        The constant; if not set, the smallest value of the image (of each component).
    """

    name: ClassVar[str] = "pad"
    title: ClassVar[str] = "Pad"
    group: ClassVar[str] = "Geometry"
    vector: ClassVar[bool] = True
    memory_factor: ClassVar[float] = 2.75
    keeps: ClassVar = {"image": "image"}
    keeps_grid: ClassVar[bool] = False
    presets: ClassVar = {"10 mm": {}, "Multiple of 16": {"margin_mm": 0.0, "multiple_voxels": 16}}

    margin_mm: Annotated[float, Quantity("mm", low=0.0, high=1000.0)] = 10.0
    size_voxels: Annotated[tuple[float, ...] | None, Quantity("voxels", low=1, high=1e5)] = None
    multiple_voxels: Annotated[int, Quantity("voxels", low=1, high=1024)] = 1
    fill: Annotated[str, Choice("constant", "edge", "mirror")] = "constant"
    value: float | None = None

    def check(self) -> None:
        per_axis(self.size_voxels, 3, "size_voxels", self.name)
        whole_numbers(self.size_voxels, "size_voxels", self.name)

    def run(self, image: Image, *, progress: Progress = SILENT) -> Image:
        progress.report(0.0, "Padding")
        grid = Grid.of(image)
        if self.value is not None:
            checked_value(self.value, image, "value")
        before, after = self._widths(grid)
        size = tuple(a + n + b for a, n, b in zip(before, grid.size, after))
        if np.prod(size, dtype=float) > MOST_VOXELS:
            raise InputError(f"The enlarged image would have {size} voxels; that is more than 2^31.", role="image")
        origin = grid.to_physical(-np.array([before], float))[0]
        wide = Grid(size, grid.spacing, tuple(origin.tolist()), grid.direction)
        array = sitk.GetArrayViewFromImage(image)
        # Where each new voxel comes from along each axis (k, j, i); -1 is a voxel that the image does not have.
        sources = [
            _source(n, a, b, self.fill) for n, a, b in zip(grid.size[::-1], before[::-1], after[::-1], strict=True)
        ]
        lowest = array.reshape(-1, *array.shape[grid.dimension :]).min(axis=0)
        value = lowest if self.value is None else self.value
        out: np.ndarray = np.full((*wide.size[::-1], *array.shape[grid.dimension :]), value, array.dtype)
        known = [source >= 0 for source in sources]
        target = tuple(slice(int(k.argmax()), len(k) - int(k[::-1].argmax())) for k in known)
        rows = range(target[0].start, target[0].stop)

        def layer(k: int) -> None:
            part = array[sources[0][k]]
            for axis, source in enumerate(sources[1:]):
                part = np.take(part, source[known[axis + 1]], axis=axis)
            out[k][target[1:]] = part

        for_each(layer, rows, progress=progress, message="Padding")
        return image_like(out, wide)

    def _widths(self, grid: Grid) -> tuple[list[int], list[int]]:
        least = per_axis(self.size_voxels, grid.dimension, "size_voxels", self.name) or (1,) * grid.dimension
        before, after = [], []
        for n, s, m in zip(grid.size, grid.spacing, least, strict=True):
            margin = math.ceil(self.margin_mm / s - 1e-9)
            length = max(n + 2 * margin, int(m))
            more = -(-length // self.multiple_voxels) * self.multiple_voxels - n - 2 * margin
            before.append(margin + more // 2)
            after.append(margin + more - more // 2)
        return before, after


def _source(length: int, before: int, after: int, fill: str) -> np.ndarray:
    index = np.arange(-before, length + after)
    if fill == "edge":
        return np.clip(index, 0, length - 1)
    if fill == "mirror":
        period = max(1, 2 * (length - 1))
        index = np.mod(index, period)
        return np.where(index < length, index, period - index)
    return np.where((index >= 0) & (index < length), index, -1)
