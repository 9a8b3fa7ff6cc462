"""How well two segmentations agree, segment by segment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import SimpleITK as sitk

from ..operation import Operation
from ..parameters import Quantity
from ..progress import SILENT, Progress
from ..values import Column, Labels, Measurements
from . import overlap
from .pairing import CommonGrid, Pair, pair_by_name

COLUMNS = (
    Column("segment", "Segment", "", "Name of the segment in the reference, else in the test", str),
    *overlap.COLUMNS,
    Column(
        "resampled",
        "Resampled",
        "",
        "1 when the two were on different grids and compared on the extended reference grid",
        int,
    ),
    Column("status", "Status", "", "Why a number is missing", str),
)


@dataclass(frozen=True)
class CompareSegmentations(Operation):
    """Compare a test segmentation with a reference, segment by segment.

    Gives overlap, rates and volumes of each pair of segments of the same name (a single one on each
    side is compared whatever its name). A segment that only one side has is compared with an empty one.
    Segmentations on different grids are compared on the reference lattice extended until it covers both,
    so that what lies outside the reference image counts as well. Undefined numbers are empty with a status.

    Inputs
    ------
    reference
        What is taken as the truth.
    test
        What is judged.

    Outputs
    -------
    table
        One row per segment.

    Parameters
    ----------
    empty_score
        Score for Dice, Jaccard, volume similarity and kappa when both are empty; undefined if not set.
    """

    name: ClassVar[str] = "compare_segmentations"
    title: ClassVar[str] = "Compare segmentations"
    group: ClassVar[str] = "Agreement"
    memory_factor: ClassVar[float] = 2.0
    presets: ClassVar = {"Empty pair counts as perfect": {"empty_score": 1.0}}

    empty_score: Annotated[float | None, Quantity("", low=0.0, high=1.0)] = None

    def run(self, reference: Labels, test: Labels, *, progress: Progress = SILENT) -> Measurements:
        common = CommonGrid(reference, test, progress)
        pairs = pair_by_name(reference, test) or [Pair("", None, None)]
        rows = []
        for number, pair in enumerate(pairs):
            progress.report(number / len(pairs), f"Comparing {pair.name}")
            left, right = common.masks(pair)
            counts = overlap.count(sitk.GetArrayViewFromImage(left) != 0, sitk.GetArrayViewFromImage(right) != 0)
            numbers = overlap.overlap(counts, common.grid.voxel_volume_mm3, self.empty_score)
            rows.append(
                {"segment": pair.name, **numbers, "resampled": int(common.resampled), "status": overlap.status(counts)}
            )
        return Measurements(COLUMNS, tuple(rows))
