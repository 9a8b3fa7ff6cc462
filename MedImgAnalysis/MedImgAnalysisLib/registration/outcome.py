"""What a registration tells of its result: one row of numbers, the course of the metric, and doubts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..geometry import Grid
from ..progress import Progress
from ..values import Column, Curve, Curves, Measurements
from .gain import Gain
from .metrics import Metric
from .models import numbers
from .rigid import matrix_of
from .starts import Pose, centre

AXES = (("x", "L", "first"), ("y", "P", "second"), ("z", "S", "third"))
COLUMNS = (
    Column("model", "Model", "", "Kind of transform", str),
    Column("metric_name", "Metric", "", "What was made better", str),
    Column("metric", "Metric at the end", "", "Nats for mutual information; squares of correlations; squared values"),
    Column(
        "metric_before", "Metric before", "", "The same with the images as they are, or as the initial transform has it"
    ),
    Column("iterations", "Iterations", "", "Looks at the metric over all levels", int),
    Column("overlap", "Overlap", "", "Part of the fixed voxels that map into the moving image"),
    Column("overlap_moving", "Overlap of moving", "", "Part of the moving image that fixed voxels map into"),
    *(
        Column(
            f"rotation_{x}_deg",
            f"Rotation about {axis}",
            "degrees",
            f"Euler angle about the {nth} LPS axis (R = Rz Rx Ry)",
        )
        for x, axis, nth in AXES
    ),
    *(
        Column(
            f"shift_{x}_mm", f"Shift along {axis}", "mm", f"Where the centre of the fixed image goes, {nth} LPS axis"
        )
        for x, axis, nth in AXES
    ),
    *(
        Column(f"scale_{x}", f"Scale along {axis}", "", f"Stretch from fixed to moving, {nth} axis; 1 is none")
        for x, axis, nth in AXES
    ),
    *(
        Column(f"shear_{a}{b}", f"Shear {a}{b}", "", f"Shift along {a} per shift along {b}, as A = R U tells it")
        for a, b in ("xy", "xz", "yz")
    ),
    Column("folded_percent", "Folded", "%", "Part of the voxels where the transform folds; 0 for linear ones"),
    Column("status", "Status", "", "Why a number is missing", str),
)
LITTLE_OVERLAP = 0.3
LARGE_SCALE = 1.5
LOSS = 0.01
"""Part of the metric before: a smaller loss is what the samples make of it."""
BENT = 0.04
"""Part of the image that fits worse: what is rigid comes to 0.02, thighs that bend to 0.05 to 0.18."""
STILL_MM, MOVED_MM = 0.1, 1.0
"""Who moves less stayed; who moves more changed what people will measure."""


def table(
    model: str,
    metric: Metric,
    values: tuple[float, float],
    iterations: int,
    linear: sitk.Transform,
    images: tuple[sitk.Image, sitk.Image],
    folded_percent: float,
) -> Measurements:
    """One row; `values` are the metric before and at the end, `linear` is what angles and shifts are told of."""
    fixed, moving = images
    found = numbers(linear, centre(fixed))
    missing = []
    if fixed.GetDimension() == 2:
        missing.append("in_plane_only")
    if not math.isfinite(values[0]):
        missing.append("no_overlap_before")
    row: dict[str, Any] = {
        "model": model,
        "metric_name": metric.name,
        "metric": values[1],
        "metric_before": values[0],
        "iterations": iterations,
        "overlap": overlap_fraction(fixed, moving, linear),
        "overlap_moving": overlap_fraction(moving, fixed, linear.GetInverse()),
        **found,
        "folded_percent": folded_percent,
        "status": " ".join(missing),
    }
    return Measurements(COLUMNS, (row,))


def doubts(
    table: Measurements,
    metric: Metric,
    rival: Pose | None,
    best: Pose,
    middle: np.ndarray,
    gained: Gain | None,
    progress: Progress,
) -> None:
    """Warn of what speaks against a result; `gained` is that of a linear one over where the images were."""
    row = table.rows[0]
    if max(row["overlap"], row["overlap_moving"]) < LITTLE_OVERLAP:
        progress.warn(
            f"Only {row['overlap']:.0%} of the fixed image lies in the aligned moving image; look at the result."
        )
    before, after = row["metric_before"], row["metric"]
    worse = math.isfinite(before) and not metric.better(after, before) and abs(after - before) > LOSS * abs(before)
    if worse and not (gained is not None and gained.moved_mm < STILL_MM):
        progress.warn(
            f"{metric.title} is not better than before ({after:.4g} against {before:.4g}); look at the result, or "
            "start from landmarks."
        )
    elif gained is not None and gained.moved_mm > MOVED_MM and not gained.sure:
        progress.warn(
            f"The images fit about as well where they were: moving them by {gained.moved_mm:.1f} mm gained "
            f"{gained.mean:.2g} nats of mutual information, +/- {gained.error:.2g}. Keep them there if they share a "
            "frame, or start from landmarks."
        )
    elif gained is not None and gained.worse > BENT:
        progress.warn(
            f"In {gained.worse:.0%} of the image the fit is worse than before: what bends between the images is taken "
            f"away from its place by one {row['model']} transform for all of it. Look at what matters; a mask of it, "
            "or a deformable model, may serve better."
        )
    scales = [row[f"scale_{x}"] for x in "xyz" if math.isfinite(row[f"scale_{x}"])]
    if min(scales) <= 0:
        progress.warn("The transform mirrors the image; left and right are exchanged. Check the orientation of both.")
    elif max(*scales, *(1 / s for s in scales)) > LARGE_SCALE:
        progress.warn(
            f"The transform scales by {', '.join(f'{s:.2f}' for s in scales)}; check the voxel sizes, or use a model "
            "with fewer degrees of freedom."
        )
    if rival is not None:
        from .rigid import angle_between_deg

        turn = angle_between_deg(best.matrix, rival.matrix)
        apart = float(np.linalg.norm(best.at(middle) - rival.at(middle)))
        progress.warn(
            f"Another pose, {turn:.0f} degrees and {apart:.0f} mm away, fits nearly as well, as it happens with "
            "symmetric anatomy; look at the result, or start from landmarks."
        )


def overlap_fraction(fixed: sitk.Image, moving: sitk.Image, transform: sitk.Transform) -> float:
    """Part of a regular grid of fixed voxels (about 30 per axis) that maps into the moving image."""
    grid, other = Grid.of(fixed), Grid.of(moving)
    axes = [np.unique(np.linspace(0, n - 1, min(n, 30)).round()) for n in grid.size]
    index = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, grid.dimension)
    matrix, offset = matrix_of(transform)
    mapped = other.to_index(grid.to_physical(index) @ matrix.T + offset)
    return float(np.all((mapped >= -0.5) & (mapped <= np.asarray(other.size) - 0.5), axis=1).mean())


def series(names: tuple[str, ...], trace: list[tuple[int, int, float]]) -> tuple[Curve, ...]:
    """The metric over the iterations, one series a level; levels of one name are numbered."""
    found = []
    for number, own in enumerate(names):
        name = own if names.count(own) == 1 else f"{own} {names[: number + 1].count(own)}"
        points = [(iteration, value) for at, iteration, value in trace if at == number]
        x, y = np.array(points, float).reshape(-1, 2).T
        found.append(Curve(name, x, y))
    return tuple(found)


def curves(metric: Metric, found: tuple[Curve, ...]) -> Curves:
    """All series in one plot."""
    return Curves("Metric while aligning", "Iteration", metric.title, found, "", metric.unit)
