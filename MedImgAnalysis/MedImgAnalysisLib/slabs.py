"""A local operation on a part of the image that gives, there, what the whole image would give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from .errors import InputError
from .geometry import Grid, image_like
from .operation import Operation
from .progress import SILENT, Progress
from .values import Labels


@dataclass(frozen=True)
class Slab:
    """Voxels `start` to `stop` along an axis (0 is i), and `low` to `high` that have to be read for them."""

    axis: int
    start: int
    stop: int
    low: int
    high: int

    @classmethod
    def of(cls, operation: Operation, grid: Grid, axis: int, start: int, stop: int) -> Slab:
        """The slab with the halo of the operation around it."""
        halo = operation.halo(grid)
        if halo is None:
            raise InputError(not_local(type(operation), operation, grid))
        n = grid.size[axis]
        return cls(axis, start, stop, max(0, start - halo[axis]), min(n, stop + halo[axis]))


def first_image(inputs: Mapping[str, Any], operation: type[Operation]) -> sitk.Image | None:
    """The first image; None without one."""
    roles = [role.name for role in operation.inputs() if role.kind == "image" and not role.many]
    found = next((inputs[name] for name in roles if inputs.get(name) is not None), None)
    return found if isinstance(found, sitk.Image) else None


def grid_of(inputs: Mapping[str, Any], operation: type[Operation]) -> Grid | None:
    """The grid of the first image; None without an image."""
    first = first_image(inputs, operation)
    return None if first is None else Grid.of(first)


def not_local(kind: type[Operation], operation: Operation, grid: Grid) -> str:
    """Why a part of the image is not enough, as a sentence; empty where it is."""
    images = all(role.kind in ("image", "mask") for role in kind.outputs())
    if images and kind.keeps_grid and operation.halo(grid) is not None:
        return ""
    if not kind.keeps_grid:
        return f"{kind.title} changes the grid of the image."
    if not any(role.kind in ("image", "mask", "labels") for role in kind.outputs()):
        return f"{kind.title} gives no image."
    because = f": {kind.why_whole}" if kind.why_whole else ""
    return f"{kind.title} depends on the whole image{because}."


def not_shown(kind: type[Operation], operation: Operation, grid: Grid) -> str:
    """Why a part of the image is not enough for what a slice of the result shows, as a sentence; empty where it is.

    Segments can be shown of a part although their table needs the whole.
    """
    labels = any(role.kind == "labels" for role in kind.outputs())
    return "" if labels and kind.keeps_grid and operation.halo(grid) is not None else not_local(kind, operation, grid)


def run_slab(
    operation: Operation, inputs: Mapping[str, Any], slab: Slab, numbers: Any, progress: Progress = SILENT
) -> dict[str, Any]:
    """The images, masks and segments by role on the voxels `start` to `stop` of the slab; None for other outputs.

    Parameters
    ----------
    operation
        With a halo on the grid of the first image.
    inputs
        As `execution.prepare` gives them. Images and masks on the grid of the first image are cut, others are given
        as they are.
    numbers
        What `operation.whole(inputs)` says.
    """
    whole = first_image(inputs, type(operation))
    grid = None if whole is None else Grid.of(whole)
    parts = {name: _cut(value, slab.axis, slab.low, slab.high, grid) for name, value in inputs.items()}
    start, stop = slab.start - slab.low, slab.stop - slab.low
    if operation.works_in_mask and parts.get("mask") is not None:
        parts["mask"] = _only(parts["mask"], slab.axis, start, stop)
    told = operation.knowing(numbers, (slab.axis, start, stop))
    found = operation.named(told.run(**parts, progress=progress))
    made = {role: _part(value, slab.axis, start, stop) for role, value in found.items()}
    if whole is not None:
        # In one step from the whole grid, so that nothing is rounded twice.
        corner = [slab.start if axis == slab.axis else 0 for axis in range(whole.GetDimension())]
        origin = whole.TransformIndexToPhysicalPoint(corner)
        for value in made.values():
            for image in value.layers if isinstance(value, Labels) else () if value is None else (value,):
                image.SetOrigin(origin)
    return made


def _part(value: Any, axis: int, start: int, stop: int) -> Any:
    """Of a result the layers `start` to `stop`; None for what is no image and no segments."""
    if isinstance(value, Labels):
        return Labels(tuple(cut(layer, axis, start, stop) for layer in value.layers), value.segments)
    return cut(value, axis, start, stop) if isinstance(value, sitk.Image) else None


def _cut(value: Any, axis: int, start: int, stop: int, grid: Grid | None) -> Any:
    if grid is None or not isinstance(value, sitk.Image) or not Grid.of(value).same_as(grid):
        return value
    return cut(value, axis, start, stop)


def _only(mask: sitk.Image, axis: int, start: int, stop: int) -> sitk.Image:
    """The mask without what is before `start` and from `stop` on."""
    array = sitk.GetArrayFromImage(mask)
    moved = np.moveaxis(array, array.ndim - 1 - axis, 0)
    moved[:start] = 0
    moved[stop:] = 0
    return image_like(array, mask)


def cut(image: sitk.Image, axis: int, start: int, stop: int) -> sitk.Image:
    """The voxels `start` to `stop` along an axis, in their place."""
    size, index = list(image.GetSize()), [0] * image.GetDimension()
    if (start, stop) == (0, size[axis]):
        return image
    size[axis], index[axis] = stop - start, start
    return sitk.RegionOfInterest(image, size, index)
