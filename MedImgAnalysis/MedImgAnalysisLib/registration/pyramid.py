"""Images at the resolutions at which registration works."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import SimpleITK as sitk

from ..errors import InputError

SMALLEST = 4


class Level(NamedTuple):
    """One resolution and how the optimiser runs there.

    `spacing_mm` is what the voxels are averaged to, `samples` the number of fixed voxels that the
    metric looks at (None: all), `minimum_step_mm` where regular steps stop. `quasi_newton` takes
    L-BFGS-B instead of regular steps: in the narrow valleys of nearly round objects, such as heads,
    regular steps stop degrees away from the answer, and it comes near in some ten iterations. It starts
    with a leap, so regular steps come before it, and the ripples that interpolation leaves in the metric can
    hold it up, so regular steps come after it.
    """

    spacing_mm: float
    samples: int | None
    iterations: int
    minimum_step_mm: float = 0.0
    quasi_newton: bool = False


RIGID_LEVELS = (
    Level(8.0, None, 100, 0.05),
    Level(4.0, 20_000, 60, 0.02),
    Level(4.0, 20_000, 40, quasi_newton=True),
    Level(2.0, 40_000, 30, quasi_newton=True),
    Level(2.0, 40_000, 40, 0.005),
    Level(1.0, 100_000, 40, 0.002),
)


def shrunk(image: sitk.Image, spacing_mm: float) -> sitk.Image:
    """`image` averaged over blocks of voxels to about `spacing_mm`; at least four voxels stay per axis."""
    factors = [max(1, min(round(spacing_mm / s), n // SMALLEST)) for s, n in zip(image.GetSpacing(), image.GetSize())]
    return image if max(factors) == 1 else sitk.BinShrink(image, factors)


def prepared(image: sitk.Image, what: str) -> sitk.Image:
    """`image` as float32 for the metric; refuses what cannot be registered, with the reason."""
    if min(image.GetSize()) < SMALLEST:
        raise InputError(
            f"The {what} image has {min(image.GetSize())} voxels along one axis; registration needs at least "
            f"{SMALLEST}. A single slice must be given as a 2-D image.",
            role=what,
        )
    array = sitk.GetArrayViewFromImage(image)
    if array.min() == array.max():
        raise InputError(f"The {what} image is constant; there is nothing to align.", role=what)
    return sitk.Cast(image, sitk.sitkFloat32)


def centre(image: sitk.Image) -> np.ndarray:
    """LPS position of the middle of the image box."""
    return np.array(image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in image.GetSize()]))


def centre_of_mass(image: sitk.Image, mask: sitk.Image | None = None) -> np.ndarray:
    """LPS centre of the voxels brighter than the mean (inside the mask where given).

    The bright voxels count equally, so that a few very bright ones (vessels, implants) do not pull.
    """
    array = sitk.GetArrayViewFromImage(image)
    inside = np.ones(array.shape, bool) if mask is None else sitk.GetArrayViewFromImage(mask) != 0
    bright = inside & (array > array[inside].mean(dtype=np.float64))
    if not bright.any():
        bright = inside
    index = [
        np.average(np.arange(n), weights=bright.sum(axis=tuple(a for a in range(bright.ndim) if a != axis)))
        for axis, n in enumerate(bright.shape)
    ]
    return np.array(image.TransformContinuousIndexToPhysicalPoint([float(v) for v in reversed(index)]))
