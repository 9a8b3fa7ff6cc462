"""A threshold found from the histogram."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..geometry import Grid, image_like
from ..operation import Operation
from ..parameters import Choice, Quantity
from ..progress import SILENT, Progress
from ..values import Column, Image, Labels, Mask, Measurements


class Thresholded(NamedTuple):
    labels: Labels
    table: Measurements


COLUMNS = (
    Column("segment", "Segment", "", "Name of the segment", str),
    Column("method", "Method", "", "How the threshold was found", str),
    Column("threshold", "Threshold", "", "Voxels of the bright side are larger than this value"),
    Column("voxels", "Voxels", "", "Voxels in the segment", int),
    Column("volume_ml", "Volume", "ml", "Voxels times the volume of a voxel"),
    Column("fraction", "Fraction", "", "Part of the voxels that were looked at"),
    Column("mean", "Mean", "", "Mean intensity in the segment"),
    Column("status", "Status", "", "Why a number is missing", str),
)


@dataclass(frozen=True)
class AutoThreshold(Operation):
    """Separate bright from dark by a threshold found from the histogram.

    Use it where object and background differ in brightness. Otsu (1979): the threshold that
    maximises the variance between the two classes, over a histogram of `bins` equal bins between the
    smallest and the largest value; it is the upper edge of a bin. The bright side is the voxels larger
    than the threshold. A constant image has no threshold and is refused.

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
        Threshold, voxels and volume.

    Parameters
    ----------
    method
        How the threshold is found.
    side
        Which side becomes the segment.
    bins
        Number of histogram bins; more follow the values more finely.
    segment
        Name of the segment.
    """

    name: ClassVar[str] = "auto_threshold"
    title: ClassVar[str] = "Automatic threshold"
    group: ClassVar[str] = "Threshold"
    memory_factor: ClassVar[float] = 1.5
    presets: ClassVar = {"Bright object": {"side": "bright"}, "Dark object": {"side": "dark"}}

    method: Annotated[str, Choice("otsu")] = "otsu"
    side: Annotated[str, Choice("bright", "dark")] = "bright"
    bins: Annotated[int, Quantity("", low=8, high=65536)] = 256
    segment: str = "Foreground"

    def run(self, image: Image, mask: Mask | None = None, *, progress: Progress = SILENT) -> Thresholded:
        array = sitk.GetArrayViewFromImage(image)
        inside = None if mask is None else sitk.GetArrayViewFromImage(mask) != 0
        considered = array if inside is None else array[inside]
        low, high = considered.min(), considered.max()
        # A filtered constant differs in its last digits; a threshold among them would mean nothing.
        rounding = self.bins * float(np.spacing(max(abs(low), abs(high)))) if array.dtype.kind == "f" else 0.0
        if float(high) - float(low) <= rounding:
            raise InputError(
                f"The image is constant ({low:g}) where it is looked at; it has no threshold.", role="image"
            )
        progress.report(0.1, "Histogram")
        counts, edges = histogram(considered, float(low), float(high), self.bins)
        threshold = otsu(counts, edges)
        progress.report(0.6, "Threshold")
        chosen = array > threshold if self.side == "bright" else array <= threshold
        if inside is not None:
            chosen &= inside
        count = int(np.count_nonzero(chosen))
        segmented = image_like(chosen.view(np.uint8), image)
        row = {
            "segment": self.segment,
            "method": self.method,
            "threshold": threshold,
            "voxels": count,
            "volume_ml": count * Grid.of(image).voxel_volume_mm3 / 1000 if image.GetDimension() == 3 else float("nan"),
            "fraction": count / considered.size,
            "mean": float(array[chosen].mean(dtype=np.float64)),
            "status": "" if image.GetDimension() == 3 else "no_volume_in_2d",
        }
        return Thresholded(Labels.from_masks([(self.segment, segmented)]), Measurements(COLUMNS, (row,)))


def histogram(values: np.ndarray, low: float, high: float, bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Counts (bins,) int64 and edges (bins + 1,) of equal bins from `low` to `high`, both inclusive.

    16-bit integers are counted by value first, which is exact and many times faster.
    """
    if values.dtype.kind in "iu" and values.dtype.itemsize <= 2:
        start = int(low)
        # One widening per block: the difference of two int16 does not fit in int16.
        flat = values.ravel()
        by_value = np.zeros(int(high) - start + 1, np.int64)
        for block in range(0, flat.size, 1 << 22):
            by_value += np.bincount(flat[block : block + (1 << 22)].astype(np.int32) - start, minlength=by_value.size)
        return np.histogram(np.arange(start, int(high) + 1), bins=bins, range=(low, high), weights=by_value)[0].astype(
            np.int64
        ), np.linspace(low, high, bins + 1)
    return np.histogram(values, bins=bins, range=(low, high))[0].astype(np.int64), np.linspace(low, high, bins + 1)


def otsu(counts: np.ndarray, edges: np.ndarray) -> float:
    """The edge between two bins that maximises the variance between classes (Otsu 1979).

    Several edges can be equally good when bins between the classes are empty; the middle one is taken.
    """
    centres = (edges[:-1] + edges[1:]) / 2
    weight = np.cumsum(counts, dtype=np.float64)[:-1]
    moment = np.cumsum(counts * centres)[:-1]
    total, total_moment = float(counts.sum()), float((counts * centres).sum())
    rest = total - weight
    valid = (weight > 0) & (rest > 0)
    between = np.zeros_like(weight)
    difference = moment[valid] / weight[valid] - (total_moment - moment[valid]) / rest[valid]
    between[valid] = weight[valid] * rest[valid] * difference**2
    best = np.flatnonzero(between >= between.max() * (1 - 1e-12))
    return float(edges[1:-1][best[(len(best) - 1) // 2]])
