"""A local operation slab by slab, where the memory would not hold all of it at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import SimpleITK as sitk

from .geometry import image_like
from .machine import memory_text
from .operation import Operation
from .plan import Plan, plan
from .progress import SILENT, Progress, Recorder
from .slabs import Slab, first_image, grid_of, run_slab


def run_planned(operation: Operation, ready: Mapping[str, Any], progress: Progress = SILENT) -> dict[str, Any]:
    """The outputs by role: all at once, or slab by slab where that is what the plan says.

    Raises `InputError` with numbers when the memory holds neither.
    """
    planned = plan(operation, ready)
    planned.check()
    if planned.slabs <= 1:
        return operation.named(operation.run(**ready, progress=progress))
    return run_tiled(operation, ready, planned, progress)


def run_tiled(
    operation: Operation, ready: Mapping[str, Any], planned: Plan, progress: Progress = SILENT
) -> dict[str, Any]:
    """The outputs by role, put together from slabs of `planned.layers` slices along the last axis.

    The same as all at once: to the bit, but for the rounding of matrix products in Gaussian kernels.
    """
    grid, image = grid_of(ready, type(operation)), first_image(ready, type(operation))
    if grid is None or image is None:
        raise RuntimeError("only operations on images go slab by slab")
    progress.warn(
        f"Done in {planned.slabs} slabs: at once it would need {memory_text(planned.whole_bytes)}"
        + (f" of {memory_text(planned.free_bytes)} free." if planned.free_bytes is not None else ".")
    )
    numbers = operation.whole(ready, progress.part(0.0, 0.1))
    axis, n = grid.dimension - 1, grid.size[-1]
    arrays: dict[str, np.ndarray] = {}
    said = Recorder(progress)
    for start in range(0, n, planned.layers):
        stop = min(start + planned.layers, n)
        slab = Slab.of(operation, grid, axis, start, stop)
        here = said.part(0.1 + 0.9 * start / n, 0.1 + 0.9 * stop / n)
        _keep(run_slab(operation, ready, slab, numbers, here), arrays, start, stop, n)
    return {
        role.name: image_like(arrays.pop(role.name), grid) if role.name in arrays else None
        for role in operation.outputs()
    }


def _keep(found: Mapping[str, Any], arrays: dict[str, np.ndarray], start: int, stop: int, n: int) -> None:
    """Put the results of a slab into the arrays of `n` slices; nothing of the slab stays afterwards."""
    for role, value in found.items():
        if value is not None:
            part = sitk.GetArrayViewFromImage(value)
            if role not in arrays:
                arrays[role] = np.empty((n, *part.shape[1:]), part.dtype)
            arrays[role][start:stop] = part
