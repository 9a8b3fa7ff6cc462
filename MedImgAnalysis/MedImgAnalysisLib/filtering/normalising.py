"""What the operations that bring intensities to a common scale share."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import SimpleITK as sitk

from ..blockwise import for_each
from ..errors import InputError
from ..geometry import new_image
from ..kernels.pointwise import mapped
from ..kernels.ranks import is_narrow, slabs_of
from ..kernels.separable import working_type
from ..progress import Progress

ALIKE = 1e-12
"""Values whose spread is below this part of their size are one value and the rounding of float64."""

EXACT_VALUES = 1 << 16
"""So many squares of 16-bit numbers add up to less than 2^53 and stay in the cache of a core."""


def inside_of(mask: sitk.Image | None) -> np.ndarray | None:
    """Where a mask is set, boolean (k, j, i)."""
    return None if mask is None else sitk.GetArrayFromImage(mask) != 0


def where(mask: np.ndarray | sitk.Image | None) -> str:
    """The part of the image that numbers are taken from, for messages."""
    return "image" if mask is None else "image inside the mask"


def remapped(
    image: sitk.Image, function: Callable[[np.ndarray], np.ndarray], progress: Progress, message: str
) -> sitk.Image:
    """The image with `function` (float64 to float64) of each value: float32, float64 for wide types."""
    array = sitk.GetArrayViewFromImage(image)
    dtype = working_type(array.dtype)
    made, voxels = new_image(dtype, image)
    mapped(array, function, dtype, progress, message, voxels)
    return made


def require_spread(low: float, high: float, what: str, where: str, detail: str = "") -> None:
    """Refuse values that are all alike: what would be divided by is 0."""
    if high - low <= ALIKE * max(abs(low), abs(high)):
        raise InputError(
            f"The {where} is constant{detail} ({low:.6g}), so it cannot be {what}.", role="image", value=float(low)
        )


def mean_and_sd(array: np.ndarray, inside: np.ndarray | None, progress: Progress) -> tuple[float, float]:
    """Mean and sample standard deviation (n - 1) in float64, NaN for a single voxel; two passes, so that a large mean
    does not swallow a small spread. The same to the bit whatever the number of threads."""
    if is_narrow(array):
        return _exact_mean_and_sd(array, inside, progress)

    def chosen(part: slice) -> np.ndarray:
        return (array[part].reshape(-1) if inside is None else array[part][inside[part]]).astype(np.float64)

    n = array.size if inside is None else int(np.count_nonzero(inside))
    sums = for_each(lambda part: float(chosen(part).sum()), slabs_of(array), progress=progress.part(0, 0.5))
    mean = sum(sums) / n
    squares = sum(
        for_each(
            lambda part: float(np.square(chosen(part) - mean).sum()), slabs_of(array), progress=progress.part(0.5, 1)
        )
    )
    return mean, float(np.sqrt(squares / (n - 1))) if n > 1 else float("nan")


def _exact_mean_and_sd(array: np.ndarray, inside: np.ndarray | None, progress: Progress) -> tuple[float, float]:
    """The same for whole numbers of up to 16 bits, from exact sums of values and squares."""

    def sums(part: slice) -> tuple[int, int, int]:
        values = array[part].reshape(-1) if inside is None else array[part][inside[part]]
        total = squares = 0
        for start in range(0, values.size, EXACT_VALUES):
            some = values[start : start + EXACT_VALUES].astype(np.float64)
            total += int(some.sum())
            squares += int(np.square(some, out=some).sum())
        return values.size, total, squares

    found = for_each(sums, slabs_of(array), progress=progress)
    n, total, squares = (sum(entry[at] for entry in found) for at in range(3))
    spread = n * squares - total * total
    return total / n, math.sqrt(spread / (n * (n - 1))) if n > 1 else float("nan")
