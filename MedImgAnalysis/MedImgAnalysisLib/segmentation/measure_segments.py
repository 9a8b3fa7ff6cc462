"""Numbers of each segment: size, shape, place and intensity."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import SimpleITK as sitk

from ..boxes import boxes_of
from ..errors import InputError
from ..geometry import Grid
from ..operation import Operation
from ..parameters import Quantity
from ..progress import SILENT, Progress
from ..resampling import on_grid
from ..values import Column, Image, Labels, Measurements, Segment
from .intensities import intensities_of
from .one_pass import shapes_of
from .outcome import SEGMENT
from .segment_shape import numbers_of

SIZE = (
    Column("voxels", "Voxels", "", "Voxels in the segment", int),
    Column("volume_ml", "Volume", "ml", "Voxels times the volume of a voxel"),
    Column("area_mm2", "Area", "mm2", "Of a 2-D segment: pixels times the area of a pixel"),
    Column("surface_mm2", "Surface area", "mm2", "A, area of the mesh by marching cubes at one half"),
    Column("sphericity", "Sphericity", "", "(36 pi V^2)^(1/3) / A with the volume V of the mesh; 1 for a ball"),
    Column("max_diameter_mm", "Maximum diameter", "mm", "Largest distance of two points of the mesh, in any direction"),
    Column("elongation", "Elongation", "", "sqrt(lambda_2 / lambda_1) of the voxel centres; 1 where both are equal"),
    Column("flatness", "Flatness", "", "sqrt(lambda_3 / lambda_1) of the voxel centres"),
    Column("l_mm", "L", "mm", "Centroid, LPS", float, "L"),
    Column("p_mm", "P", "mm", "Centroid, LPS", float, "P"),
    Column("s_mm", "S", "mm", "Centroid, LPS", float, "S"),
)
INTENSITY = (
    Column("mean", "Mean", "", "Mean intensity"),
    Column("sd", "SD", "", "Standard deviation of the intensity (n - 1)"),
    Column("min", "Minimum", "", "Smallest intensity"),
    Column("max", "Maximum", "", "Largest intensity"),
)
STATUS = Column(
    "status", "Status", "", "Why a number is missing; touches_border where the segment may go on beyond the image", str
)
SENTENCES = {
    "empty_region": "the segment has no voxel, so nothing is measured.",
    "single_voxel": "the segment has a single voxel, so its spread is undefined.",
    "nothing_in_image": "no voxel of the image lies in the segment, so its intensity is undefined.",
}
BORDER = "touches_border"
ONLY_3D = ("volume_ml", "surface_mm2", "sphericity", "flatness", "s_mm")


@dataclass(frozen=True)
class MeasureSegments(Operation):
    """Measure volume, surface, diameter, shape, place and intensity of every segment.

    All segments of a layer in one pass. Lengths are those of the grid, oblique or anisotropic; volume, sphericity,
    diameter, elongation and flatness are defined as in `measure_features` (IBSI), which has many more. Segments may
    overlap. A segment that reaches the border of the image has the status `touches_border`: its size is that of the
    part that is in the image.

    Inputs
    ------
    labels
        Segments.
    image
        Image to take intensities from; segments on another grid are resampled to it for that (nearest neighbour).

    Outputs
    -------
    table
        One row per segment.

    Parameters
    ----------
    percentiles
        Percentiles of the intensity, linear between neighbouring ranks.
    """

    name: ClassVar[str] = "measure_segments"
    title: ClassVar[str] = "Measure segments"
    group: ClassVar[str] = "Measure"
    memory_factor: ClassVar[float] = 4.0
    presets: ClassVar = {"Median and quartiles": {"percentiles": (25.0, 50.0, 75.0)}}

    percentiles: Annotated[tuple[float, ...], Quantity("%", low=0.0, high=100.0)] = (5.0, 50.0, 95.0)

    def run(self, labels: Labels, image: Image | None = None, *, progress: Progress = SILENT) -> Measurements:
        if not labels.segments:
            raise InputError("The segmentation has no segments to measure.", role="labels")
        if image is not None and image.GetDimension() != labels.grid.dimension:
            raise InputError("One of segmentation and image is 2-D and the other 3-D.", role="image")
        columns = self.columns(labels.grid.dimension == 2, image is not None)
        rows: dict[str, dict[str, Any]] = {segment.id: {} for segment in labels.segments}
        layers = sorted({segment.layer for segment in labels.segments})
        for number, layer in enumerate(layers):
            here = [segment for segment in labels.segments if segment.layer == layer]
            part = progress.part(number / len(layers), (number + 1) / len(layers))
            half = 1.0 if image is None else 0.5
            for segment, numbers in zip(here, self._shapes(labels, layer, here, part.part(0.0, half))):
                rows[segment.id] |= numbers
            if image is not None:
                found = self._intensities(labels, layer, here, image, part.part(half, 1.0))
                for segment, values in zip(here, found):
                    rows[segment.id] |= values
        made = tuple(_with_status(rows[segment.id], segment, columns) for segment in labels.segments)
        _tell(made, progress)
        progress.report(1.0)
        return Measurements(columns, made)

    def columns(self, flat: bool, intensity: bool) -> tuple[Column, ...]:
        """The columns of the table, those of 2-D where `flat`, with intensities where there is an image."""
        size = tuple(c for c in SIZE if (c.key not in ONLY_3D if flat else c.key != "area_mm2"))
        percentiles = [
            Column(f"p{p:g}", f"Percentile {p:g}", "", f"{p:g} % of the voxels are at most so bright")
            for p in dict.fromkeys(self.percentiles)
        ]
        return (SEGMENT, *size, *((*INTENSITY, *percentiles) if intensity else ()), STATUS)

    def _shapes(self, labels: Labels, layer: int, here: list[Segment], progress: Progress) -> list[dict[str, Any]]:
        image = labels.layers[layer]
        array = sitk.GetArrayViewFromImage(image)
        array = array[None] if array.ndim == 2 else array
        k, j, i = (*labels.grid.spacing, 1.0)[:3][::-1]
        values = [segment.value for segment in here]
        shapes = shapes_of(array, values, (k, j, i), progress.part(0.0, 0.7))
        boxes = boxes_of(array, values, progress)
        rows = []
        for number, value in enumerate(values):
            progress.report(0.7 + 0.3 * number / len(values), "Measuring shapes")
            row = numbers_of(shapes, number, labels.grid, progress)
            box = boxes.get(value)
            row["border"] = box is not None and any(
                n > 1 and (axis.start == 0 or axis.stop == n) for axis, n in zip(box, array.shape)
            )
            rows.append(row)
        return rows

    def _intensities(
        self, labels: Labels, layer: int, here: list[Segment], image: sitk.Image, progress: Progress
    ) -> list[dict[str, float]]:
        moved = on_grid(labels.layers[layer], Grid.of(image), labels=True, what="segmentation", progress=progress)
        array, marks = sitk.GetArrayViewFromImage(image), sitk.GetArrayViewFromImage(moved)
        percent = tuple(dict.fromkeys(self.percentiles))
        found = intensities_of(array, marks, [segment.value for segment in here], percent, progress)
        keys = ("mean", "sd", "min", "max", *(f"p{p:g}" for p in percent))
        return [dict(zip(keys, numbers)) for numbers in found]


def _with_status(row: dict[str, Any], segment: Segment, columns: tuple[Column, ...]) -> dict[str, Any]:
    """The row with all columns, and the reasons of what is missing."""
    border = row.pop("border")
    full: dict[str, Any] = {"segment": segment.name} | {c.key: row.get(c.key, math.nan) for c in columns[1:-1]}
    words = []
    if not full["voxels"]:
        words.append("empty_region")
    else:
        words += ["single_voxel"] if full["voxels"] == 1 else []
        words += ["nothing_in_image"] if "mean" in full and math.isnan(full["mean"]) else []
        words += [BORDER] if border else []
    return full | {"status": " ".join(words)}


def _tell(rows: tuple[dict[str, Any], ...], progress: Progress) -> None:
    """Say what is undefined, and which segments the image cuts."""
    for row in rows:
        for word in str(row["status"]).split():
            if word in SENTENCES:
                progress.warn(f"{row['segment']}: {SENTENCES[word]}")
    cut = [row["segment"] for row in rows if BORDER in str(row["status"]).split()]
    if cut:
        progress.warn(f"{', '.join(cut)}: cut by the border of the image; the size is that of the part inside.")
