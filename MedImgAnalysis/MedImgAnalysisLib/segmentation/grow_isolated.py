"""Growing from one set of seeds as far as it stays apart from another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..parameters import Choice, Quantity
from ..progress import SILENT, Progress
from ..values import Image, Landmarks, Mask, Measurements
from .growing import between, reached, warn_if_leaked
from .grown import COLUMNS, Growing, Grown
from .outcome import labels_of, size_cells
from .seeds import check_apart, seed_voxels, within_mask


@dataclass(frozen=True)
class GrowIsolated(Growing):
    """Grow from seeds with the widest range that does not reach other seeds.

    For two structures of nearly the same brightness that touch, such as neighbouring vessels. One end of the range is
    fixed by the seeds or by `fixed`, the other is found by halving to within `precision`: the widest range with which
    the segment does not connect to the other seeds (ITK's isolated connected filter).

    Inputs
    ------
    other
        Voxels that the segment must not reach.
    other_points
        Points that the segment must not reach.

    Parameters
    ----------
    find
        Which end of the range is searched: lower for bright structures, upper for dark ones.
    fixed
        The other end of the range; none takes the extreme value of the image.
    precision
        How closely the end is found, as a part of the range of the image.
    """

    name: ClassVar[str] = "grow_isolated"
    title: ClassVar[str] = "Grow apart from other seeds"
    memory_factor: ClassVar[float] = 3.0
    presets: ClassVar = {"Bright structures": {"find": "lower"}, "Dark structures": {"find": "upper"}}

    find: Annotated[str, Choice("lower", "upper")] = "lower"
    fixed: float | None = None
    precision: Annotated[float, Quantity("", low=1e-6, high=0.1)] = 1e-3
    segment: str = "Grown"

    def run(
        self,
        image: Image,
        seeds: Mask | None = None,
        seed_points: Landmarks | None = None,
        other: Mask | None = None,
        other_points: Landmarks | None = None,
        mask: Mask | None = None,
        *,
        progress: Progress = SILENT,
    ) -> Grown:
        at = seed_voxels(image, seeds, seed_points)
        away = seed_voxels(image, other, other_points, "other seeds", "other")
        check_apart(image, at, away, "The seeds and the other seeds", "other")
        at = within_mask(at, mask, progress)
        array = sitk.GetArrayViewFromImage(image)
        low, high = float(array.min()), float(array.max())
        if low == high:
            raise InputError(f"The image is constant ({low:g}); no range keeps the seeds apart.", role="image")
        own = array[at].astype(np.float64)
        # Both are counted from the fixed end: the narrowest range holds the seeds, the widest everything.
        sign = 1.0 if self.find == "upper" else -1.0
        start = self.fixed if self.fixed is not None else (low if self.find == "upper" else high)
        narrow, wide = float((sign * own).max()), sign * (high if self.find == "upper" else low)
        if ((own - start) * sign < 0).any():
            raise InputError(
                f"Seeds lie beyond the fixed end {start:g} of the range; change it or move them.", role="seeds"
            )

        def region(end: float, share: Progress) -> np.ndarray:
            lower, upper = sorted((start, sign * end))
            return reached(between(image, lower, upper, mask, share.part(0.0, 0.4)), at, False, share.part(0.4, 1.0))

        chosen = region(narrow, progress.part(0.0, 0.05))
        if chosen[away].any():
            raise InputError(
                "The seeds and the other seeds are connected already within the values of the seeds; move the seeds to "
                "places that differ, or fix the other end of the range.",
                role="other",
            )
        most = max(1, int(np.ceil(np.log2(max(wide - narrow, 1e-300) / (self.precision * (high - low) or 1.0)))))
        widest = region(wide, progress.part(0.05, 0.1))
        if not widest[away].any():
            chosen, narrow = widest, wide
            progress.warn("No range connects the seeds with the other seeds; the whole range was taken.")
        for step in range(most):
            if wide - narrow <= self.precision * (high - low):
                break
            progress.report(0.1 + 0.8 * step / most, "Halving the range")
            middle = (narrow + wide) / 2
            tried = region(middle, progress.part(0.1 + 0.8 * step / most, 0.1 + 0.8 * (step + 1) / most))
            if tried[away].any():
                wide = middle
            else:
                narrow, chosen = middle, tried
        lower, upper = sorted((start, sign * narrow))
        labels = labels_of({self.segment: chosen}, image, "Move the seeds.")
        warn_if_leaked(chosen, progress)
        row = {"segment": self.segment, "seeds": own.size, "lower": lower, "upper": upper}
        return Grown(labels, Measurements(COLUMNS, (row | size_cells(chosen, image, progress.part(0.9, 1.0)),)))
