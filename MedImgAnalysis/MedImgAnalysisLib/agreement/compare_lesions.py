"""Which lesions were found, and how well each was outlined."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np

from ..boxes import Box, join
from ..errors import InputError, ParameterError
from ..geometry import image_like
from ..operation import Operation
from ..parameters import Choice, Quantity
from ..progress import SILENT, Progress
from ..values import Color, Column, Labels, Measurements, Segment
from . import lesion_scores, surface
from .common_grid import CommonGrid
from .instances import Instances, Overlaps, components, iou_of, matched, one_per_segment, overlaps
from .scan import Mask, scan

LESIONS = (
    Column("lesion", "Lesion", "", "Side and number of the lesion", str),
    Column("side", "Side", "", "reference or test", str),
    Column("number", "Number", "", "Number of the lesion on its side, from 1", int),
    Column("volume_mm3", "Volume", "mm3", "Voxels times the volume of a voxel"),
    Column("centre_l_mm", "Centre L", "mm", "Mean voxel centre, LPS first coordinate", position="L"),
    Column("centre_p_mm", "Centre P", "mm", "Mean voxel centre, LPS second coordinate", position="P"),
    Column("centre_s_mm", "Centre S", "mm", "Mean voxel centre, LPS third coordinate", position="S"),
    Column("found", "Found", "", "1 when the other side hits it", int),
    Column("covered", "Covered", "", "Part of its voxels that the other side has"),
    Column("match", "Match", "", "Number of its one-to-one partner on the other side", int),
    Column("iou", "IoU", "", "Intersection over union with the partner"),
    Column("dice", "Dice", "", "Dice with the partner"),
    Column("surfel_hd", "Hausdorff distance", "mm", "Largest surface distance to the partner"),
    Column("surfel_hd95", "HD95", "mm", "Larger of the two 95th percentiles of surface distance"),
    Column("surfel_assd", "ASSD", "mm", "Average symmetric surface distance to the partner"),
    Column("status", "Status", "", "Why a number is missing", str),
)
DISTANCES = ("surfel_hd", "surfel_hd95", "surfel_assd")
MARKS: dict[str, Color] = {
    "detected": (0.0, 0.62, 0.45),
    "missed": (0.0, 0.45, 0.70),
    "false positive": (0.84, 0.37, 0.0),
}


class LesionComparison(NamedTuple):
    """Outputs of `compare_lesions` by role."""

    table: Measurements
    summary: Measurements
    lesions: Labels | None


@dataclass(frozen=True)
class CompareLesions(Operation):
    """Compare lesions one by one: which were found, and how well each was outlined.

    Both segmentations are split into objects. Two ways of counting are given and never mixed:

    Any overlap: a reference lesion is detected when the test hits it, a test lesion is right when it touches a
    reference lesion; sensitivity, PPV and their harmonic mean F1. One large test lesion may detect several.

    One to one: pairs with enough intersection over union (IoU), each lesion once, with the largest sum of IoU
    (Hungarian method): TP, FP, FN, F1 (recognition quality), mean IoU of the matches (segmentation quality)
    and panoptic quality = sum of IoU / (TP + FP / 2 + FN / 2) (Kirillov 2019). Unmatched lesions count as 0 in
    the mean lesion Dice. Definitions follow Metrics Reloaded (Maier-Hein 2024).

    Inputs
    ------
    reference
        What is taken as the truth; all its segments together.
    test
        What is judged; all its segments together.

    Outputs
    -------
    table
        One row per lesion of the reference, then per lesion of the test.
    summary
        One row per IoU threshold.
    lesions
        Segments of detected, missed and false lesions, where asked for.

    Parameters
    ----------
    objects
        Whether lesions are connected components, or every segment is one lesion already.
    connectivity
        Whether voxels that touch at a corner belong to one lesion (26 neighbours, 8 in 2-D) or only those that
        share a face (6, 4 in 2-D).
    min_volume_mm3
        Lesions smaller than this are left out on both sides.
    min_covered
        Part of a lesion that the other side must cover to count as found; 0 for a single voxel.
    iou_thresholds
        IoU that a one-to-one match needs: above it from 0.5 on, else at least. Matches and distances in the table
        are those of the first one.
    distances
        Measure the surface distances of matched lesions.
    mark_lesions
        Make segments of the detected, missed and false lesions.
    """

    name: ClassVar[str] = "compare_lesions"
    title: ClassVar[str] = "Compare lesions"
    group: ClassVar[str] = "Agreement"
    memory_factor: ClassVar[float] = 3.0
    presets: ClassVar = {"Detection of MS lesions": {"min_volume_mm3": 3.0, "iou_thresholds": (0.1, 0.5)}}

    objects: Annotated[str, Choice("components", "segments")] = "components"
    connectivity: Annotated[str, Choice("corners", "faces")] = "corners"
    min_volume_mm3: Annotated[float, Quantity("mm3", low=0.0, high=1e9)] = 0.0
    min_covered: Annotated[float, Quantity("", low=0.0, high=1.0)] = 0.0
    iou_thresholds: Annotated[tuple[float, ...], Quantity("", low=0.0, high=1.0)] = (0.5,)
    distances: bool = True
    mark_lesions: bool = False

    def check(self) -> None:
        """Refuse a missing threshold."""
        if not self.iou_thresholds:
            raise ParameterError(
                f"{self.name}: iou_thresholds is empty; give at least one number.",
                operation=self.name,
                field="iou_thresholds",
                value="()",
            )

    def run(self, reference: Labels, test: Labels, *, progress: Progress = SILENT) -> LesionComparison:
        common = CommonGrid((reference, test), progress, ("reference", "test"))
        box = join(*(own for side in common.sides for own in side.boxes.values()))
        if box is None:
            box = (slice(0, 1), slice(0, 1), slice(0, 1))
        progress.report(0.05, "Finding lesions")
        sides = [self._objects(common, number, box, progress) for number in (0, 1)]
        found = overlaps(*sides)
        iou = iou_of(found, *sides)
        covered = [_covered(found, sides, number) for number in (0, 1)]
        hit = [(part > 0) & (part >= self.min_covered) for part in covered]
        chosen = [matched(found, iou, threshold) for threshold in self.iou_thresholds]
        rows = _rows(common, box, sides, covered, hit)
        self._add_matches(rows, common, box, sides, found, iou, chosen[0], progress.part(0.2, 1.0))
        neighbours = {2: (8, 4), 3: (26, 6)}[common.grid.dimension][self.connectivity == "faces"]
        summary = []
        for threshold, at in zip(self.iou_thresholds, chosen):
            row = lesion_scores.scores(
                (sides[0].count, sides[1].count),
                int(hit[0].sum()),
                int(hit[1].sum()),
                iou[at].tolist(),
                (2 * iou[at] / (1 + iou[at])).tolist(),
            )
            joined = neighbours if self.objects == "components" else None
            summary.append({"iou_threshold": threshold, "connectivity": joined, **row})
        for word in dict.fromkeys(row["status"] for row in summary if row["status"]):
            progress.warn(lesion_scores.SENTENCES[word])
        return LesionComparison(
            Measurements(LESIONS, tuple(rows)),
            Measurements(lesion_scores.COLUMNS, tuple(summary)),
            _marked(common, box, sides, hit) if self.mark_lesions else None,
        )

    def _objects(self, common: CommonGrid, number: int, box: Box, progress: Progress) -> Instances:
        side = common.sides[number]
        smallest = self.min_volume_mm3 / common.grid.voxel_volume_mm3 - 1e-9
        segments = [segment for segment in side.labels.segments if side.box(segment) is not None]
        if self.objects == "segments":
            return one_per_segment(side, segments, box, smallest, progress)
        return components(side, segments, box, self.connectivity == "corners", smallest, progress)

    def _add_matches(
        self,
        rows: list[dict[str, Any]],
        common: CommonGrid,
        box: Box,
        sides: list[Instances],
        found: Overlaps,
        iou: np.ndarray,
        chosen: list[int],
        progress: Progress,
    ) -> None:
        """Fill in partners, IoU, Dice and distances; the rows of a pair get the same numbers."""
        for step, at in enumerate(chosen):
            progress.report(step / len(chosen), "Comparing lesions")
            r, t = int(found.reference[at]), int(found.test[at])
            numbers: dict[str, Any] = {"iou": float(iou[at]), "dice": float(2 * iou[at] / (1 + iou[at])), "status": ""}
            if self.distances:
                numbers |= _distances(common, sides, r, t, progress.part(step / len(chosen), (step + 1) / len(chosen)))
            rows[r - 1] |= numbers | {"match": t}
            rows[sides[0].count + t - 1] |= numbers | {"match": r}


def _covered(found: Overlaps, sides: list[Instances], number: int) -> np.ndarray:
    """Part of each object of a side that the objects of the other side cover."""
    at = (found.reference, found.test)[number] - 1
    shared = np.bincount(at, weights=found.voxels, minlength=sides[number].count)
    return shared / sides[number].voxels


def _rows(
    common: CommonGrid, box: Box, sides: list[Instances], covered: list[np.ndarray], hit: list[np.ndarray]
) -> list[dict[str, Any]]:
    rows = []
    corner = np.array([axis.start for axis in box], float)
    for number, (name, side) in enumerate(zip(("reference", "test"), sides)):
        for lesion in range(1, side.count + 1):
            index = (side.centre(lesion) + corner)[::-1][: common.grid.dimension]
            place = common.grid.to_physical(index[None])[0].tolist()
            row: dict[str, Any] = {
                "lesion": f"{name} {lesion}",
                "side": name,
                "number": lesion,
                "volume_mm3": float(side.voxels[lesion - 1] * common.grid.voxel_volume_mm3),
                **dict(zip(("centre_l_mm", "centre_p_mm", "centre_s_mm"), place)),
                "found": int(hit[number][lesion - 1]),
                "covered": float(covered[number][lesion - 1]),
                "status": "no_match",
            }
            rows.append(row | dict.fromkeys(("iou", "dice"), math.nan))
    return rows


def _distances(common: CommonGrid, sides: list[Instances], r: int, t: int, progress: Progress) -> dict[str, float]:
    box = join(sides[0].boxes[r], sides[1].boxes[t])
    if box is None:
        raise InputError("A lesion without voxels cannot be compared.")
    masks = [Mask(side.array, number) for side, number in zip(sides, (r, t))]
    flat = common.flat_axis(True)
    elements = scan(masks, box, ("surfel",), common.spacing, flat, progress).elements["surfel"]
    numbers = surface.surface("surfel", elements, (), progress)
    return {key: numbers[key] for key in DISTANCES}


def _marked(common: CommonGrid, box: Box, sides: list[Instances], hit: list[np.ndarray]) -> Labels:
    """Detected and missed reference lesions in one layer, false test lesions in another."""
    flat = common.grid.dimension == 2
    layers = []
    for side, values in ((0, (2, 1)), (1, (3, 0))):
        table = np.concatenate([[0], np.where(hit[side], values[1], values[0])]).astype(np.uint8)
        layer = np.zeros(common.shape, np.uint8)
        layer[box] = table[sides[side].array]
        layers.append(image_like(layer[0] if flat else layer, common.grid))
    segments = [
        Segment(f"Segment_{n}", f"Lesions {kind}", color, int(n == 3), n)
        for n, (kind, color) in enumerate(MARKS.items(), start=1)
    ]
    return Labels(tuple(layers), tuple(segments))
