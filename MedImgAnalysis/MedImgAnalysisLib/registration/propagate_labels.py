"""Segments of an atlas or an earlier study on a new image."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
import SimpleITK as sitk

from ..operation import Operation
from ..parameters import Choice
from ..progress import SILENT, Progress
from ..values import Column, Image, Labels, Measurements, Transform
from .moved_labels import moved
from .warping import at_the_border


class Propagated(NamedTuple):
    labels: Labels
    table: Measurements


@dataclass(frozen=True)
class PropagateLabels(Operation):
    """Carry the segments of an atlas, or of an earlier study, over to a patient.

    Register first, with the patient as fixed and the atlas as moving image; its transform takes the segments of the
    atlas to the grid of the patient. Names, colours, tags and overlaps stay. The table tells the volume of each
    segment before and after: a ratio far from the others, a segment that is gone or cut at the border deserves a look.

    Inputs
    ------
    labels
        Segments of the moving image (atlas, earlier study).
    transform
        Maps points of the fixed image (patient) to the moving image (atlas), LPS millimetres.
    reference
        The fixed image (patient), whose grid the result gets.

    Outputs
    -------
    labels
        The same segments in the fixed image.
    table
        One row per segment: volumes before and after.

    Parameters
    ----------
    interpolation
        Linear gives each voxel to the segment with the largest interpolated share, which keeps surfaces smooth and
        thin structures connected; nearest takes the nearest voxel and is faster with many segments.
    """

    name: ClassVar[str] = "propagate_labels"
    title: ClassVar[str] = "Propagate segments"
    group: ClassVar[str] = "Apply"
    vector: ClassVar[bool] = True
    finite_only: ClassVar[bool] = False
    memory_factor: ClassVar[float] = 10.0

    interpolation: Annotated[str, Choice("linear", "nearest")] = "linear"

    def run(self, labels: Labels, transform: Transform, reference: Image, *, progress: Progress = SILENT) -> Propagated:
        progress.report(0.0, "Checking")
        result = moved(labels, transform, reference, self.interpolation == "linear", progress.part(0.0, 0.8))
        progress.report(0.8, "Volumes")
        table = _volumes(labels, result, progress)
        progress.report(1.0)
        return Propagated(result, table)


def _volumes(before: Labels, after: Labels, progress: Progress) -> Measurements:
    size, unit = (1e-3, "ml") if before.grid.dimension == 3 else (1.0, "mm2")
    word = "Volume" if unit == "ml" else "Area"
    key = word.lower()
    columns = (
        Column("segment", "Segment", "", "Name of the segment", str),
        Column(f"{key}_before_{unit}", f"{word} before", unit, f"{word} of its voxels in the moving image"),
        Column(f"{key}_after_{unit}", f"{word} after", unit, f"{word} of its voxels in the fixed image"),
        Column(f"{key}_ratio", "After / before", "", "1 where the transform keeps volume"),
        Column(
            "at_border", "At the border", "", "1 when it touches the border of the fixed grid: part may be cut", int
        ),
        Column("status", "Status", "", "Why a number is missing", str),
    )
    old, new = _sizes(before, progress), _sizes(after, progress)
    touching = set(at_the_border(after))
    rows: list[dict[str, Any]] = []
    for segment in before.segments:
        first, last = old[segment.id] * size, new[segment.id] * size
        rows.append({
            "segment": segment.name,
            f"{key}_before_{unit}": first,
            f"{key}_after_{unit}": last,
            f"{key}_ratio": last / first if first else math.nan,
            "at_border": int(segment.name in touching),
            "status": "" if first else "empty_before",
        })  # fmt: skip
    gone = [segment.name for segment in before.segments if old[segment.id] and not new[segment.id]]
    if gone:
        progress.warn(f"Nothing is left of these segments in the fixed image: {', '.join(gone[:10])}.")
    if touching:
        progress.warn(
            f"These segments reach the border of the fixed image, a part may be cut off: "
            f"{', '.join(sorted(touching)[:10])}."
        )
    return Measurements(columns, tuple(rows))


def _sizes(labels: Labels, progress: Progress) -> dict[str, float]:
    """Volume in mm3 (area in mm2) of the voxels of each segment, by id."""
    found = {}
    for number, layer in enumerate(labels.layers):
        progress.check()
        values, counts = np.unique(sitk.GetArrayViewFromImage(layer), return_counts=True)
        known = dict(zip(values.tolist(), counts.tolist()))
        for segment in labels.segments:
            if segment.layer == number:
                found[segment.id] = known.get(segment.value, 0) * labels.grid.voxel_volume_mm3
    return found
