"""How a subject moves through the frames of a sequence: numbers of linear transforms, frame after frame."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..frames import NUMBERED, Frames
from ..framewise import frame_columns
from ..values import Column, Curve, Curves, Measurements
from .models import numbers
from .rigid import matrix_of

AXES = (("x", "L"), ("y", "P"), ("z", "S"))
COLUMNS = (
    *(Column(f"shift_{x}_mm", f"Shift along {axis}", "mm", "Where the centre of the reference went, minus itself")
      for x, axis in AXES),
    *(Column(f"rotation_{x}_deg", f"Rotation about {axis}", "degrees", f"Euler angle about LPS axis {x} (R = Rz Rx Ry)")
      for x, axis in AXES),
    Column("displacement_mm", "Displacement", "mm", "RMS of how far points went since the reference (Jenkinson 1999)"),
    Column("step_mm", "Displacement since the frame before", "mm", "The same from one frame to the next"),
    Column("framewise_displacement_mm", "Framewise displacement", "mm",
           "Sum of the absolute changes of shifts, and of rotations as arcs, since the frame before (Power 2012)"),
    Column("metric_before", "Metric before", "", "Of the frame before aligning; undefined for the reference frame"),
    Column("metric", "Metric at the end", "", "Of the aligned frame; undefined for the reference frame"),
    Column("status", "Status", "", "Why a number is missing", str),
)  # fmt: skip


def rms_displacement(matrix: np.ndarray, offset: np.ndarray, centre: np.ndarray, radius_mm: float) -> float:
    """Root of the mean of |T(x) - x|^2 over a ball (2-D: disc) about `centre`, mm.

    sqrt(R^2 / (d + 2) trace(M^T M) + |t|^2) with M = A - 1 and t the displacement of the centre. Jenkinson 1999,
    FMRIB technical report TR99MJ1.
    """
    d = len(centre)
    bent = np.asarray(matrix) - np.eye(d)
    shift = bent @ centre + offset
    return float(np.sqrt(radius_mm**2 / (d + 2) * np.trace(bent.T @ bent) + shift @ shift))


def motion_table(
    frames: Frames,
    transforms: Sequence[sitk.Transform],
    centre: np.ndarray,
    radius_mm: float,
    metrics: Sequence[tuple[float, float]],
) -> Measurements:
    """One row a frame.

    Parameters
    ----------
    transforms
        Linear, from points of the reference to points of each frame, LPS millimetres.
    centre
        LPS position that shifts are told of.
    radius_mm
        Radius of the ball of `rms_displacement`, and of the arcs of rotations in the framewise displacement.
    metrics
        Before and at the end, NaN for a frame that was not aligned.
    """
    rows: list[dict[str, Any]] = []
    number, position = frame_columns(frames)
    d = len(centre)
    before: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
    for frame, transform in enumerate(transforms):
        matrix, offset = matrix_of(transform)
        found = numbers(transform, centre)
        shifts = [found[f"shift_{x}_mm"] + 0.0 for x in "xyz"]
        turns = [found[f"rotation_{x}_deg"] + 0.0 for x in "xyz"]  # no -0
        six = np.array([*shifts[:d], *(radius_mm * math.radians(turn) for turn in turns if math.isfinite(turn))])
        step = framewise = math.nan
        missing = ["in_plane_only"] if d == 2 else []
        if before is None:
            missing.append("first_frame")
        else:
            way = matrix @ np.linalg.inv(before[0])
            step = rms_displacement(way, offset - way @ before[1], centre, radius_mm)
            framewise = float(np.abs(six - before[2]).sum())
        if not math.isfinite(metrics[frame][1]):
            missing.append("reference")
        elif not math.isfinite(metrics[frame][0]):
            missing.append("no_overlap_before")
        rows.append({
            number.key: frame, position.key: frames.positions[frame],
            **{f"shift_{x}_mm": value for x, value in zip("xyz", shifts)},
            **{f"rotation_{x}_deg": value for x, value in zip("xyz", turns)},
            "displacement_mm": rms_displacement(matrix, offset, centre, radius_mm),
            "step_mm": step, "framewise_displacement_mm": framewise,
            "metric_before": metrics[frame][0], "metric": metrics[frame][1], "status": " ".join(missing),
        })  # fmt: skip
        before = matrix, offset, six
    return Measurements((number, position, *COLUMNS), tuple(rows))


def motion_curves(frames: Frames, table: Measurements) -> tuple[Curves, Curves]:
    """Shifts with the framewise displacement (mm), and rotations (degrees), over the positions of the frames."""
    x = np.array(frames.positions)
    axis = "Frame" if frames.title == NUMBERED else frames.title[:1].upper() + frames.title[1:]

    def series(key: str, name: str) -> Curve | None:
        y = np.array(table.column(key), float)
        return Curve(name, x, y) if np.isfinite(y).any() else None

    shifts = [series(f"shift_{a}_mm", f"Shift along {name}") for a, name in AXES]
    shifts.append(series("framewise_displacement_mm", "Framewise displacement"))
    turns = [series(f"rotation_{a}_deg", f"Rotation about {name}") for a, name in AXES]
    kept = [tuple(curve for curve in curves if curve is not None) for curves in (shifts, turns)]
    return (
        Curves("Shifts", axis, "Shift", kept[0], frames.unit, "mm"),
        Curves("Rotations", axis, "Rotation", kept[1], frames.unit, "degrees"),
    )
