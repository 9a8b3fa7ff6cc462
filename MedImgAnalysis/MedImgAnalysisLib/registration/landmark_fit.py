"""Errors of landmarks that were used for a fit: at them, and at each under the fit of all others."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..progress import Progress
from ..quality.findings import Findings
from ..values import Column, Measurements
from .point_fit import LINEAR as MODELS
from .point_fit import degenerate, fit_points, least_points, parameters_of
from .rigid import matrix_of

AXES = {"l": "first LPS axis, towards the left", "p": "second, posterior", "s": "third, superior"}
OUTLIER, OUTLIER_MM = 4.0, 2.0
"""A leave-one-out error is odd above so many times the localisation error of the others, and so many millimetres."""

ERRORS = (
    Column("model", "Model", "", "Kind of transform", str),
    Column("n_landmarks", "Landmarks", "", "Pairs of landmarks", int),
    Column("before_rms_mm", "Distance before, RMS", "mm", "Root mean square of |f - m|"),
    Column("fre_rms_mm", "FRE, RMS", "mm", "Fiducial registration error: root mean square of |T(f) - m|"),
    Column("fre_mean_mm", "FRE, mean", "mm", "Mean of |T(f) - m|"),
    Column("fre_max_mm", "FRE, max", "mm", "Largest |T(f) - m|"),
    Column("loo_n", "Left out", "", "Landmarks that have a leave-one-out error", int),
    Column("loo_rms_mm", "Leave-one-out, RMS", "mm", "RMS of |T_i(f_i) - m_i|, T_i from all landmarks but i"),
    Column("loo_mean_mm", "Leave-one-out, mean", "mm", "Mean of the leave-one-out errors"),
    Column("loo_max_mm", "Leave-one-out, max", "mm", "Largest leave-one-out error"),
)
LINEAR = (
    Column("fle_mm", "FLE", "mm", "Localisation error that explains the FRE: FRE sqrt(N d / (N d - p)), both sides"),
    Column("rotation_deg", "Rotation", "degrees", "Angle of the rotation; of the nearest one for affine transforms"),
    Column("scale", "Scale", "", "Mean stretch from fixed to moving lengths: d-th root of the determinant"),
)
FIELD = (
    Column(
        "field_error_max_mm",
        "Field error",
        "mm",
        "Largest distance of the sampled field and the spline at a landmark, before it is met",
    ),
    Column("folding_percent", "Folding", "%", "Part of the field with a Jacobian determinant <= 0"),
    Column("jac_min", "Jacobian, minimum", "", "Smallest Jacobian determinant of the field"),
    Column("jac_max", "Jacobian, maximum", "", "Largest Jacobian determinant of the field"),
)
STATUS = Column("status", "Status", "", "Why a number is missing", str)


@dataclass(frozen=True, eq=False)
class Fit:
    """A fit and its errors, row by row; vectors (N, d) in LPS millimetres.

    Attributes
    ----------
    errors
        T(f) - m, with the transform as it is given out.
    left_out
        T_i(f_i) - m_i with T_i from all landmarks but i; NaN where they do not determine a transform.
    field_errors
        What linear interpolation of a sampled field would miss of the exact model there; 0 for linear transforms.
    """

    model: str
    fixed: np.ndarray
    moving: np.ndarray
    transform: sitk.Transform
    errors: np.ndarray
    left_out: np.ndarray
    field_errors: np.ndarray

    @classmethod
    def of(
        cls,
        fixed: np.ndarray,
        moving: np.ndarray,
        model: str,
        transform: sitk.Transform,
        left_out: np.ndarray,
        field_errors: np.ndarray | None = None,
    ) -> Fit:
        mapped = np.array([transform.TransformPoint(p) for p in fixed.tolist()])
        missed = np.zeros_like(mapped) if field_errors is None else field_errors
        return cls(model, fixed, moving, transform, mapped - moving, left_out, missed)

    @classmethod
    def linear(
        cls, fixed: np.ndarray, moving: np.ndarray, model: str, transform: sitk.Transform, progress: Progress
    ) -> Fit:
        """The fit of a linear model with its leave-one-out errors."""
        left_out = np.full(fixed.shape, math.nan)
        n, d = fixed.shape
        for row in range(n if n > least_points(model, d) else 0):
            if row % 16 == 0:
                progress.report(row / n, "Leaving landmarks out")
            others = np.arange(n) != row
            if degenerate(fixed[others], model) or degenerate(moving[others], model):
                continue
            matrix, offset = fit_points(fixed[others], moving[others], model)
            left_out[row] = matrix @ fixed[row] + offset - moving[row]
        return cls.of(fixed, moving, model, transform, left_out)


def columns(fit: Fit, field: bool) -> tuple[Column, ...]:
    """The columns of `summary`."""
    return (*ERRORS, *(FIELD if field else LINEAR), STATUS)


def summary(fit: Fit, extra: Mapping[str, Any]) -> dict[str, Any]:
    """One row with the errors, and `extra` or what a linear transform is in numbers."""
    n, d = fit.fixed.shape
    found = Findings(model=fit.model, n_landmarks=n)
    found.put("before_rms_mm", _rms(np.linalg.norm(fit.fixed - fit.moving, axis=1)))
    fre = np.linalg.norm(fit.errors, axis=1)
    found.put("fre_rms_mm", _rms(fre))
    found.put("fre_mean_mm", float(fre.mean()))
    found.put("fre_max_mm", float(fre.max()))
    loo = np.linalg.norm(fit.left_out, axis=1)
    known = loo[np.isfinite(loo)]
    found.values["loo_n"] = len(known)
    for key, value in (("rms", _rms), ("mean", np.mean), ("max", np.max)):
        found.put(f"loo_{key}_mm", float(value(known)) if len(known) else math.nan, "too_few_landmarks")
    if extra:
        found.values.update(extra)
    else:
        freedom = n * d - parameters_of(fit.model, d)
        found.put("fle_mm", _rms(fre) * math.sqrt(n * d / freedom) if freedom > 0 else math.nan, "too_few_landmarks")
        put_linear(found, fit.transform)
    row = found.row()
    return {key: value for key, value in row.items() if key != "warnings"}


def put_linear(found: Findings, transform: sitk.Transform) -> None:
    """Angle and scale of a linear transform, the columns of `LINEAR`."""
    matrix, _ = matrix_of(transform)
    d = len(matrix)
    u, s, vt = np.linalg.svd(matrix)
    u[:, -1] *= np.sign(np.linalg.det(u @ vt))
    cosine = (np.trace(u @ vt) - (d - 2)) / 2
    found.put("rotation_deg", math.degrees(math.acos(min(1.0, max(-1.0, cosine)))))
    found.put("scale", float(np.prod(s) ** (1 / d)))


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def warn_of_outliers(names: tuple[str, ...], fit: Fit, progress: Progress) -> None:
    """Name the landmark that the others, which agree among each other, put elsewhere."""
    loo = np.linalg.norm(fit.left_out, axis=1)
    model = fit.model if fit.model in MODELS else "affine"
    n, d = fit.fixed.shape
    freedom = (n - 1) * d - parameters_of(model, d)
    if freedom < d or not np.isfinite(loo).any():
        return
    worst = int(np.nanargmax(loo))
    others = np.arange(n) != worst
    matrix, offset = fit_points(fit.fixed[others], fit.moving[others], model)
    apart = fit.fixed @ matrix.T + offset - fit.moving
    usual = math.sqrt(float(np.square(apart[others]).sum()) * d / freedom)
    odd = float(np.linalg.norm(apart[worst]))
    if odd > max(OUTLIER * usual, OUTLIER_MM):
        progress.warn(
            f"The landmark {names[worst]!r} is {odd:.3g} mm from where the others put it, which agree within "
            f"{usual:.2g} mm; look at it."
        )


def point_rows(names: tuple[str, ...], fit: Fit) -> Measurements:
    """One row per pair of landmarks."""
    axes = dict(list(AXES.items())[: fit.fixed.shape[1]])
    table = (
        Column("landmark", "Landmark", "", "Name of the fixed landmark", str),
        Column("before_mm", "Distance before", "mm", "|f - m|"),
        Column("fre_mm", "FRE", "mm", "|T(f) - m|"),
        Column("loo_mm", "Leave-one-out", "mm", "|T_i(f_i) - m_i|, T_i from all other landmarks"),
        *(Column(f"error_{a}_mm", f"Error {a.upper()}", "mm", f"T(f) - m along the {t}") for a, t in axes.items()),
        Column(
            "field_error_mm", "Field error", "mm", "Distance of the sampled field and the spline here, before it is met"
        ),
        *(
            Column(f"fixed_{a}_mm", f"Fixed {a.upper()}", "mm", f"Position along the {t}", position=a.upper())
            for a, t in axes.items()
        ),
        STATUS,
    )
    before = np.linalg.norm(fit.fixed - fit.moving, axis=1)
    fre, loo, field = (np.linalg.norm(v, axis=1) for v in (fit.errors, fit.left_out, fit.field_errors))
    rows = []
    for number, name in enumerate(names):
        row: dict[str, Any] = {"landmark": name, "before_mm": float(before[number]), "fre_mm": float(fre[number])}
        row["loo_mm"], row["field_error_mm"] = float(loo[number]), float(field[number])
        for axis, key in enumerate(axes):
            row[f"error_{key}_mm"] = float(fit.errors[number, axis])
            row[f"fixed_{key}_mm"] = float(fit.fixed[number, axis])
        row["status"] = "too_few_landmarks (loo_mm)" if math.isnan(loo[number]) else ""
        rows.append(row)
    return Measurements(table, tuple(rows))
