"""Slices that were measured at uneven distances, interpolated to even ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import SimpleITK as sitk

from ..blockwise import for_each
from ..errors import InputError
from ..geometry import Grid, image_like
from ..operation import Operation
from ..parameters import Choice, Quantity
from ..progress import SILENT, Progress
from ..values import Image, Measurements
from .slice_positions import positions_of, usual_step

SAME_MM = 1e-3


@dataclass(frozen=True)
class RegulariseSlices(Operation):
    """Interpolate slices that were measured at uneven distances to even ones.

    An image stores one distance for all its slices. Where they were measured at others (slices lost, a table that moved
    unevenly, two series joined), every length and volume across slices is wrong until the slices are brought to
    even distances. Each new slice is the linear mixture of the two measured ones around it, or the nearest one;
    measured slices that lie on the new positions (within 0.001 mm) are taken as they are. The first slice stays where
    it is; the last new one is the last that lies within the measured range. How many slices are new and across
    which gaps is said. A gap of more than `largest_gap` usual steps is refused: nothing is known of what is in it.

    Inputs
    ------
    image
        Image whose slices lie unevenly; vector images component by component.
    positions
        Where the slices were measured: a row for each slice in the order of the image, millimetres along the
        third axis in one column, rising.

    Outputs
    -------
    image
        Image with slices at even distances.

    Parameters
    ----------
    spacing_mm
        New distance of the slices; if not set, the median of the measured ones.
    interpolation
        Linear, or nearest (for labels).
    largest_gap
        Largest gap in usual steps that is interpolated across.
    column
        Column of the positions; empty: the only column of numbers, or the one called position_mm.
    """

    name: ClassVar[str] = "regularise_slices"
    title: ClassVar[str] = "Regularise slices"
    group: ClassVar[str] = "Repair"
    vector: ClassVar[bool] = True
    memory_factor: ClassVar[float] = 2.0
    keeps: ClassVar = {"image": "image"}
    keeps_grid: ClassVar[bool] = False

    spacing_mm: Annotated[float | None, Quantity("mm", low=0.01, high=1000.0)] = None
    interpolation: Annotated[str, Choice("linear", "nearest")] = "linear"
    largest_gap: Annotated[float, Quantity("", low=1.0, high=100.0)] = 4.0
    column: str = ""

    def run(self, image: Image, positions: Measurements, *, progress: Progress = SILENT) -> Image:
        progress.report(0.0, "Looking at the slices")
        grid = Grid.of(image)
        if grid.dimension != 3:
            raise InputError("A 2-D image has no slices.", role="image")
        array = sitk.GetArrayViewFromImage(image)
        at = positions_of(positions, self.column, len(array))
        at = at - at[0]
        steps = np.diff(at)
        usual = usual_step(steps)
        if steps.max() > self.largest_gap * usual:
            k = int(steps.argmax())
            raise InputError(
                f"Between slices {k} and {k + 1} there are {steps[k]:.4g} mm, {steps[k] / usual:.3g} usual steps; "
                f"at most {self.largest_gap:g} are interpolated across.",
                role="positions",
            )
        step = self.spacing_mm or usual
        wanted = np.arange(int(np.floor((at[-1] + SAME_MM) / step)) + 1) * step
        spacing = (*grid.spacing[:2], step)
        even = Grid((*grid.size[:2], len(wanted)), spacing, grid.origin, grid.direction)
        out: np.ndarray = np.empty((len(wanted), *array.shape[1:]), array.dtype)
        after = np.clip(np.searchsorted(at, wanted), 1, len(at) - 1)
        weight = np.clip((wanted - at[after - 1]) / steps[after - 1], 0.0, 1.0)
        # Distance to the measured slice that a new one coincides with decides, not the share of a wide gap.
        weight[np.abs(wanted - at[after - 1]) <= SAME_MM] = 0.0
        weight[np.abs(wanted - at[after]) <= SAME_MM] = 1.0
        if self.interpolation == "nearest":
            weight = np.rint(weight)

        def mixed(k: int) -> None:
            low, high = array[after[k] - 1], array[after[k]]
            if weight[k] in (0.0, 1.0):
                out[k] = high if weight[k] else low
                return
            values = (1 - weight[k]) * low.astype(np.float64) + weight[k] * high
            out[k] = np.rint(values) if array.dtype.kind in "iu" else values

        for_each(mixed, range(len(wanted)), progress=progress, message="Interpolating slices")
        _tell(steps, usual, step, weight, progress)
        return image_like(out, even)


def _tell(steps: np.ndarray, usual: float, step: float, weight: np.ndarray, progress: Progress) -> None:
    mixed = int(np.count_nonzero((weight > 0) & (weight < 1)))
    uneven = np.flatnonzero(np.abs(steps - usual) > max(SAME_MM, 0.01 * usual))
    if not uneven.size and not mixed:
        progress.warn(f"The slices lie evenly, {usual:.4g} mm apart; none was interpolated.")
        return
    gaps = ", ".join(f"{k} to {k + 1} ({steps[k]:.4g} mm)" for k in uneven[:5])
    more = f" and {uneven.size - 5} more" * (uneven.size > 5)
    progress.warn(
        f"{len(weight)} slices {step:.4g} mm apart were made from {len(steps) + 1}; {mixed} of them are interpolated. "
        f"Uneven steps: {gaps or 'none'}{more}."
    )
