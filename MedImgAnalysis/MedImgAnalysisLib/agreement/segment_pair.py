"""Everything that is measured on one pair of segments."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..boxes import Box, join
from ..progress import Progress
from ..values import Column
from . import overlap, second_opinion, surface
from .common_grid import CommonGrid
from .overlap import Counts
from .pairing import Pair
from .scan import Mask, Scan, scan

POSITION = (
    Column("centroid_distance_mm", "Centroid distance", "mm", "Distance of the mean voxel centres of both masks"),
    Column("worst_slice_k", "Worst slice", "", "Slice along k with most voxels in exactly one mask, from 0", int),
    Column("worst_slice_errors", "Errors in worst slice", "", "False positive and false negative voxels there", int),
    Column(
        "worst_slice_l_mm",
        "Worst slice L",
        "mm",
        "Centre of the joint box in that slice, LPS first coordinate",
        position="L",
    ),
    Column(
        "worst_slice_p_mm",
        "Worst slice P",
        "mm",
        "Centre of the joint box in that slice, LPS second coordinate",
        position="P",
    ),
    Column(
        "worst_slice_s_mm",
        "Worst slice S",
        "mm",
        "Centre of the joint box in that slice, LPS third coordinate",
        position="S",
    ),
)
OUTSIDE = (
    Column("outside_test_mm3", "Outside the test image", "mm3", "Reference volume where the test image is not defined"),
    Column("outside_reference_mm3", "Outside the reference image", "mm3", "Test volume outside the reference image"),
    Column("resampled", "Resampled", "", "1 when the two were on different grids and met on an extended one", int),
)


@dataclass(frozen=True)
class Wanted:
    """What to measure."""

    conventions: tuple[str, ...] = surface.CONVENTIONS
    tolerances_mm: tuple[float, ...] = ()
    one_slice_is_flat: bool = True
    second_opinion: bool = False
    missing_is_diagonal: bool = False
    empty_score: float | None = None


def columns(wanted: Wanted, flat: bool) -> tuple[Column, ...]:
    """The columns of one row, without names and status; `flat` where surfaces are contours."""
    block = surface.columns(wanted.conventions, wanted.tolerances_mm, flat)
    checks = second_opinion.check_columns(block) if wanted.second_opinion else ()
    return (*overlap.COLUMNS, *block, *checks, *POSITION, *OUTSIDE)


def joint_box(common: CommonGrid, pair: Pair) -> Box | None:
    """The box around both segments, None when both are empty."""
    return join(common.sides[0].box(pair.reference), common.sides[1].box(pair.test))


def measure(
    common: CommonGrid, pair: Pair, wanted: Wanted, fields: tuple[Any, Any], progress: Progress
) -> tuple[Counts, dict[str, Any]]:
    """Counts and row of a pair.

    `fields` says where either side is defined on the common grid (boolean arrays, None for everywhere).
    """
    box = joint_box(common, pair)
    found = None
    counts = Counts(0, 0, 0, common.voxels)
    if box is not None:
        masks = [_mask(common, number, segment) for number, segment in enumerate((pair.reference, pair.test))]
        flat = common.flat_axis(wanted.one_slice_is_flat)
        found = scan(masks, box, wanted.conventions, common.spacing, flat, progress.part(0.0, 0.3))
        r, p = found.voxels
        counts = Counts(found.both, p - found.both, r - found.both, common.voxels - r - p + found.both)
    row: dict[str, Any] = overlap.overlap(counts, common.grid.voxel_volume_mm3, wanted.empty_score)
    row |= _surfaces(common, pair, box, found, wanted, progress.part(0.3, 1.0))
    row |= _position(common, box, found, counts)
    row |= _outside(common, pair, fields)
    row["status"] = overlap.status(counts)
    return counts, row


def _mask(common: CommonGrid, number: int, segment: Any) -> Mask:
    layers = common.sides[number].layers
    if segment is None:
        # A value that the type of the layer cannot hold: no voxel is equal to it.
        return Mask(layers[0], 1 << 70)
    return Mask(layers[segment.layer], segment.value)


def _surfaces(
    common: CommonGrid, pair: Pair, box: Box | None, found: Scan | None, wanted: Wanted, progress: Progress
) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for number, convention in enumerate(wanted.conventions):
        parts = len(wanted.conventions) * (1 + wanted.second_opinion)
        part = progress.part(number / parts, (number + 1) / parts)
        elements = found.elements[convention] if found is not None else None
        if found is not None and elements is not None and all(found.voxels):
            row |= surface.surface(convention, elements, wanted.tolerances_mm, part)
        else:
            row |= surface.undefined(convention, elements, wanted.tolerances_mm, _missing(common, wanted, found))
    if wanted.second_opinion:
        row |= _checked(common, pair, box, found, wanted, row, progress.part(0.5, 1.0))
    return row


def _missing(common: CommonGrid, wanted: Wanted, found: Scan | None) -> float:
    """What stands for a distance to nothing."""
    if not wanted.missing_is_diagonal or found is None:
        return math.nan
    return float(np.linalg.norm((np.array(common.grid.size)) * np.array(common.grid.spacing)))


def _checked(
    common: CommonGrid,
    pair: Pair,
    box: Box | None,
    found: Scan | None,
    wanted: Wanted,
    row: dict[str, Any],
    progress: Progress,
) -> dict[str, Any]:
    flat = common.flat_axis(wanted.one_slice_is_flat)
    block = surface.columns(wanted.conventions, wanted.tolerances_mm, flat is not None)
    if box is None or found is None or pair.reference is None or pair.test is None or not all(found.voxels):
        return {f"{column.key}_check": None for column in block}
    masks = [common.sides[0].inside(pair.reference, box), common.sides[1].inside(pair.test, box)]
    spacing = common.spacing
    if flat is not None:
        masks = [mask.squeeze(axis=flat) for mask in masks]
        spacing = tuple(s for axis, s in enumerate(spacing) if axis != flat)  # type: ignore[assignment]
    second: dict[str, float] = {}
    for convention in wanted.conventions:
        second |= second_opinion.check(convention, (masks[0], masks[1]), spacing, wanted.tolerances_mm, progress)
    differences = {f"{key}_check": value - row[key] for key, value in second.items()}
    if not differences:
        return {}
    worst = max(differences, key=lambda key: abs(differences[key]))
    scale = max(1.0, abs(row[worst.removesuffix("_check")]))
    if abs(differences[worst]) > second_opinion.ALARM_MM * scale:
        progress.warn(
            f"Second opinion on {pair.name!r}: {worst.removesuffix('_check')} differs by {differences[worst]:.3g}; "
            "do not use the numbers before the reason is known."
        )
    return differences


def _position(common: CommonGrid, box: Box | None, found: Scan | None, counts: Counts) -> dict[str, Any]:
    row: dict[str, Any] = {"centroid_distance_mm": math.nan}
    if found is not None and found.centroids[0] is not None and found.centroids[1] is not None:
        apart = (found.centroids[1] - found.centroids[0])[::-1][: common.grid.dimension]
        row["centroid_distance_mm"] = float(np.linalg.norm(common.grid.axes @ apart))
    places = ("worst_slice_l_mm", "worst_slice_p_mm", "worst_slice_s_mm")
    if found is None or box is None or not counts.fp + counts.fn:
        return row | dict.fromkeys(("worst_slice_k", "worst_slice_errors", *places))
    worst = int(np.argmax(found.slice_errors))
    index = [box[0].start + worst, *((axis.start + axis.stop - 1) / 2 for axis in box[1:])]
    point = common.grid.to_physical(np.array([index[::-1][: common.grid.dimension]], float))[0]
    row |= {"worst_slice_k": index[0], "worst_slice_errors": int(found.slice_errors[worst])}
    return row | dict(zip(places, point.tolist()))


def _outside(common: CommonGrid, pair: Pair, fields: tuple[Any, Any]) -> dict[str, Any]:
    """Volume of either segment where the other image has no voxels."""
    volumes = []
    for number, segment in enumerate((pair.reference, pair.test)):
        box, other = common.sides[number].box(segment), fields[1 - number]
        voxels = 0
        if segment is not None and box is not None and other is not None:
            voxels = int(np.count_nonzero(common.sides[number].inside(segment, box) & ~other[box]))
        volumes.append(voxels * common.grid.voxel_volume_mm3)
    return {
        "outside_test_mm3": volumes[0],
        "outside_reference_mm3": volumes[1],
        "resampled": int(common.resampled),
    }
