"""Regions that meet at ridges: from markers or from the basins of the image itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..geometry import Grid, image_like
from ..operation import Operation
from ..parameters import Choice, Quantity
from ..progress import SILENT, Progress, waited
from ..values import Image, Labels, Mask, Measurements
from .marked import marked
from .outcome import SEGMENT, SIZE_COLUMNS, cells_by_number
from .speed import slopes
from .working_values import centred

MOST_REGIONS = 1000
HIGHEST = 65535


class Flooded(NamedTuple):
    labels: Labels
    table: Measurements


COLUMNS = (SEGMENT, *SIZE_COLUMNS)


@dataclass(frozen=True)
class Watershed(Operation):
    """Part the image at ridges, as water from markers or basins would meet.

    With `markers` (painted parts of each structure and of what is around) each voxel goes to the marker whose water
    reaches it first: quick, and exact on clear edges. Without, every basin deeper than `depth` becomes a region. The
    landscape is the slope of the smoothed image, or the image itself, in 65536 heights. Beucher and Meyer (1993).

    Inputs
    ------
    image
        Image with one number per voxel.
    markers
        Segmentation with a painted part of each structure.
    mask
        Where the regions may be.

    Outputs
    -------
    labels
        A segment for each marker or basin.
    table
        Voxels, volume and intensity of each.

    Parameters
    ----------
    landscape
        What is flooded: the slope (regions are even, edges are ridges), the image (regions are dark), or the inverted
        image (regions are bright).
    sigma_mm
        Gaussian that smooths the image before its slope is taken; 0 for none.
    depth
        Without markers: basins less deep than this part of the range of the landscape join their neighbour.
    smallest_ml
        Without markers: smaller regions are left out.
    """

    name: ClassVar[str] = "watershed"
    title: ClassVar[str] = "Watershed"
    group: ClassVar[str] = "Regions"
    memory_factor: ClassVar[float] = 10.0
    why_whole: ClassVar[str] = "basins flood in three dimensions"

    landscape: Annotated[str, Choice("slope", "image", "inverted image")] = "slope"
    sigma_mm: Annotated[float, Quantity("mm", low=0.0, high=50.0)] = 1.0
    depth: Annotated[float, Quantity("", low=0.0, high=1.0)] = 0.1
    smallest_ml: Annotated[float, Quantity("ml", low=0.0)] = 0.0

    def run(
        self, image: Image, markers: Labels | None = None, mask: Mask | None = None, *, progress: Progress = SILENT
    ) -> Flooded:
        land = self._landscape(image, progress.part(0.0, 0.3))
        if markers is not None:
            given = marked(markers, image, 2, progress)
            seeds = image_like(given.numbers, image)
            flooded = waited(_from_markers, land, seeds, progress=progress)
            numbers = sitk.GetArrayFromImage(flooded).astype(np.int32)
            if mask is not None:
                numbers[sitk.GetArrayViewFromImage(mask) == 0] = 0
            labels = given.labels(numbers, image)
        else:
            values = sitk.GetArrayViewFromImage(land)
            level = self.depth * float(values.max() - values.min())
            flooded = waited(_basins, land, level, progress=progress)
            labels = self._regions(sitk.GetArrayFromImage(flooded), image, mask, progress)
        layer = sitk.GetArrayViewFromImage(labels.layers[0])
        cells = cells_by_number(layer, len(labels.segments), image, progress.part(0.8, 1.0))
        rows = [{"segment": one.name} | own for one, own in zip(labels.segments, cells, strict=True)]
        return Flooded(labels, Measurements(COLUMNS, tuple(rows)))

    def _landscape(self, image: sitk.Image, progress: Progress) -> sitk.Image:
        array = sitk.GetArrayViewFromImage(image)
        if array.min() == array.max():
            raise InputError(f"The image is constant ({array.min():g}); it has no ridges.", role="image")
        values = slopes(image, self.sigma_mm, progress) if self.landscape == "slope" else centred(array)[0]
        return image_like(_heights(values, turned=self.landscape == "inverted image"), image)

    def _regions(self, numbers: np.ndarray, image: sitk.Image, mask: sitk.Image | None, progress: Progress) -> Labels:
        if mask is not None:
            numbers[sitk.GetArrayViewFromImage(mask) == 0] = 0
        sizes = np.bincount(numbers.ravel())
        sizes[0] = 0
        least = self.smallest_ml * 1000 / Grid.of(image).voxel_volume_mm3
        order = [int(n) for n in np.argsort(-sizes, kind="stable") if sizes[n] > 0 and sizes[n] >= least]
        if not order:
            raise InputError("No region is as large as smallest_ml; lower it.", role="image")
        if len(order) > MOST_REGIONS:
            raise InputError(
                f"There are {len(order):,} regions; more than {MOST_REGIONS:,} are no segments any more. Raise depth, "
                "sigma_mm or smallest_ml, or use slic.",
                role="image",
            )
        table = np.zeros(len(sizes), np.uint16)
        table[order] = np.arange(1, len(order) + 1)
        progress.report(0.7, "Regions")
        layer = image_like(table[numbers], image)
        return Labels.from_labelmap(layer, {n: f"Region {n}" for n in range(1, len(order) + 1)})


def _heights(values: np.ndarray, turned: bool) -> np.ndarray:
    """Float values as uint16, the smallest 0 and the largest 65535; `turned` the other way round.

    ITK keeps a queue for every height that occurs: with as many heights as voxels it takes minutes and gigabytes.
    """
    low, high = float(values.min()), float(values.max())
    out = np.empty(values.shape, np.uint16)
    scale = np.float32(HIGHEST / (high - low)) if high > low else np.float32(0)
    for k in range(len(values)):
        level = (values[k] - np.float32(low)) * scale
        out[k] = np.rint(np.minimum(HIGHEST - level if turned else level, HIGHEST))
    return out


def _from_markers(land: sitk.Image, seeds: sitk.Image) -> sitk.Image:
    return sitk.MorphologicalWatershedFromMarkers(land, sitk.Cast(seeds, sitk.sitkUInt16), False, False)


def _basins(land: sitk.Image, level: float) -> sitk.Image:
    return sitk.MorphologicalWatershed(land, level, False, False)
