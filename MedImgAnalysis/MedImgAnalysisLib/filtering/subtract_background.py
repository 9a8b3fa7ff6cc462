"""Remove a slowly varying background."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple

import numpy as np
import SimpleITK as sitk

from ..geometry import Grid, image_like
from ..kernels.gaussian import radius, taps
from ..kernels.morphology import dilate, erode
from ..kernels.separable import apply, reflected, working_type
from ..parameters import Choice, Quantity
from ..progress import SILENT, Progress
from ..values import Image, Mask
from .lengths import ball_radii, gaussian_halo, radii_kji, sigmas_kji
from .region import Measuring, filter_measured, wanted
from .voxels import halfway, precise


class Subtracted(NamedTuple):
    image: Image
    background: Image


@dataclass(frozen=True)
class SubtractBackground(Measuring):
    """Subtract a background that varies more slowly than the structures of interest.

    `opening`: the background is the opening by a box of the radius, smoothed by a Gaussian of half the radius and
    never above the image, so that bright structures narrower than the box stay at their height on a ground of 0; dark
    ones are treated the other way round. `smoothing`: it is the image smoothed by a Gaussian of the radius, and
    structures of both signs stay, with halos. For the multiplicative shading of MR use bias field correction. The
    results are float32, float64 for input of more than 16 bits.

    Inputs
    ------
    image
        Image; vector images component by component.
    mask
        Where it is wanted; elsewhere the results are 0.

    Outputs
    -------
    image
        Image minus background.
    background
        What was subtracted.

    Parameters
    ----------
    method
        How the background is found.
    radius_mm
        More than half the width of the widest structures of interest.
    structures
        Bright ones on darker ground, or dark ones on brighter ground, for the opening.
    """

    name: ClassVar[str] = "subtract_background"
    title: ClassVar[str] = "Subtract background"
    group: ClassVar[str] = "Enhance"
    vector: ClassVar[bool] = True
    memory_factor: ClassVar[float] = 4.0
    memory_bytes: ClassVar[float] = 1e8

    method: Annotated[str, Choice("opening", "smoothing")] = "opening"
    radius_mm: Annotated[float, Quantity("mm", low=0.1, high=200.0)] = 15.0
    structures: Annotated[str, Choice("bright", "dark")] = "bright"

    def halo(self, grid: Grid) -> tuple[int, ...]:
        sigma = self.radius_mm if self.method == "smoothing" else self.radius_mm / 2
        blur = gaussian_halo((sigma,) * grid.dimension, grid)
        passes = 0 if self.method == "smoothing" else 2
        return tuple(b + passes * r for b, r in zip(blur, ball_radii(self.radius_mm, grid), strict=True))

    def numbers_of(self, part: sitk.Image, inside: np.ndarray | None, progress: Progress) -> float:
        return halfway(part)

    def run(self, image: Image, mask: Mask | None = None, *, progress: Progress = SILENT) -> Subtracted:
        grid = Grid.of(image)
        radii = radii_kji(self.radius_mm, grid)
        sigma = self.radius_mm if self.method == "smoothing" else self.radius_mm / 2
        sigmas = sigmas_kji((sigma,) * grid.dimension, grid)

        def compute(part: sitk.Image, inside: np.ndarray | None, middle: float, progress: Progress) -> np.ndarray:
            values = precise(part, progress)
            box = wanted(self, values.shape, inside)
            dtype = working_type(values.dtype)
            level = dtype(middle)
            ground, corner = values, (0,) * values.ndim
            bright = self.structures == "bright"
            if self.method == "opening":
                ground, corner = _opened(values, radii, bright, box, sigmas, progress.part(0.0, 0.6))
            # Smoothed near zero, so that rounding is that of the contrast.
            ground = ground.astype(dtype)
            ground -= level
            flat = _smoothed(ground, corner, values.shape, sigmas, box, progress.part(0.6, 1.0))
            del ground
            flat += level
            if self.method == "opening":
                (np.minimum if bright else np.maximum)(flat, values[box].astype(dtype), out=flat)
            if flat.shape == values.shape:
                return flat
            out: np.ndarray = np.zeros(values.shape, dtype)
            out[box] = flat
            return out

        background = filter_measured(self, image, mask, self.halo(grid), compute, progress, outside=0.0)
        original = sitk.GetArrayViewFromImage(image)
        rest: np.ndarray = original.astype(working_type(original.dtype))
        rest -= sitk.GetArrayViewFromImage(background)
        if mask is not None:
            rest[sitk.GetArrayViewFromImage(mask) == 0] = 0
        return Subtracted(image_like(rest, image), background)


def _wider(box: Sequence[slice], reach: Sequence[int], shape: Sequence[int]) -> list[slice]:
    return [slice(max(0, s.start - r), min(n, s.stop + r)) for s, r, n in zip(box, reach, shape, strict=True)]


def _opened(
    values: np.ndarray, radii: list[float], bright: bool, box: Sequence[slice], sigmas: list[float], progress: Progress
) -> tuple[np.ndarray, tuple[int, ...]]:
    """The opening (closing for dark structures) by a box as far as the Gaussian reads it, and where that begins."""
    blurred = _wider(box, [radius(s) for s in sigmas], values.shape)
    between = _wider(blurred, [int(r + 1e-6) for r in radii], values.shape)
    corner = (0,) * values.ndim
    steps = ((erode, between), (dilate, blurred)) if bright else ((dilate, between), (erode, blurred))
    for number, (extreme, needed) in enumerate(steps):
        share = progress.part(number / 2, (number + 1) / 2)
        if all(s.stop - s.start == n for s, n in zip(needed, values.shape, strict=True)):
            values = extreme(values, radii, "box", share)
            continue
        # Axis by axis, first those along which most is left out.
        order = sorted(
            range(values.ndim), key=lambda axis: (needed[axis].stop - needed[axis].start) / values.shape[axis]
        )
        for at, axis in enumerate(order):
            line = [r if a == axis else 0.0 for a, r in enumerate(radii)]
            values = extreme(values, line, "box", share.part(at / len(order), (at + 1) / len(order)))
            kept = [slice(None)] * values.ndim
            kept[axis] = slice(needed[axis].start - corner[axis], needed[axis].stop - corner[axis])
            values = values[tuple(kept)]
        corner = tuple(s.start for s in needed)
    return values, corner


def _smoothed(
    values: np.ndarray,
    corner: Sequence[int],
    shape: Sequence[int],
    sigmas: list[float],
    box: Sequence[slice],
    progress: Progress,
) -> np.ndarray:
    """The Gaussian in the box, of values that begin at a corner of an image of this shape."""
    matrices = [
        reflected(n, taps(s))[part, low : low + have] if radius(s) or have > part.stop - part.start else None
        for n, s, part, low, have in zip(shape, sigmas, box, corner, values.shape, strict=True)
    ]
    shares = [1.0 if m is None else m.shape[0] / m.shape[1] for m in matrices]
    first = int(np.argmin(shares))
    if shares[first] < 1:
        # What is left out of most is left out first.
        alone = [m if axis == first else None for axis, m in enumerate(matrices)]
        values = apply(values, alone, progress.part(0.0, 0.5), "Smoothing")
        matrices[first] = None
    return apply(values, matrices, progress.part(0.5, 1.0), "Smoothing")
