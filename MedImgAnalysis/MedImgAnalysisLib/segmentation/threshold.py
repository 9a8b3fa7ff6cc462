"""A segment of all voxels in a range of values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import SimpleITK as sitk

from ..errors import ParameterError
from ..geometry import Grid
from ..operation import Operation
from ..progress import SILENT, Progress
from ..values import Column, Image, Labels, Mask, Measurements
from .histograms import extremes_of, where
from .outcome import SEGMENT, SIZE_COLUMNS, labels_of, part_of, size_cells


class InRange(NamedTuple):
    labels: Labels
    table: Measurements


COLUMNS = (
    SEGMENT,
    Column("lower", "Lower", "", "Smallest value that was let in; the smallest one of the image where it was open"),
    Column("upper", "Upper", "", "Largest value that was let in; the largest one of the image where it was open"),
    Column("fraction", "Fraction", "", "Part of the voxels that were looked at"),
    *SIZE_COLUMNS,
)


@dataclass(frozen=True)
class Threshold(Operation):
    """Take all voxels in a range of values.

    For images whose values mean something: CT numbers, SUV, maps of T1 or diffusion. The segment is every voxel from
    `lower` to `upper`, both inclusive.

    Inputs
    ------
    image
        Image with one number per voxel.
    mask
        Where the segment may be.

    Outputs
    -------
    labels
        One segment.
    table
        Range, voxels, volume and intensity.

    Parameters
    ----------
    lower
        Smallest value of the segment; if not set, there is none.
    upper
        Largest value of the segment; if not set, there is none.
    segment
        Name of the segment.
    """

    name: ClassVar[str] = "threshold"
    title: ClassVar[str] = "Threshold"
    group: ClassVar[str] = "Threshold"
    memory_factor: ClassVar[float] = 1.5
    presets: ClassVar = {
        "Bone in CT": {"lower": 300.0},
        "Soft tissue in CT": {"lower": -50.0, "upper": 150.0},
        "Fat in CT": {"lower": -150.0, "upper": -50.0},
        "Air in CT": {"lower": None, "upper": -400.0},
    }

    lower: float | None = 100.0
    upper: float | None = None
    segment: str = "Foreground"

    def check(self) -> None:
        """Refuse an empty range and one that is open on both sides."""
        if self.lower is None and self.upper is None:
            raise ParameterError(
                "threshold: lower and upper are both not set; set at least one.", operation=self.name, field="lower"
            )
        if self.lower is not None and self.upper is not None and self.lower > self.upper:
            raise ParameterError(
                f"threshold: lower is {self.lower:g} and upper {self.upper:g}; lower must not be larger.",
                operation=self.name,
                field="lower",
            )

    def halo(self, grid: Grid) -> tuple[int, ...]:
        """Each voxel is looked at by itself."""
        return (0,) * grid.dimension

    def whole(self, inputs: Mapping[str, Any], progress: Progress = SILENT) -> tuple[float, float]:
        """Smallest and largest value."""
        mask = inputs.get("mask")
        inside = None if mask is None else sitk.GetArrayViewFromImage(mask) != 0
        return extremes_of(sitk.GetArrayViewFromImage(inputs["image"]), inside, progress)

    def run(self, image: Image, mask: Mask | None = None, *, progress: Progress = SILENT) -> InRange:
        array = sitk.GetArrayViewFromImage(image)
        inside = None if mask is None else sitk.GetArrayViewFromImage(mask) != 0
        low, high = self.known or self.whole({"image": image, "mask": mask}, progress.part(0.0, 0.2))
        # Compared in float64, so that every pixel type that holds the values gives the same voxels.
        lower = np.float64(low if self.lower is None else self.lower)
        upper = np.float64(high if self.upper is None else self.upper)
        chosen = where(array, inside, lambda slab: (slab >= lower) & (slab <= upper), progress.part(0.2, 0.8))
        if self.known:
            return InRange(part_of({self.segment: chosen}, image), Measurements(COLUMNS, ()))
        there = f"The image is constant ({low:g})" if low == high else f"The values reach from {low:g} to {high:g}"
        advice = f"{there}, the range from {lower:g} to {upper:g}."
        labels = labels_of({self.segment: chosen}, image, advice)
        cells = size_cells(chosen, image, progress.part(0.8, 1.0))
        fraction = cells["voxels"] / (array.size if inside is None else int(np.count_nonzero(inside)))
        row = {"segment": self.segment, "lower": float(lower), "upper": float(upper), "fraction": fraction, **cells}
        return InRange(labels, Measurements(COLUMNS, (row,)))
