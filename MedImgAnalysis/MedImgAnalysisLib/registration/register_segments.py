"""Align two segmentations by the surfaces of their segments."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
import SimpleITK as sitk

from ..agreement.pairing import Pair, pair_by_name
from ..errors import InputError
from ..operation import Operation
from ..parameters import Choice, Quantity
from ..progress import SILENT, Progress, Quiet
from ..quality.findings import Findings
from ..values import Column, Labels, Measurements, Transform
from .distance_fit import COARSE_POINTS, POINTS, Match, Pose, best_pose, refined, starts
from .landmark_fit import put_linear
from .point_fit import linear_transform
from .segment_overlap import segments_after
from .signed_distance import SOFT, SignedDistance, extent_mm, signed_distance, soft_distance
from .warping import at_the_border, warped_labels

STAGES = {"rigid": ("rigid",), "similarity": ("rigid", "similarity"), "affine": ("rigid", "similarity", "affine")}
ITERATIONS = 60
ALL_POINTS, LEAST_POINTS = 40_000, 300
"""Points of all segments together, and of each at the least."""
COLUMNS = (
    Column("model", "Model", "", "Kind of transform", str),
    Column("n_segments", "Segments", "", "Pairs of segments that were aligned", int),
    Column("iterations", "Iterations", "", "Steps of the optimiser after the search of a start", int),
    Column("mismatch_mm", "Mismatch", "mm", "RMS difference of the signed distances near the surfaces at the end"),
    Column("rotation_deg", "Rotation", "degrees", "Angle of the rotation; of the nearest one for affine transforms"),
    Column("scale", "Scale", "", "Mean stretch from fixed to moving lengths: d-th root of the determinant"),
    Column("shift_mm", "Shift", "mm", "How far the centre of the fixed segments moves"),
    Column("dice_before_mean", "Dice before, mean", "", "Mean Dice of the segments without the transform"),
    Column("dice_mean", "Dice, mean", "", "Mean Dice after"),
    Column("distance_before_mean_mm", "Distance before, mean", "mm", "Mean of the ASSD (surfel) without the transform"),
    Column("distance_mean_mm", "Distance, mean", "mm", "Mean of the ASSD (surfel) after"),
    Column("status", "Status", "", "Why a number is missing", str),
)
ROWS = (
    Column("segment", "Segment", "", "Name of the fixed segment", str),
    Column("moving_segment", "Moving segment", "", "Name of its partner", str),
    Column("dice_before", "Dice before", "", "Dice without the transform, on the fixed grid"),
    Column("dice", "Dice", "", "Dice after"),
    Column("distance_before_mm", "Distance before", "mm", "Average symmetric surface distance (surfel) before"),
    Column("distance_mm", "Distance", "mm", "Average symmetric surface distance (surfel) after"),
    Column("status", "Status", "", "Why a number is missing", str),
)


class RegisteredSegments(NamedTuple):
    transform: Transform
    labels: Labels
    table: Measurements
    segments: Measurements


@dataclass(frozen=True)
class RegisterSegments(Operation):
    """Align two segmentations of the same structures, whatever the images behind them look like.

    Minimises the mean squared difference of the signed distances to the surfaces of paired segments, in millimetres and
    clipped, at points near the fixed surfaces; every segment weighs the same. Rotations about the centroids, the
    principal axes and, from three segments on, the centroids themselves are tried as starts; among poses that are
    equally good the one of the smallest rotation is taken, and an ambiguous shape is said. The last steps look at a
    narrow band around the surfaces, whose distances are taken from blurred masks and are finer than the voxels. Where
    a segment reaches the border of its image the surface is taken for unknown.

    The transform maps points of the fixed to points of the moving segments in LPS millimetres. Segments pair by name;
    when each side has one, they are a pair.

    Inputs
    ------
    fixed
        Segments that stay where they are; a mask or label image will do.
    moving
        The same segments elsewhere.

    Outputs
    -------
    transform
        Fixed to moving points, LPS millimetres.
    labels
        The moving segments on the grid of the fixed ones.
    table
        The transform in numbers, overlap and distance of the surfaces.
    segments
        One row per pair: Dice and mean distance of the surfaces before and after.

    Parameters
    ----------
    model
        Kind of transform.
    start
        Where to begin: multi_start tries rotations, centroids brings the centroids together, none begins where things
        are.
    clip_mm
        Distances beyond count as this, so that parts that are missing on one side do not pull.
    seed
        Seed of the points that are looked at.
    """

    name: ClassVar[str] = "register_segments"
    title: ClassVar[str] = "Register segments"
    group: ClassVar[str] = "Align"
    presets: ClassVar = {"Rigid": {}, "Affine": {"model": "affine"}, "Small correction": {"start": "none"}}

    model: Annotated[str, Choice("rigid", "similarity", "affine")] = "rigid"
    start: Annotated[str, Choice("multi_start", "centroids", "none")] = "multi_start"
    clip_mm: Annotated[float, Quantity("mm", low=0.5, high=200.0)] = 10.0
    seed: Annotated[int, Quantity("", low=1, high=2**31 - 1)] = 1

    def run(self, fixed: Labels, moving: Labels, *, progress: Progress = SILENT) -> RegisteredSegments:
        progress.report(0.0, "Segments")
        if fixed.grid.dimension != moving.grid.dimension:
            raise InputError("One segmentation is 2-D and the other 3-D; they cannot be aligned.", role="moving")
        pairs = _pairs(fixed, moving, progress)
        for side, labels in (("fixed", fixed), ("moving", moving)):
            if cut := at_the_border(labels):
                progress.warn(
                    f"These {side} segments reach the border of their image, where their surface is taken for unknown: "
                    f"{', '.join(cut[:10])}."
                )
        maps = _maps(
            fixed, moving, pairs, lambda mask, share, name: signed_distance(mask, self.clip_mm, share, what=name),
            progress.part(0.0, 0.2),
        )  # fmt: skip
        pose = self._start(fixed, moving, pairs, maps, progress.part(0.2, 0.4))
        # The same blur on both sides; voxels of both must be able to carry it.
        sigma = max(max(one.grid.spacing) for side in maps for one in side)
        soft = _maps(
            fixed, moving, pairs, lambda mask, share, name: soft_distance(mask, sigma, share, name),
            progress.part(0.4, 0.6),
        )  # fmt: skip
        radius = _radius(maps[0], pose.centre)
        count = max(LEAST_POINTS, min(POINTS, ALL_POINTS // len(pairs)))
        steps = [(maps, self.clip_mm, model) for model in STAGES[self.model]] + [
            (soft, min(SOFT * sigma, self.clip_mm), self.model)
        ]
        before = pose.iterations
        for number, (sides, band, model) in enumerate(steps):
            progress.report(0.6 + 0.1 * number / len(steps), "Aligning surfaces")
            pose = refined(pose, Match(*sides, band, count, self.seed), model, radius, ITERATIONS, progress)
        score = pose.score
        transform = linear_transform(pose.matrix, pose.offset, self.model, pose.centre)
        labels = warped_labels(moving, transform, fixed.grid, progress.part(0.7, 0.75))
        rows = _rows(transform, fixed, moving, pairs, progress.part(0.75, 1.0))
        row = self._row(transform, pose, math.sqrt(score), pose.iterations - before, rows)
        progress.report(1.0)
        return RegisteredSegments(transform, labels, Measurements(COLUMNS, (row,)), Measurements(ROWS, tuple(rows)))

    def _start(
        self,
        fixed: Labels,
        moving: Labels,
        pairs: Sequence[Pair],
        maps: tuple[list[SignedDistance], list[SignedDistance]],
        progress: Progress,
    ) -> Pose:
        centre, target = (np.mean([one.centroid for one in side], axis=0) for side in maps)
        unit = np.eye(len(centre))
        if self.start == "none":
            return Pose(unit, np.zeros(len(centre)), centre)
        if self.start == "centroids":
            return Pose(unit, target - centre, centre)
        extent = max(extent_mm(side) for side in maps)
        reach = max(self.clip_mm, extent / 4)
        spacing = extent / 48
        coarse = _maps(
            fixed, moving, pairs, lambda mask, share, name: signed_distance(mask, reach, share, spacing, name),
            progress.part(0.0, 0.3),
        )  # fmt: skip
        match = Match(*coarse, reach, COARSE_POINTS, self.seed)
        poses = starts(*coarse)
        radius = _radius(maps[0], centre)
        voxel = max(max(one.grid.spacing) for side in coarse for one in side)
        pose, ambiguous = best_pose(poses, match, radius, voxel, progress.part(0.3, 1.0))
        if ambiguous:
            progress.warn(
                "The segments fit nearly as well in quite another pose, as symmetric shapes do; the one of the "
                "smallest rotation was taken. Look at the result, or add a segment that breaks the symmetry."
            )
        return pose

    def _row(
        self, transform: sitk.Transform, pose: Pose, mismatch: float, iterations: int, rows: Sequence[dict[str, Any]]
    ) -> dict[str, Any]:
        found = Findings(model=self.model, n_segments=len(rows), iterations=iterations)
        found.put("mismatch_mm", mismatch)
        put_linear(found, transform)
        found.put("shift_mm", float(np.linalg.norm(pose.shift)))
        for key, name in (
            ("dice_before", "dice_before_mean"),
            ("dice", "dice_mean"),
            ("distance_before_mm", "distance_before_mean_mm"),
            ("distance_mm", "distance_mean_mm"),
        ):
            known = [row[key] for row in rows if not math.isnan(row[key])]
            found.put(name, float(np.mean(known)) if len(known) == len(rows) else math.nan, "outside_the_fixed_image")
        row = found.row()
        return {key: value for key, value in row.items() if key != "warnings"}


def _maps(
    fixed: Labels,
    moving: Labels,
    pairs: Sequence[Pair],
    make: Callable[[sitk.Image, Progress, str], SignedDistance],
    progress: Progress,
) -> tuple[list[SignedDistance], list[SignedDistance]]:
    """Distance maps of the paired segments, of the fixed and of the moving side."""
    sides: tuple[list[SignedDistance], list[SignedDistance]] = ([], [])
    jobs = [(0, fixed, pair.reference) for pair in pairs] + [(1, moving, pair.test) for pair in pairs]
    for number, (side, labels, segment) in enumerate(jobs):
        assert segment is not None
        share = progress.part(number / len(jobs), (number + 1) / len(jobs))
        share.report(0.0, "Distance map")
        name = f"{('fixed', 'moving')[side]} segment {segment.name!r}"
        sides[side].append(make(labels.mask(segment), share, name))
    return sides


def _radius(maps: Sequence[SignedDistance], centre: np.ndarray) -> float:
    """RMS distance of the fixed surfaces from the centre: what an angle must be multiplied with to be a length."""
    points = np.concatenate([one.near_surface(0.0, POINTS, np.random.default_rng(0)) for one in maps]) - centre
    return max(float(np.sqrt(np.square(points).sum(axis=1).mean())), 1e-3)


def _pairs(fixed: Labels, moving: Labels, progress: Progress) -> list[Pair]:
    """Segments of equal name; those without a partner or without voxels are left out, which is said."""
    for side, labels in (("fixed", fixed), ("moving", moving)):
        if not labels.segments:
            raise InputError(f"The {side} segmentation has no segments.", role=side)
    both = pair_by_name(fixed, moving)
    pairs = [pair for pair in both if pair.reference is not None and pair.test is not None]
    if not pairs:
        raise InputError(
            f"No segment has a partner of the same name: the fixed ones are {', '.join(fixed.names)}, the moving ones "
            f"{', '.join(moving.names)}; rename them.",
            role="moving",
        )
    alone = [pair.name for pair in both if pair not in pairs]
    if alone:
        progress.warn(f"These segments have no partner and were left out: {', '.join(alone[:10])}.")
    full = [pair for pair in pairs if _has_voxels(fixed, pair.reference) and _has_voxels(moving, pair.test)]
    if not full:
        raise InputError("Every segment is empty on one side or the other; there is nothing to align.", role="moving")
    if len(full) < len(pairs):
        empty = [pair.name for pair in pairs if pair not in full]
        progress.warn(f"These segments are empty on one side and were left out: {', '.join(empty[:10])}.")
    return full


def _has_voxels(labels: Labels, segment: Any) -> bool:
    layer = sitk.GetArrayViewFromImage(labels.layers[segment.layer])
    return bool((layer == segment.value).any())


def _rows(
    transform: sitk.Transform, fixed: Labels, moving: Labels, pairs: Sequence[Pair], progress: Progress
) -> list[dict[str, Any]]:
    """Overlap and distance of each pair without and with the transform."""
    ours = Labels(fixed.layers, tuple(pair.reference for pair in pairs if pair.reference is not None))
    theirs = Labels(moving.layers, tuple(pair.test for pair in pairs if pair.test is not None))
    identity = sitk.Transform(fixed.grid.dimension, sitk.sitkIdentity)
    tables = [
        segments_after(identity, ours, theirs, Quiet(progress)),
        segments_after(transform, ours, theirs, progress),
    ]
    rows = []
    for before, after in zip(*(table.rows for table in tables), strict=True):
        row = {
            "segment": after["segment"],
            "moving_segment": after["moving_segment"],
            "dice_before": before["dice"],
            "dice": after["dice"],
            "distance_before_mm": before["surfel_assd"],
            "distance_mm": after["surfel_assd"],
        }
        lost = [key for key, value in row.items() if isinstance(value, float) and math.isnan(value)]
        rows.append({**row, "status": f"outside_the_fixed_image ({', '.join(lost)})" if lost else ""})
    return rows
