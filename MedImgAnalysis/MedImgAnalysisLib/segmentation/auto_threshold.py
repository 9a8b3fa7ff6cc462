"""A threshold found from the histogram."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple

import SimpleITK as sitk

from ..geometry import Grid
from ..operation import Operation
from ..parameters import Choice, Quantity
from ..progress import SILENT, Progress
from ..values import Column, Curves, Image, Labels, Mask, Measurements
from .histograms import Histogram, above, curves_of, histogram_of
from .outcome import SEGMENT, SIZE_COLUMNS, labels_of, part_of, size_cells
from .threshold_methods import METHODS


class Thresholded(NamedTuple):
    labels: Labels
    table: Measurements
    histogram: Curves


COLUMNS = (
    SEGMENT,
    Column("method", "Method", "", "How the threshold was found", str),
    Column("threshold", "Threshold", "", "Voxels of the bright side are larger than this value"),
    Column("fraction", "Fraction", "", "Part of the voxels that were looked at"),
    *SIZE_COLUMNS,
)


@dataclass(frozen=True)
class AutoThreshold(Operation):
    """Separate bright from dark by a threshold found from the histogram.

    Use it where object and background differ in brightness. The histogram has at most `bins` equal bins between the
    smallest and the largest value, a whole number wide where all values are whole numbers. The threshold is the upper
    edge of a bin; the bright side is the voxels larger than it. A constant image has no threshold and is refused.

    Two classes of similar size: otsu (largest variance between the classes, Otsu 1979), isodata (middle of the means of
    both, Ridler and Calvard 1978), li (least cross-entropy, Li and Lee 1993), kittler_illingworth (least error of two
    normal distributions of unequal width, 1986), huang (least fuzziness, Huang and Wang 1995), moments (Tsai 1985).
    Two clear peaks: intermodes (the middle between them, Prewitt and Mendelsohn 1966). One large peak and a small
    object in its tail: triangle (Zack 1977), maximum_entropy (Kapur 1985), renyi_entropy (Sahoo 1997), yen (1995),
    shanbhag (1994).

    With bins of width 1 the result is that of ITK, but for three: ITK iterates li to the nearest local minimum, in
    steps of a unit of intensity, and has a decimal logarithm in kittler_illingworth; here both are the least over all
    bins. Where isodata falls between two separate peaks, ITK moves it into the upper one.

    Inputs
    ------
    image
        Image with one number per voxel.
    mask
        Where to take the histogram; the segment stays inside it.

    Outputs
    -------
    labels
        One segment.
    table
        Threshold, voxels, volume and intensity.
    histogram
        Histogram, with the threshold as an upright line.

    Parameters
    ----------
    method
        How the threshold is found.
    side
        Which side becomes the segment.
    bins
        Number of histogram bins at the most; more follow the values more finely.
    segment
        Name of the segment.
    """

    name: ClassVar[str] = "auto_threshold"
    title: ClassVar[str] = "Automatic threshold"
    group: ClassVar[str] = "Threshold"
    revision: ClassVar[int] = 2
    memory_factor: ClassVar[float] = 1.5
    measured_by: ClassVar[tuple[str, ...]] = ("bins",)
    presets: ClassVar = {
        "Bright object": {"side": "bright"},
        "Dark object": {"side": "dark"},
        "Small bright object": {"method": "triangle"},
    }

    method: Annotated[str, Choice(*METHODS)] = "otsu"
    side: Annotated[str, Choice("bright", "dark")] = "bright"
    bins: Annotated[int, Quantity("", low=8, high=65536)] = 256
    segment: str = "Foreground"

    def halo(self, grid: Grid) -> tuple[int, ...]:
        """Each voxel is looked at by itself."""
        return (0,) * grid.dimension

    def whole(self, inputs: Mapping[str, Any], progress: Progress = SILENT) -> Histogram:
        """The histogram."""
        mask = inputs.get("mask")
        inside = None if mask is None else sitk.GetArrayViewFromImage(mask) != 0
        return histogram_of(sitk.GetArrayViewFromImage(inputs["image"]), inside, self.bins, progress)

    def run(self, image: Image, mask: Mask | None = None, *, progress: Progress = SILENT) -> Thresholded:
        array = sitk.GetArrayViewFromImage(image)
        inside = None if mask is None else sitk.GetArrayViewFromImage(mask) != 0
        histogram = self.known or self.whole({"image": image, "mask": mask}, progress.part(0.0, 0.6))
        chosen_bin = METHODS[self.method](histogram.counts, progress.part(0.6, 0.7))
        threshold = float(histogram.edges[chosen_bin + 1])
        chosen = above(array, inside, threshold, self.side == "bright", progress.part(0.7, 0.9))
        curves = curves_of(histogram, {"Threshold": threshold})
        if self.known:
            return Thresholded(part_of({self.segment: chosen}, image), Measurements(COLUMNS, ()), curves)
        labels = labels_of({self.segment: chosen}, image, "Choose the other side.")
        cells = size_cells(chosen, image, progress.part(0.9, 1.0))
        row = {"segment": self.segment, "method": self.method, "threshold": threshold, **cells}
        row["fraction"] = cells["voxels"] / histogram.voxels
        return Thresholded(labels, Measurements(COLUMNS, (row,)), curves)
