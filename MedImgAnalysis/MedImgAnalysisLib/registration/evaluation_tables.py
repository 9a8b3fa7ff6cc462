"""The columns of an evaluated registration, and the rows of its landmarks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..quality.compare_images import COLUMNS as SIMILARITY_COLUMNS
from ..values import Column, Measurements
from .landmark_error import LandmarkErrors

STATISTICS = {
    "mean": "Mean",
    "sd": "Sample SD (n - 1)",
    "median": "Median",
    "p95": "95th percentile, linear between order statistics",
    "min": "Smallest",
    "max": "Largest",
    "rms": "Root mean square",
}
AXES = {"l": "first LPS axis, towards the left", "p": "second, posterior", "s": "third, superior"}


def error_columns(prefix: str, title: str, of: str) -> tuple[Column, ...]:
    """One column per statistic of an error in millimetres."""
    return tuple(Column(f"{prefix}_{key}_mm", f"{title}, {key}", "mm", f"{t} of {of}") for key, t in STATISTICS.items())


LANDMARKS = (
    Column("n_landmarks", "Landmarks", "", "Pairs of landmarks", int),
    Column(
        "n_landmarks_outside", "Landmarks left out", "", "Pairs of landmarks where the transform is not defined", int
    ),
    *error_columns("tre_before", "TRE before", "|f - m|, without the transform"),
    *error_columns("tre", "TRE", "|T(f) - m|, in the space of the moving image"),
    *(
        Column(f"tre_bias_{a}_mm", f"Mean error {a.upper()}", "mm", f"Mean of T(f) - m along the {t}")
        for a, t in AXES.items()
    ),
    *error_columns("tre_fixed", "TRE in fixed space", "|f - T^-1(m)|, in the space of the fixed image"),
)
JACOBIAN = (
    Column(
        "jac_n", "Jacobian voxels", "", "Voxels with a central difference inside the definition of the transform", int
    ),
    Column(
        "jac_n_outside",
        "Jacobian left out",
        "",
        "Voxels of the domain where the transform is not defined or at its rim",
        int,
    ),
    Column("jac_mean", "Jacobian, mean", "", "Mean of det J; above 1 the moving tissue is larger than the fixed one"),
    Column("jac_sd", "Jacobian, SD", "", "SD of det J over voxels, with n"),
    Column("jac_min", "Jacobian, minimum", "", "Smallest det J"),
    Column("jac_max", "Jacobian, maximum", "", "Largest det J"),
    Column("jac_p01", "Jacobian, P1", "", "1st percentile of det J"),
    Column("jac_p99", "Jacobian, P99", "", "99th percentile of det J"),
    Column("folding_percent", "Folding", "%", "Part of the voxels with det J <= 0"),
    Column("sd_log_jac", "SD of log Jacobian", "", "SD of ln det J; undefined (folding) when any det J <= 0"),
    Column("sd_log_jac_clipped", "SD of log Jacobian, clipped", "", "The same with det J clipped at 1e-9"),
)
INVERSE = (
    Column("ice_n", "Consistency voxels", "", "Voxels where both transforms are defined", int),
    Column("ice_n_total", "Consistency domain", "", "Voxels that were asked for", int),
    *error_columns("ice", "Inverse consistency", "|T_b(T(x)) - x|"),
)
SEGMENTS = (
    Column("n_segments", "Segments", "", "Pairs of segments", int),
    Column("n_segments_undefined", "Undefined segments", "", "Pairs without a Dice, left out of mean and minimum", int),
    Column("dice_before_mean", "Dice before, mean", "", "Mean Dice of the segments without the transform"),
    Column("dice_mean", "Dice, mean", "", "Mean Dice of fixed and warped moving segments"),
    Column("dice_min", "Dice, lowest", "", "Smallest Dice of a segment"),
    Column("mean_distance_mean_mm", "Mean distance, mean", "mm", "Mean of the ASSD (surfel) of the segments"),
    Column("mean_distance_max_mm", "Mean distance, largest", "mm", "Largest ASSD (surfel) of a segment"),
)
_ALIKE = ("n", "n_nonfinite", "mse", "rmse", "mae", "ncc", "mi", "nmi", "nmi_arithmetic")
_KNOWN = {column.key: column for column in SIMILARITY_COLUMNS}
SIMILARITY = tuple(
    Column(
        f"{prefix}{key}", f"{_KNOWN[key].title}{words}", _KNOWN[key].unit, _KNOWN[key].description, _KNOWN[key].dtype
    )
    for prefix, words in (("similarity_before_", " before"), ("similarity_", ""))
    for key in _ALIKE
)
ALIKE = _ALIKE
VERDICT = (
    Column("verdict", "Verdict", "", "pass, fail or not_measured, by the tolerances of the table of criteria", str),
    Column("status", "Status", "", "Why a number is missing", str),
)
ROWS = (
    Column("landmark", "Landmark", "", "Name of the fixed landmark", str),
    Column("tre_before_mm", "TRE before", "mm", "|f - m|"),
    Column("tre_mm", "TRE", "mm", "|T(f) - m|, in the space of the moving image"),
    *(Column(f"error_{a}_mm", f"Error {a.upper()}", "mm", f"T(f) - m along the {t}") for a, t in AXES.items()),
    Column("tre_fixed_mm", "TRE in fixed space", "mm", "|f - T^-1(m)|"),
    *(
        Column(f"fixed_{a}_mm", f"Fixed {a.upper()}", "mm", f"Position of the fixed landmark, {t}", position=a.upper())
        for a, t in AXES.items()
    ),
    *(
        Column(f"moving_{a}_mm", f"Moving {a.upper()}", "mm", f"Position of the moving landmark, {t}")
        for a, t in AXES.items()
    ),
    Column("verdict", "Verdict", "", "pass, fail or not_measured: TRE against the tolerance of the TRE", str),
    Column("status", "Status", "", "Why a number is missing", str),
)


def landmark_rows(errors: LandmarkErrors, tolerance_mm: float) -> Measurements:
    """One row per pair of landmarks."""
    rows = []
    for number, name in enumerate(errors.names):
        row: dict[str, Any] = {"landmark": name}
        row["tre_before_mm"] = float(np.linalg.norm(errors.before[number]))
        row["tre_mm"] = float(np.linalg.norm(errors.after[number]))
        row["tre_fixed_mm"] = float(np.linalg.norm(errors.fixed_space[number]))
        for axis, key in enumerate(AXES):
            row[f"error_{key}_mm"] = float(errors.after[number, axis])
            row[f"fixed_{key}_mm"] = float(errors.fixed[number, axis])
            row[f"moving_{key}_mm"] = float(errors.moving[number, axis])
        row["verdict"] = "pass" if row["tre_mm"] <= tolerance_mm else "fail"
        row["status"] = "not_invertible (tre_fixed_mm)" if math.isnan(row["tre_fixed_mm"]) else ""
        if math.isnan(row["tre_mm"]):
            row |= {"verdict": "not_measured", "status": "transform_not_defined_there"}
        rows.append(row)
    return Measurements(ROWS, tuple(rows))
