"""Overlap of fixed segments and moving segments that a transform brings to them."""

from __future__ import annotations

import math

import numpy as np
import SimpleITK as sitk

from ..agreement import segment_pair
from ..agreement.common_grid import CommonGrid
from ..agreement.pairing import pairs_of
from ..progress import Progress
from ..quality.findings import Findings
from ..values import Column, Labels, Measurements
from .warping import at_the_border, warped_labels

FIRST = (
    Column("segment", "Segment", "", "Name of the fixed segment", str),
    Column("moving_segment", "Moving segment", "", "Name of its partner", str),
    Column("dice_before", "Dice before", "", "Dice without the transform, on the fixed grid"),
)
LAST = (Column("status", "Status", "", "Why a number is missing", str),)
SURFACES = segment_pair.Wanted(conventions=("surfel",))
OVERLAP = segment_pair.Wanted(conventions=())


def segments_after(transform: sitk.Transform, fixed: Labels, moving: Labels, progress: Progress) -> Measurements:
    """One row per pair of fixed and warped moving segments.

    The moving segments are taken to the grid of the fixed ones by nearest neighbour, with and without the transform;
    then Dice, the other numbers of the overlap and the distances of the surfaces (surfel) are those of
    `compare_segmentations`. A warning names segments that reach the border of the fixed grid.
    """
    identity = sitk.Transform(transform.GetDimension(), sitk.sitkIdentity)
    rows, before = [], {}
    flat = False
    for number, (way, wanted) in enumerate(((identity, OVERLAP), (transform, SURFACES))):
        part = progress.part(number / 2, (number + 1) / 2)
        warped = warped_labels(moving, way, fixed.grid, part.part(0.0, 0.5))
        common = CommonGrid((fixed, warped), progress, ("fixed_labels", "moving_labels"))
        flat = common.flat_axis(wanted.one_slice_is_flat) is not None
        for pair in pairs_of(common, "name", progress):
            _, row = segment_pair.measure(common, pair, wanted, (None, None), part.part(0.5, 0.5))
            if number == 0:
                before[pair.name] = row["dice"]
                continue
            partner = pair.test.name if pair.test is not None else ""
            rows.append({"segment": pair.name, "moving_segment": partner, "dice_before": before[pair.name], **row})
            if math.isnan(before[pair.name]) and not row["status"]:
                rows[-1]["status"] = "prediction_empty (dice_before)"
        if number == 1 and (cut := at_the_border(warped)):
            progress.warn(
                f"These warped segments reach the border of the fixed grid, what lies beyond is not compared: "
                f"{', '.join(cut[:10])}."
            )
    return Measurements((*FIRST, *segment_pair.columns(SURFACES, flat), *LAST), tuple(rows))


def put_segments(found: Findings, segments: Measurements) -> None:
    """Mean and worst of the segments; those without a Dice are counted and left out."""
    known = [float(v) for v in segments.column("dice") if not math.isnan(v)]
    before = [float(v) for v in segments.column("dice_before") if not math.isnan(v)]
    distances = [float(v) for v in segments.column("surfel_assd") if v is not None and not math.isnan(v)]
    found.values["n_segments"] = len(segments.rows)
    found.values["n_segments_undefined"] = len(segments.rows) - len(known)
    found.put("dice_before_mean", float(np.mean(before)) if before else math.nan, "empty_segments")
    found.put("dice_mean", float(np.mean(known)) if known else math.nan, "empty_segments")
    found.put("dice_min", min(known, default=math.nan), "empty_segments")
    found.put("mean_distance_mean_mm", float(np.mean(distances)) if distances else math.nan, "empty_segments")
    found.put("mean_distance_max_mm", max(distances, default=math.nan), "empty_segments")
