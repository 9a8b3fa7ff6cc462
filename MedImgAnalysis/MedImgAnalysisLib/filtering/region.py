"""Work only where it is wanted: the box of the mask and what the filter reads around it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import SimpleITK as sitk

from ..geometry import image_like
from ..progress import Progress

Compute = Callable[[sitk.Image, np.ndarray | None, Progress], np.ndarray | sitk.Image]
"""(part of the image, scalar; where the mask is in it; progress) -> voxels, or an image, on the grid of the part."""


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
    box = _box(mask, margin) if mask is not None else None
    part = image if box is None else _cut(image, box)
    inside = None if mask is None or box is None else sitk.GetArrayFromImage(_cut(mask, box)) != 0
    count = image.GetNumberOfComponentsPerPixel()
    found = [
        compute(
            part if count == 1 else sitk.VectorIndexSelectionCast(part, c),
            inside,
            progress.part(c / count, (c + 1) / count),
        )
        for c in range(count)
    ]
    if box is None and isinstance(found[0], sitk.Image) and count == 1:
        return found[0]
    arrays = [sitk.GetArrayFromImage(one) if isinstance(one, sitk.Image) else one for one in found]
    array = arrays[0] if count == 1 else np.stack(arrays, axis=-1)
    if box is None or inside is None:
        return image_like(array, image)
    original = sitk.GetArrayViewFromImage(image)
    whole = original.astype(array.dtype) if outside is None else np.full(original.shape, outside, array.dtype)
    whole[tuple(slice(low, high) for low, high in reversed(box))][inside] = array[inside]
    return image_like(whole, image)


def _box(mask: sitk.Image, margin: Sequence[int]) -> list[tuple[int, int]]:
    """(start, stop) along i, j, k of the voxels that are set, widened by the margin."""
    array = sitk.GetArrayViewFromImage(mask)
    box = []
    for axis, (extra, n) in enumerate(zip(margin, mask.GetSize(), strict=True)):
        others = tuple(a for a in range(array.ndim) if a != array.ndim - 1 - axis)
        used = np.flatnonzero(array.any(axis=others))
        box.append((max(0, int(used[0]) - extra), min(n, int(used[-1]) + 1 + extra)))
    return box


def _cut(image: sitk.Image, box: list[tuple[int, int]]) -> sitk.Image:
    return sitk.RegionOfInterest(image, [high - low for low, high in box], [low for low, _ in box])
