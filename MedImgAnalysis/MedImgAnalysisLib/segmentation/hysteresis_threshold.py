"""Two thresholds: one that finds a structure for sure, and one that follows it to its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple

import numpy as np
import SimpleITK as sitk

from ..errors import ParameterError
from ..kernels.components import Components
from ..operation import Operation
from ..parameters import Choice
from ..progress import SILENT, Progress
from ..values import Column, Image, Labels, Mask, Measurements
from .histograms import extremes_of, where
from .outcome import SEGMENT, SIZE_COLUMNS, labels_of, size_cells


class Followed(NamedTuple):
    labels: Labels
    table: Measurements


COLUMNS = (
    SEGMENT,
    Column("lower", "Lower", "", "The smaller threshold"),
    Column("upper", "Upper", "", "The larger threshold"),
    Column("certain", "Certain", "", "Voxels beyond both thresholds", int),
    *SIZE_COLUMNS,
)


@dataclass(frozen=True)
class HysteresisThreshold(Operation):
    """Take bright structures together with the weaker voxels that are connected to them.

    For structures that fade, such as vessels or lesions, in a noisy image: a high threshold alone loses their ends, a
    low one alone takes noise. The segment is every voxel of at least `lower` that a path of such voxels joins to one of
    at least `upper` (Canny 1986). For dark structures the same with the signs turned.

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
        Thresholds, voxels, volume and intensity.

    Parameters
    ----------
    lower
        The smaller threshold: of bright structures the ends, of dark ones the core.
    upper
        The larger threshold: of bright structures the core, of dark ones the ends.
    side
        Whether bright or dark structures are wanted.
    corners
        Whether voxels that share only an edge or a corner are neighbours.
    segment
        Name of the segment.
    """

    name: ClassVar[str] = "hysteresis_threshold"
    title: ClassVar[str] = "Hysteresis threshold"
    group: ClassVar[str] = "Threshold"
    memory_factor: ClassVar[float] = 3.0
    why_whole: ClassVar[str] = "weak voxels are followed to certain ones through all of it"
    presets: ClassVar = {"Bone in CT": {"lower": 150.0, "upper": 400.0}}

    lower: float = 60.0
    upper: float = 100.0
    side: Annotated[str, Choice("bright", "dark")] = "bright"
    corners: bool = True
    segment: str = "Foreground"

    def check(self) -> None:
        """Refuse thresholds in the wrong order."""
        if self.lower > self.upper:
            raise ParameterError(
                f"hysteresis_threshold: lower is {self.lower:g} and upper {self.upper:g}; lower must not be larger.",
                operation=self.name,
                field="lower",
            )

    def run(self, image: Image, mask: Mask | None = None, *, progress: Progress = SILENT) -> Followed:
        array = sitk.GetArrayViewFromImage(image)
        inside = None if mask is None else sitk.GetArrayViewFromImage(mask) != 0
        lower, upper = np.float64(self.lower), np.float64(self.upper)
        bright = self.side == "bright"
        core = where(array, inside, (lambda v: v >= upper) if bright else (lambda v: v <= lower), progress.part(0, 0.1))
        certain = int(np.count_nonzero(core))
        if certain:
            wide = (lambda v: v >= lower) if bright else (lambda v: v <= upper)
            weak = where(array, inside, wide, progress.part(0.1, 0.2))
            chosen = Components(weak, progress.part(0.2, 0.8), self.corners).meeting(core, progress)
        else:
            chosen = core
        labels = labels_of({self.segment: chosen}, image, "" if certain else self._advice(array, inside, progress))
        row = {"segment": self.segment, "lower": self.lower, "upper": self.upper, "certain": certain}
        row |= size_cells(chosen, image, progress.part(0.8, 1.0))
        return Followed(labels, Measurements(COLUMNS, (row,)))

    def _advice(self, array: np.ndarray, inside: np.ndarray | None, progress: Progress) -> str:
        low, high = extremes_of(array, inside, progress.part(0.2, 0.3))
        there = f"The image is constant ({low:g})" if low == high else f"The values reach from {low:g} to {high:g}"
        wanted = f"at least {self.upper:g}" if self.side == "bright" else f"at most {self.lower:g}"
        return f"{there}, none is {wanted}."
