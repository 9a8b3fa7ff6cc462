"""Two regions, each as even as possible, with a short border."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..geometry import Grid
from ..kernels.gaussian import smooth
from ..operation import Operation
from ..parameters import Choice, Quantity
from ..progress import SILENT, Progress, Quiet
from ..values import Column, Curve, Curves, Image, Labels, Mask, Measurements
from .outcome import SEGMENT, SIZE_COLUMNS, labels_of, size_cells
from .working_values import centred


class Parted(NamedTuple):
    labels: Labels
    table: Measurements
    curves: Curves


COLUMNS = (
    SEGMENT,
    Column("iterations", "Iterations", "", "Steps until nothing changed", int),
    Column("mean_inside", "Mean inside", "", "Mean of the region in the working box"),
    Column("mean_outside", "Mean outside", "", "Mean of what is around it"),
    *SIZE_COLUMNS,
)


@dataclass(frozen=True)
class ChanVese(Operation):
    """Part the image into two regions of even brightness with a short border.

    For structures without a sharp edge. Minimises the sum over both regions of the squared distance from the region's
    mean plus `smoothness_mm` times the area of the border, in units of the squared difference between the means of the
    values above and below the overall mean (Chan and Vese 2001). Solved by threshold dynamics: the border's area is
    that of the heat kernel, and every step lowers the energy (Wang, Li, Wei and Wang 2017). Without a start it begins
    with the brighter (or darker) part of the box.

    Inputs
    ------
    image
        Image with one number per voxel.
    start
        Region to begin from.
    mask
        Where to look; all is inside its box.

    Outputs
    -------
    labels
        One segment.
    table
        Iterations, means, voxels, volume and intensity.
    curves
        Energy over the iterations, relative to the beginning.

    Parameters
    ----------
    smoothness_mm
        Weight of the border: details smaller than about this give way.
    side
        Without a start: which side becomes the segment.
    iterations
        Largest number of steps.
    segment
        Name of the segment.
    """

    name: ClassVar[str] = "chan_vese"
    title: ClassVar[str] = "Two even regions (Chan-Vese)"
    group: ClassVar[str] = "Contours"
    revision: ClassVar[int] = 2
    memory_factor: ClassVar[float] = 5.0
    why_whole: ClassVar[str] = "the contour moves in three dimensions"
    presets: ClassVar = {"Noisy image": {"smoothness_mm": 3.0}, "Fine detail": {"smoothness_mm": 0.5}}

    smoothness_mm: Annotated[float, Quantity("mm", low=0.0, high=50.0)] = 1.0
    side: Annotated[str, Choice("bright", "dark")] = "bright"
    iterations: Annotated[int, Quantity("", low=1, high=1000)] = 200
    segment: str = "Region"

    def run(
        self, image: Image, start: Mask | None = None, mask: Mask | None = None, *, progress: Progress = SILENT
    ) -> Parted:
        grid = Grid.of(image)
        inside = np.ones(tuple(reversed(grid.size)), bool) if mask is None else sitk.GetArrayFromImage(mask) != 0
        box = _box(inside)
        allowed = inside[box]
        values, offset = centred(sitk.GetArrayViewFromImage(image)[box])
        low, high = float(values.min(where=allowed, initial=np.inf)), float(values.max(where=allowed, initial=-np.inf))
        if low == high:
            raise InputError(f"The image is constant ({low + offset:g}) where it is looked at.", role="image")
        values -= np.float32((low + high) / 2)
        values /= np.float32(high - low)
        region = self._start(start, box, values, allowed)
        # Along axes with a larger spacing the kernel must still reach the next voxel.
        sigma = max(2 * min(grid.spacing), 0.75 * max(s for s, n in zip(grid.spacing, grid.size, strict=True) if n > 1))
        sigmas = [sigma / s for s in grid.spacing_kji]
        energies: list[float] = []
        force = self.smoothness_mm * math.sqrt(2 * math.pi) / sigma * _contrast(values[allowed]) ** 2
        # What is outside the mask belongs to neither region: a border with it costs nothing.
        near = 1.0 if allowed.all() else smooth(allowed.astype(np.float32), sigmas, Quiet(progress))
        for step in range(self.iterations):
            share = progress.part(0.9 * step / self.iterations, 0.9 * (step + 1) / self.iterations)
            share.report(0.0, f"Iteration {step + 1}")
            inner, outer = _Part.of(values, region), _Part.of(values, allowed & ~region)
            spread = smooth(region.astype(np.float32), sigmas, share)
            area = float(spread.sum(where=allowed & ~region, dtype=np.float64))
            energies.append(inner.squares + outer.squares + force * area)
            # (v - mean inside)^2 - (v - mean outside)^2 + force (near - 2 spread)
            spread *= np.float32(-2 * force)
            spread += np.float32(force) * near
            spread += np.float32(2 * (outer.mean - inner.mean)) * values
            after = (spread <= np.float32(outer.mean**2 - inner.mean**2)) & allowed
            if not after.any() or not (allowed & ~after).any():
                raise InputError(
                    "One of the two regions vanished; lower smoothness_mm or start elsewhere.", role="image"
                )
            if np.array_equal(after, region):
                break
            region = after
        else:
            progress.warn(f"The regions still changed after {self.iterations} iterations.")
        chosen = np.zeros(inside.shape, bool)
        chosen[box] = region
        scale, middle = high - low, (low + high) / 2 + offset
        row = {
            "segment": self.segment,
            "iterations": len(energies),
            "mean_inside": _Part.of(values, region).mean * scale + middle,
            "mean_outside": _Part.of(values, allowed & ~region).mean * scale + middle,
        }
        labels = labels_of({self.segment: chosen}, image, "Start elsewhere.")
        curve = Curve("Energy", np.arange(1.0, len(energies) + 1), np.array(energies) / (energies[0] or 1.0))
        return Parted(
            labels,
            Measurements(COLUMNS, (row | size_cells(chosen, image, progress.part(0.9, 1.0)),)),
            Curves("Convergence", "Iteration", "Energy, relative", (curve,)),
        )

    def _start(
        self, start: sitk.Image | None, box: tuple[slice, ...], values: np.ndarray, allowed: np.ndarray
    ) -> np.ndarray:
        if start is None:
            middle = values[allowed].mean(dtype=np.float64)
            region = values > middle if self.side == "bright" else values <= middle
        else:
            region = sitk.GetArrayViewFromImage(start)[box] != 0
        region = region & allowed
        if not region.any() or not (allowed & ~region).any():
            raise InputError("The start must hold a part of the mask, and not all of it.", role="start")
        return region


def _box(inside: np.ndarray) -> tuple[slice, ...]:
    found = []
    for axis in range(inside.ndim):
        used = np.flatnonzero(inside.any(axis=tuple(a for a in range(inside.ndim) if a != axis)))
        found.append(slice(int(used[0]), int(used[-1]) + 1))
    return tuple(found)


class _Part(NamedTuple):
    """Mean of a region and the sum of the squared distances from it."""

    mean: float
    squares: float

    @classmethod
    def of(cls, values: np.ndarray, region: np.ndarray) -> _Part:
        own = values[region]
        mean = float(own.mean(dtype=np.float64))
        own -= np.float32(mean)
        rest = float(own.sum(dtype=np.float64))
        np.square(own, out=own)
        # The mean in float32 is a little off.
        return cls(mean, float(own.sum(dtype=np.float64)) - rest**2 / own.size)


def _contrast(values: np.ndarray) -> float:
    """Mean of the values above their mean, less that of the others."""
    bright = values > values.mean(dtype=np.float64)
    return float(values[bright].mean(dtype=np.float64) - values[~bright].mean(dtype=np.float64))
