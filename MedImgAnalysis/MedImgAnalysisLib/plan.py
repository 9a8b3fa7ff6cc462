"""What a run will need before it starts: memory, time, and whether it has to go slab by slab.

print(plan(Median(), {"image": ct}).text())      # about 2.1 s, 1.9 GB of 9.8 GB free
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import SimpleITK as sitk

from . import framewise
from .boxes import boxes_of
from .errors import InputError
from .geometry import Grid
from .machine import free_memory, memory_text
from .operation import Operation
from .rates import seconds_for
from .slabs import not_local
from .values import Frames, Labels

SHARE = 0.7
"""Part of the free memory beyond which a local operation goes slab by slab."""


@dataclass(frozen=True)
class Extent:
    """How large an image is: its grid, the components of a voxel and the bytes of one number."""

    grid: Grid
    components: int = 1
    itemsize: int = 4
    floating: bool = True

    @classmethod
    def of(cls, image: sitk.Image) -> Extent:
        """The extent of an image."""
        dtype = sitk.GetArrayViewFromImage(image).dtype
        return cls(Grid.of(image), image.GetNumberOfComponentsPerPixel(), dtype.itemsize, dtype.kind == "f")

    @property
    def voxels(self) -> int:
        """Number of voxels."""
        return math.prod(self.grid.size)

    @property
    def working_bytes(self) -> int:
        """Bytes of the image in the type that filters work in: float32, float64 for more than 16 bits."""
        narrow = self.itemsize <= 2 or (self.floating and self.itemsize == 4)
        return self.voxels * self.components * (4 if narrow else 8)


@dataclass(frozen=True)
class Plan:
    """What a run will need.

    Attributes
    ----------
    peak_bytes
        Largest memory beyond the inputs, in slabs where there are some.
    whole_bytes
        The same if all were done at once.
    free_bytes
        Free memory; None where the system does not tell.
    seconds
        Expected time; None where nothing is known of the operation.
    measured_here
        Whether the time is that of earlier runs on this computer.
    layers
        Slices of a slab along the last axis; 0 when all is done at once.
    slabs
        Number of slabs.
    problem
        Why it cannot run, with numbers and advice; empty when it can.
    """

    peak_bytes: float
    whole_bytes: float
    free_bytes: int | None
    seconds: float | None
    measured_here: bool
    layers: int
    slabs: int
    problem: str

    def text(self) -> str:
        """One line, such as `about 12 s, 1.4 GB of 9.8 GB free, in 4 slabs`."""
        parts = [f"about {time_text(self.seconds)}"] if self.seconds is not None else []
        free = f" of {memory_text(self.free_bytes)} free" if self.free_bytes is not None else ""
        parts.append(f"{memory_text(self.peak_bytes)}{free}")
        if self.slabs > 1:
            parts.append(f"in {self.slabs} slabs")
        return ", ".join(parts)

    def check(self) -> None:
        """Raise `InputError` when it cannot run."""
        if self.problem:
            raise InputError(self.problem, peak_bytes=self.peak_bytes, free_bytes=self.free_bytes)

    def as_data(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "seconds": self.seconds,
            "measured_here": self.measured_here,
            "peak_bytes": round(self.peak_bytes),
            "free_bytes": self.free_bytes,
            "slabs": self.slabs,
            "problem": self.problem,
        }


def time_text(seconds: float) -> str:
    """`0.3 s`, `12 s`, `4 min` or `2.5 h`."""
    if seconds < 0.1:
        return "0.1 s"
    if seconds < 10:
        return f"{seconds:.1f} s"
    return (
        f"{seconds:.0f} s"
        if seconds < 100
        else f"{seconds / 60:.0f} min"
        if seconds < 6000
        else f"{seconds / 3600:.1f} h"
    )


def plan(operation: Operation, inputs: Mapping[str, Any]) -> Plan:
    """The plan for values by role.

    Work on segmentations is done segment by segment, in boxes that only the run knows: it is not refused.
    """
    framed = framewise.framed_roles(operation, framewise.listed(operation, inputs))
    count = len(inputs[framed[0]]) if framed else 1
    found = plan_for(operation, extents(operation, inputs), mask=_mask(operation, inputs), frames=count)
    images = any(True for _ in _images(operation, inputs, ("image",)))
    return found if images or not found.problem else replace(found, problem="")


def extents(operation: Operation, inputs: Mapping[str, Any]) -> list[Extent]:
    """The extents of all images, the first one first; of label images where there is no image."""
    found = [Extent.of(one) for one in _images(operation, inputs, ("image",))]
    return found or [Extent.of(one) for one in _images(operation, inputs, ("mask", "labels"))]


def amount_of_work(operation: Operation, inputs: Mapping[str, Any]) -> float:
    """What `rates` counts in: millions of voxels times the effort for one.

    The voxels are those of all images, of the box of the mask where only that counts.
    """
    images, mask = extents(operation, inputs), _mask(operation, inputs)
    if not images:
        return 0.0
    part = 1.0 if mask is None else _share_of(mask, operation.halo(images[0].grid), images[0])
    return _work(operation, images, part, _grown(operation, images))


def _grown(operation: Operation, images: Sequence[Extent]) -> float:
    """Voxels of a result that is larger than the first image beyond those of that image, as a part of it."""
    return max(0.0, operation.growth([one.grid for one in images]) - 1)


def _work(operation: Operation, images: Sequence[Extent], part: float, grown: float) -> float:
    voxels = sum(one.voxels for one in images) * part + images[0].voxels * grown
    return operation.effort(images[0].grid) * voxels / 1e6


def _images(operation: Operation, inputs: Mapping[str, Any], kinds: Sequence[str]) -> Iterator[sitk.Image]:
    for role in operation.inputs():
        given = inputs.get(role.name)
        if given is None or (role.kind not in kinds and not (role.kind == "frames" and "image" in kinds)):
            continue
        if isinstance(given, Frames):
            # Frames of what takes one value are worked on one after the other.
            given = given.values if role.kind == "frames" or role.many else given.values[:1]
        else:
            given = given if role.many else [given]
        for value in given:
            if isinstance(value, sitk.Image):
                yield value
            elif isinstance(value, Labels):
                yield from value.layers[:1]


def _mask(operation: Operation, inputs: Mapping[str, Any]) -> sitk.Image | None:
    mask = inputs.get("mask") if operation.works_in_mask else None
    return mask if isinstance(mask, sitk.Image) else None


def plan_for(
    operation: Operation,
    images: Sequence[Extent],
    *,
    mask: sitk.Image | None = None,
    extra_bytes: float = 0.0,
    frames: int = 1,
) -> Plan:
    """The plan for images of these extents.

    `mask` is on the grid of the first image; `extra_bytes` are needed besides, such as copies for a scene. Of `frames`
    that are worked on one after the other the results stay.
    """
    free = free_memory()
    if not images:
        return Plan(extra_bytes, extra_bytes, free, None, False, 0, 1, "")
    work = float(sum(one.working_bytes for one in images))
    first = images[0]
    extra_bytes += (frames - 1) * sum(role.required for role in operation.outputs()) * first.working_bytes
    part = 1.0 if mask is None else _share_of(mask, operation.halo(first.grid), first)
    need = extra_bytes + operation.memory_factor * work * part + (first.working_bytes if part < 1 else 0)
    grown = _grown(operation, images)
    need += operation.memory_factor * first.working_bytes * grown + operation.memory_bytes
    told = seconds_for(operation, _work(operation, images, part, grown))
    seconds, here = (None, False) if told is None else (told[0] * frames, told[1])
    if free is None or need <= SHARE * free:
        return Plan(need, need, free, seconds, here, 0, 1, "")
    local = not not_local(type(operation), operation, first.grid) and first.grid.dimension == 3
    tiled = _tiled(operation, first, SHARE * free - extra_bytes) if local else None
    if tiled is not None:
        layers, peak = tiled
        slabs = -(-first.grid.size[-1] // layers)
        if slabs > 1:
            return Plan(peak + extra_bytes, need, free, seconds, here, layers, slabs, "")
    problem = _problem(operation, first, need, free, local) if need > free else ""
    return Plan(need, need, free, seconds, here, 0, 1, problem)


def _share_of(mask: sitk.Image, halo: Sequence[int] | None, image: Extent) -> float:
    """Part of the image that the box of the mask and its margin take."""
    array = sitk.GetArrayViewFromImage(mask)
    solid = array[None] if array.ndim == 2 else array
    box = boxes_of(solid, [1]).get(1)
    if box is None or mask.GetSize() != image.grid.size:
        return 1.0
    margins = [0] * (solid.ndim - image.grid.dimension) + list(reversed(halo or (0,) * image.grid.dimension))
    sizes = [min(n, s.stop - s.start + 2 * m) for n, s, m in zip(solid.shape, box, margins, strict=True)]
    return float(np.prod(sizes)) / solid.size


def _tiled(operation: Operation, image: Extent, limit: float) -> tuple[int, float] | None:
    """(slices of a slab, bytes) so that the result and one slab stay below the limit; None when nothing does."""
    n = image.grid.size[-1]
    layer = image.working_bytes / n
    halo = operation.halo(image.grid)
    outputs = sum(role.required for role in operation.outputs())
    # Results are put together in arrays, each of which is copied into an image at the end.
    kept = float(outputs * image.working_bytes)
    least = operation.memory_bytes + max(kept + image.working_bytes, operation.measuring_factor * image.working_bytes)
    if halo is None or least > limit:
        return None
    # A slab is cut out of the input, and its result is copied, besides what the operation needs.
    each = (operation.memory_factor + 2) * layer
    kept += operation.memory_bytes
    layers = min(n, math.floor((limit - kept) / each) - 2 * halo[-1])
    if layers < 1:
        return None
    return layers, max(least, kept + each * min(n, layers + 2 * halo[-1]))


def _problem(operation: Operation, image: Extent, need: float, free: int, local: bool) -> str:
    where = "even slab by slab " if local else ""
    least = max(1.1, (need / (SHARE * free)) ** (1 / image.grid.dimension))
    return (
        f"{operation.name} needs {memory_text(need)} for {image.grid.describe()}, more than the {memory_text(free)} "
        f"that are free, {where}and so it was not started. Crop the image, give a mask or region of interest where the "
        f"operation takes one, or shrink it {least:.2g} times along each axis."
    )
