"""Several classes of brightness at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..geometry import Grid
from ..operation import Operation
from ..parameters import Quantity
from ..progress import SILENT, Progress
from ..values import Column, Curves, Image, Labels, Mask, Measurements
from .histograms import Histogram, curves_of, histogram_of, where
from .outcome import SEGMENT, SIZE_COLUMNS, labels_of, part_of, size_cells


class Classes(NamedTuple):
    labels: Labels
    table: Measurements
    histogram: Curves


COLUMNS = (
    SEGMENT,
    Column("lower", "Lower", "", "Voxels of the class are larger than this value; of the darkest class at least"),
    Column("upper", "Upper", "", "Voxels of the class are at most this value"),
    Column("fraction", "Fraction", "", "Part of the voxels that were looked at"),
    *SIZE_COLUMNS,
)


@dataclass(frozen=True)
class MultiOtsu(Operation):
    """Separate several classes of brightness by the thresholds that maximise the variance between them.

    For images of three and more tissues: air, soft tissue and bone; CSF, grey and white matter. All thresholds are
    found together and exactly (Otsu 1979; Liao, Chen and Chung 2001), over a histogram of at most `bins` bins, a whole
    number wide where all values are whole numbers.

    Inputs
    ------
    image
        Image with one number per voxel.
    mask
        Where to take the histogram; the segments stay inside it.

    Outputs
    -------
    labels
        One segment per class, from dark to bright.
    table
        Range, voxels, volume and intensity of each class.
    histogram
        Histogram, with the thresholds as upright lines.

    Parameters
    ----------
    classes
        Number of classes, the darkest one included.
    background
        Make a segment of the darkest class too.
    bins
        Number of histogram bins at the most.
    segment
        Beginning of the names of the segments; a number follows.
    """

    name: ClassVar[str] = "multi_otsu"
    title: ClassVar[str] = "Several thresholds (multi-Otsu)"
    group: ClassVar[str] = "Threshold"
    memory_factor: ClassVar[float] = 2.5
    measured_by: ClassVar[tuple[str, ...]] = ("bins",)
    presets: ClassVar = {"Three tissues without background": {"classes": 4}}

    classes: Annotated[int, Quantity("", low=2, high=8)] = 3
    background: bool = False
    bins: Annotated[int, Quantity("", low=8, high=1024)] = 256
    segment: str = "Class"

    def halo(self, grid: Grid) -> tuple[int, ...]:
        """Each voxel is looked at by itself."""
        return (0,) * grid.dimension

    def whole(self, inputs: Mapping[str, Any], progress: Progress = SILENT) -> Histogram:
        """The histogram."""
        mask = inputs.get("mask")
        inside = None if mask is None else sitk.GetArrayViewFromImage(mask) != 0
        return histogram_of(sitk.GetArrayViewFromImage(inputs["image"]), inside, self.bins, progress)

    def run(self, image: Image, mask: Mask | None = None, *, progress: Progress = SILENT) -> Classes:
        array = sitk.GetArrayViewFromImage(image)
        inside = None if mask is None else sitk.GetArrayViewFromImage(mask) != 0
        histogram = self.known or self.whole({"image": image, "mask": mask}, progress.part(0.0, 0.4))
        filled = np.flatnonzero(histogram.counts)
        if len(filled) < self.classes:
            raise InputError(
                f"The image has {len(filled)} different values in {len(histogram.counts)} bins; it cannot be separated "
                f"into {self.classes} classes.",
                role="image",
            )
        last = class_ends(histogram.counts, self.classes)
        edges = [float(histogram.edges[bin_ + 1]) for bin_ in last]
        limits = [-np.inf, *edges, np.inf]
        shown = [float(histogram.edges[0]), *edges, float(histogram.edges[-1])]
        chosen: dict[str, np.ndarray] = {}
        rows = []
        first = 0 if self.background else 1
        for number in range(first, self.classes):
            part = progress.part(0.4 + 0.6 * number / self.classes, 0.4 + 0.6 * (number + 1) / self.classes)
            name = f"{self.segment} {number + 1 - first}"
            test = partial(_in_class, np.float64(limits[number]), np.float64(limits[number + 1]))
            chosen[name] = where(array, inside, test, part.part(0.0, 0.5))
            if self.known:
                continue
            row = {"segment": name, "lower": shown[number], "upper": shown[number + 1]}
            cells = size_cells(chosen[name], image, part.part(0.5, 1.0))
            rows.append(row | cells | {"fraction": cells["voxels"] / histogram.voxels})
        labels = part_of(chosen, image) if self.known else labels_of(chosen, image, "Ask for fewer classes.")
        lines = {f"Threshold {number}": at for number, at in enumerate(edges, start=1)}
        return Classes(labels, Measurements(COLUMNS, tuple(rows)), curves_of(histogram, lines))


def _in_class(low: np.float64, high: np.float64, values: np.ndarray) -> np.ndarray:
    """Larger than `low`, at most `high`; float64, so that every pixel type gives the same voxels."""
    return np.asarray((values > low) & (values <= high))


def class_ends(counts: np.ndarray, classes: int) -> list[int]:
    """The last bins of all classes but the brightest, where the variance between the classes is largest.

    By dynamic programming over the bins with voxels: the sum of (sum of values)^2 / voxels over the classes is the
    variance between them but for constants. Where empty bins follow, the middle one of equally good bins is taken.
    """
    filled = np.flatnonzero(counts)
    at = filled - float(counts @ np.arange(len(counts))) / counts.sum()
    weight = np.concatenate([[0.0], np.cumsum(counts[filled], dtype=float)])
    moment = np.concatenate([[0.0], np.cumsum(counts[filled] * at)])
    n = len(filled)
    # score[a, b]: a class of the bins a to b - 1.
    with np.errstate(divide="ignore", invalid="ignore"):
        score = (moment[None, :] - moment[:, None]) ** 2 / (weight[None, :] - weight[:, None])
    score[np.tri(n + 1, dtype=bool)] = -np.inf
    best, came_from = score[0], []
    for _ in range(classes - 1):
        sums = best[:, None] + score
        came_from.append(sums.argmax(axis=0))
        best = sums.max(axis=0)
    ends, stop = [], n
    for step in reversed(came_from):
        stop = int(step[stop])
        before, after = int(filled[stop - 1]), int(filled[stop])
        ends.append(before + (after - before - 1) // 2)
    return ends[::-1]
