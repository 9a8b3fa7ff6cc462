"""A transform applied to points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np

from ..errors import InputError
from ..operation import Operation
from ..parameters import Choice
from ..progress import SILENT, Progress
from ..values import Column, Landmarks, Measurements, Transform
from .definition import undefined_points
from .landmark_error import inverse_point
from .reach import same_dimension

COLUMNS = (
    Column("landmark", "Landmark", "", "Name of the point", str),
    Column("moved_mm", "Moved by", "mm", "Distance from the old to the new place"),
    Column(
        "residual_mm", "Residual", "mm", "How far T takes the new point from the old one; 0 where T itself was used"
    ),
    Column("l_mm", "L", "mm", "New place, first LPS axis, towards the left", position="L"),
    Column("p_mm", "P", "mm", "New place, second, posterior", position="P"),
    Column("s_mm", "S", "mm", "New place, third, superior", position="S"),
    Column("status", "Status", "", "outside where the transform is not defined and leaves points in place", str),
)


class MovedLandmarks(NamedTuple):
    landmarks: Landmarks
    table: Measurements


@dataclass(frozen=True)
class ApplyTransformLandmarks(Operation):
    """Take points from the moving to the fixed image, or back, with a transform.

    A transform maps points of the fixed image to points of the moving image, and with it the moving *image* is
    resampled. Points that were marked in the moving image go the other way, with its inverse: T(y) = x is solved for
    each point (Newton's method), for displacement fields, b-splines and composites as well. Points marked in the
    fixed image go to the moving image with T itself.

    Inputs
    ------
    landmarks
        Points, LPS millimetres.
    transform
        Maps fixed to moving points, LPS millimetres.

    Outputs
    -------
    landmarks
        The same points in the other image.
    table
        One row per point: how far it moved, and how exactly the inverse was found.

    Parameters
    ----------
    marked_in
        Which image the points belong to now: moving uses the inverse, fixed the transform itself.
    """

    name: ClassVar[str] = "apply_transform_landmarks"
    title: ClassVar[str] = "Apply transform to landmarks"
    group: ClassVar[str] = "Apply"

    marked_in: Annotated[str, Choice("moving", "fixed")] = "moving"

    def run(self, landmarks: Landmarks, transform: Transform, *, progress: Progress = SILENT) -> MovedLandmarks:
        progress.report(0.0, "Moving points")
        same_dimension(transform, 3, "set of landmarks", "landmarks")
        if not landmarks.names:
            raise InputError("There are no landmarks.", role="landmarks")
        old = landmarks.points
        new, residuals = np.empty_like(old), np.zeros(len(old))
        for row, point in enumerate(old):
            progress.report(row / len(old), "Moving points")
            if self.marked_in == "fixed":
                new[row] = transform.TransformPoint(point.tolist())
            else:
                new[row] = inverse_point(transform, point, point)
                if np.isfinite(new[row]).all():
                    residuals[row] = np.linalg.norm(np.array(transform.TransformPoint(new[row].tolist())) - point)
        lost = [name for name, point in zip(landmarks.names, new) if not np.isfinite(point).all()]
        if lost:
            raise InputError(
                f"The transform takes no point to {_some(lost)}: it folds or is not defined there, so these points "
                "have no place in the fixed image.",
                role="landmarks",
            )
        outside = undefined_points(transform, old if self.marked_in == "fixed" else new)
        if outside.any():
            names = [name for name, is_outside in zip(landmarks.names, outside) if is_outside]
            progress.warn(f"The transform is not defined at {_some(names)}; it leaves points there in place.")
        rows: list[dict[str, Any]] = [
            {"landmark": name, "moved_mm": float(np.linalg.norm(b - a)), "residual_mm": float(residual),
             "l_mm": float(b[0]), "p_mm": float(b[1]), "s_mm": float(b[2]), "status": "outside" if out else ""}
            for name, a, b, residual, out in zip(landmarks.names, old, new, residuals, outside)
        ]  # fmt: skip
        progress.report(1.0)
        return MovedLandmarks(Landmarks(landmarks.names, new, landmarks.closed), Measurements(COLUMNS, tuple(rows)))


def _some(names: list[str]) -> str:
    return ", ".join(names[:10]) + (" ..." if len(names) > 10 else "")
