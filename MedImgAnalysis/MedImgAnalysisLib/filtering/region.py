"""Work only where it is wanted: the box of the mask and what the filter reads around it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import SimpleITK as sitk

from ..geometry import Grid, image_like
from ..operation import Operation
from ..progress import SILENT, Progress
from .voxels import middle_of

Compute = Callable[[sitk.Image, np.ndarray | None, Progress], np.ndarray | sitk.Image]
"""(part of the image, scalar; where the mask is in it; progress) -> voxels, or an image, on the grid of the part."""
Measured = Callable[[sitk.Image, np.ndarray | None, Any, Progress], np.ndarray | sitk.Image]
"""The same with the numbers of the whole part before the progress."""
Box = list[tuple[int, int]]


class Measuring(Operation):
    """An operation whose voxels depend on their neighbourhood and on a few numbers of the whole box of the mask."""

    works_in_mask: ClassVar[bool] = True

    def numbers_of(self, part: sitk.Image, inside: np.ndarray | None, progress: Progress) -> Any:
        """The numbers, from a scalar part of the image: by default the middle of the range of its values."""
        return middle_of(part)

    def whole(self, inputs: Mapping[str, Any], progress: Progress = SILENT) -> list[Any]:
        """The numbers of each component."""
        image, mask = inputs["image"], inputs.get("mask")
        margin = self.halo(Grid.of(image)) or (0,) * image.GetDimension()
        box = None if mask is None else box_of(mask, margin)
        return [self.numbers_of(part, inside, p) for part, inside, p in _components(image, mask, box, progress)]


def filter_measured(
    operation: Measuring,
    image: sitk.Image,
    mask: sitk.Image | None,
    margin: Sequence[int],
    compute: Measured,
    progress: Progress,
    *,
    outside: float | None = None,
    share: float = 0.0,
) -> sitk.Image:
    """`filter_inside` whose `compute` also gets what `operation.numbers_of` says, or what the operation knows already.

    `share` is the part of the time that measuring takes.
    """
    known = None if operation.known is None else iter(operation.known)

    def with_numbers(part: sitk.Image, inside: np.ndarray | None, progress: Progress) -> np.ndarray | sitk.Image:
        numbers = next(known) if known else operation.numbers_of(part, inside, progress.part(0.0, share))
        return compute(part, inside, numbers, progress.part(share, 1.0))

    return filter_inside(image, mask, margin, with_numbers, progress, outside=outside)


def filter_inside(
    image: sitk.Image,
    mask: sitk.Image | None,
    margin: Sequence[int],
    compute: Compute,
    progress: Progress,
    *,
    outside: float | None = None,
) -> sitk.Image:
    """`compute` on the box of the mask with a margin, component by component; the whole image without a mask.

    Parameters
    ----------
    margin
        Voxels along (i, j, k) that a result reads around it: the halo of a local filter.
    compute
        Gets the part as a scalar image, so that filters see spacing and borders as they are.
    outside
        Value of voxels outside the mask; None keeps those of the image.
    """
    box = None if mask is None else box_of(mask, margin)
    found, inside = [], None
    for part, inside, share in _components(image, mask, box, progress):
        found.append(compute(part, inside, share))
    if box is None and isinstance(found[0], sitk.Image) and len(found) == 1:
        return found[0]
    arrays = [sitk.GetArrayFromImage(one) if isinstance(one, sitk.Image) else one for one in found]
    array = arrays[0] if len(arrays) == 1 else np.stack(arrays, axis=-1)
    if box is None or inside is None:
        return image_like(array, image)
    original = sitk.GetArrayViewFromImage(image)
    whole = original.astype(array.dtype) if outside is None else np.full(original.shape, outside, array.dtype)
    whole[tuple(slice(low, high) for low, high in reversed(box))][inside] = array[inside]
    return image_like(whole, image)


def _components(
    image: sitk.Image, mask: sitk.Image | None, box: Box | None, progress: Progress
) -> Iterator[tuple[sitk.Image, np.ndarray | None, Progress]]:
    """The part of each component, where the mask is in it, and its share of the progress."""
    part = image if box is None else _cut(image, box)
    inside = None if mask is None or box is None else sitk.GetArrayFromImage(_cut(mask, box)) != 0
    count = image.GetNumberOfComponentsPerPixel()
    for c in range(count):
        scalar = part if count == 1 else sitk.VectorIndexSelectionCast(part, c)
        yield scalar, inside, progress.part(c / count, (c + 1) / count)


def wanted(operation: Operation, shape: Sequence[int], inside: np.ndarray | None) -> tuple[slice, ...]:
    """Where the result of a part of this shape is used: the box of the mask, or of the core of a slab."""
    if inside is not None:
        box = []
        for axis in range(inside.ndim):
            used = np.flatnonzero(inside.any(axis=tuple(a for a in range(inside.ndim) if a != axis)))
            box.append(slice(int(used[0]), int(used[-1]) + 1) if used.size else slice(0, 1))
        return tuple(box)
    whole = [slice(0, n) for n in shape]
    if operation.core is not None:
        axis, start, stop = operation.core
        whole[len(whole) - 1 - axis] = slice(start, stop)
    return tuple(whole)


def box_of(mask: sitk.Image, margin: Sequence[int]) -> Box:
    """(start, stop) along i, j, k of the voxels that are set, widened by the margin; one corner of an empty mask."""
    array = sitk.GetArrayViewFromImage(mask)
    box = []
    for axis, (extra, n) in enumerate(zip(margin, mask.GetSize(), strict=True)):
        others = tuple(a for a in range(array.ndim) if a != array.ndim - 1 - axis)
        used = np.flatnonzero(array.any(axis=others))
        first, last = (int(used[0]), int(used[-1])) if used.size else (0, 0)
        box.append((max(0, first - extra), min(n, last + 1 + extra)))
    return box


def _cut(image: sitk.Image, box: Box) -> sitk.Image:
    return sitk.RegionOfInterest(image, [high - low for low, high in box], [low for low, _ in box])
