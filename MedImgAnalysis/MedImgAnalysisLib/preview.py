"""What an operation would make of one slice, by the same code on that slice and what it reads around it.

    shown = preview(Median(radius_voxels=2), {"image": t1}, plane="coronal", index=120)

A slice of a preview has the voxels that the whole run has there: to the bit where values are compared, sorted or
added one by one, to rounding where kernels are matrix products (Gaussian smoothing and its derivatives). Operations
that depend on more than their neighbourhood and some numbers of the whole image have no preview and say so.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import InputError
from .execution import prepare
from .geometry import Grid
from .operation import Operation
from .progress import SILENT, Progress, Recorder
from .slabs import Slab, grid_of, not_shown, run_slab

PLANES: dict[str, tuple[float, float, float]] = {
    "axial": (0.0, 0.0, 1.0),
    "coronal": (0.0, 1.0, 0.0),
    "sagittal": (1.0, 0.0, 0.0),
}
"""Names of planes and their normals in LPS."""


@dataclass(frozen=True, eq=False)
class Preview:
    """Outputs by role, warnings, seconds, and the layers that were read.

    Images, masks and segments are those of the slice, in their place; other outputs are None.
    """

    outputs: dict[str, Any]
    warnings: tuple[str, ...]
    seconds: float
    slab: Slab


def preview(
    operation: Operation,
    inputs: Mapping[str, Any],
    *,
    plane: str = "axial",
    index: int | None = None,
    thickness: int = 1,
    progress: Progress = SILENT,
) -> Preview:
    """One slice of what the operation would give.

    Parameters
    ----------
    operation
        The operation with its parameters.
    inputs
        Whole values by role, as `execute` takes them.
    plane
        axial, coronal or sagittal: across the axis of the image that is nearest to the normal of the plane.
    index
        Number of the slice along that axis; the middle one if None.
    thickness
        How many slices, from `index` on.

    Raises
    ------
    InputError
        A value cannot be used, there is no such slice, or the operation has no faithful preview; the message says why.
    """
    previews = Previews(inputs)
    grid = previews.grid(operation)
    axis = axis_of(grid, plane)
    start = grid.size[axis] // 2 if index is None else index
    return previews.slices(operation, axis, start, start + thickness, progress)


def axis_of(grid: Grid, plane: str) -> int:
    """The axis (0 is i) that crosses a plane most steeply."""
    if plane not in PLANES:
        raise InputError(f"There is no plane {plane!r}; there are {', '.join(PLANES)}.")
    return nearest_axis(grid, PLANES[plane])


def nearest_axis(grid: Grid, normal: tuple[float, float, float]) -> int:
    """The axis (0 is i) nearest to a direction in LPS; the last one of an image in 2-D, which is one slice."""
    if grid.dimension == 2:
        return 1
    return int(np.argmax(np.abs(np.reshape(grid.direction, (3, 3)).T @ np.asarray(normal))))


def obstacle(operation: Operation, grid: Grid) -> str:
    """Why the operation has no faithful preview, as a sentence; empty where it has one."""
    reason = not_shown(type(operation), operation, grid)
    return f"{reason.removesuffix('.')}; a slice of it cannot be previewed faithfully." if reason else ""


class Previews:
    """Previews of one set of inputs: they are checked once, and their numbers are taken once."""

    def __init__(self, inputs: Mapping[str, Any]) -> None:
        self._given = {role: value for role, value in inputs.items() if value is not None}
        self._ready: dict[type[Operation], tuple[dict[str, Any], tuple[str, ...]]] = {}
        self._numbers: dict[tuple[Any, ...], Any] = {}

    def grid(self, operation: Operation) -> Grid:
        """The grid of the first image."""
        grid = grid_of(self._given, type(operation))
        if grid is None:
            raise InputError(f"{operation.name} needs one image for a preview; of several frames choose one.")
        return grid

    def slices(self, operation: Operation, axis: int, start: int, stop: int, progress: Progress = SILENT) -> Preview:
        """The slices `start` to `stop` along an axis (0 is i), see `preview`."""
        began = time.perf_counter()
        recorder = Recorder(progress)
        kind = type(operation)
        grid = self.grid(operation)
        reason = obstacle(operation, grid)
        if reason:
            raise InputError(reason, operation=operation.name)
        if grid.dimension == 2:
            axis, start, stop = 1, 0, grid.size[1]
        if not 0 <= start < stop <= grid.size[axis]:
            raise InputError(
                f"There is no slice {start} along axis {'ijk'[axis]}; the image has {grid.size[axis]} there.",
                role="image",
            )
        if kind not in self._ready:
            first = Recorder(recorder)
            ready = prepare(operation, self._given, first)
            self._ready[kind] = (ready, tuple(first.warnings))
        ready, warnings = self._ready[kind]
        for sentence in warnings:
            recorder.warn(sentence)
        slab = Slab.of(operation, grid, axis, start, stop)
        numbers = self._numbers_of(operation, ready, recorder.part(0.0, 0.2))
        outputs = run_slab(operation, ready, slab, numbers, recorder.part(0.2, 1.0))
        recorder.check()
        return Preview(outputs, tuple(recorder.warnings), time.perf_counter() - began, slab)

    def _numbers_of(self, operation: Operation, ready: Mapping[str, Any], progress: Progress) -> Any:
        values = operation.values()
        # The box of a mask has the halo around it, on which any parameter can bear.
        masked = operation.works_in_mask and "mask" in ready
        names = values if masked else operation.measured_by
        key = (operation.name, *(repr(values[name]) for name in names))
        if key not in self._numbers:
            self._numbers[key] = operation.whole(ready, progress)
        return self._numbers[key]
