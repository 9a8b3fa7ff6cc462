"""How far numbers move: against the undisturbed ones, within the repetitions, and against what tells cases apart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..agreement.reliability import icc
from ..batch.results import CaseResult, ResultColumn, columns_of
from ..values import Column, Measurements

if TYPE_CHECKING:
    from .study import Run

COLUMNS = (
    Column("result", "Result", "", "Table, row and column of the number", str),
    Column("unit", "Unit", "", "Unit of the number", str),
    Column("perturbation", "Perturbation", "", "What was done to the inputs", str),
    Column("level", "Level", "", "How much of it"),
    Column("level_unit", "Level unit", "", "Unit of the level; empty: that of the image", str),
    Column("n_cases", "Cases", "", "Cases with a number undisturbed and in all repetitions", int),
    Column("n_repeats", "Repetitions", "", "Repetitions of each case", int),
    Column("lost", "Lost", "", "Runs that failed or gave no number where there was one undisturbed", int),
    Column("undisturbed", "Undisturbed", "", "Mean over the cases without perturbation"),
    Column("bias", "Bias", "", "Mean change over cases and repetitions"),
    Column("rms", "RMS change", "", "Root mean square change over cases and repetitions"),
    Column(
        "rms_percent", "RMS change, relative", "%", "Root mean square of the change in percent of each case's own value"
    ),
    Column("largest", "Largest change", "", "The change of largest size, with its sign"),
    Column("largest_case", "In case", "", "Case with the largest change", str),
    Column("icc_2_1", "ICC(2,1)", "", "Agreement of undisturbed and disturbed values; 1 when only cases differ"),
    Column("icc_2_1_low", "ICC(2,1) from", "", "Lower end of the 95 % interval"),
    Column("icc_2_1_high", "ICC(2,1) to", "", "Upper end of the 95 % interval"),
    Column("status", "Status", "", "Why a number is missing", str),
)
FIGURES = ("undisturbed", "rms", "rms_percent", "icc_2_1", "icc_2_1_low", "icc_2_1_high")
OVERLAP_COLUMNS = ("dice", "surfel_hd95", "volume_diff_percent")


def movements(undisturbed: Mapping[str, CaseResult], runs: Sequence[Run]) -> Measurements:
    """A row for each numeric result and perturbation, the results in the order of the recipe.

    Numbers of the tables `overlap.NAME`, which compare disturbed with undisturbed segments, have no undisturbed value:
    for them `undisturbed` is empty, `bias` is the mean itself, and `largest` the one that lies farthest from it.
    """
    before = {case: _numbers(result) for case, result in undisturbed.items()}
    columns: dict[str, ResultColumn] = {c.key: c for c in columns_of(undisturbed.values())}
    columns |= {c.key: c for run in runs for c in columns_of(run.cases) if c.key.startswith("overlap.")}
    groups: dict[Any, list[dict[str, dict[str, float]]]] = {}
    for run in runs:
        groups.setdefault(run.perturbation, []).append({case.id: _numbers(case) for case in run.cases})
    rows = []
    for key, column in columns.items():
        overlap = key.startswith("overlap.")
        if overlap and column.name not in OVERLAP_COLUMNS:
            continue
        for perturbation, repetitions in groups.items():
            start = {case: 0.0 if overlap else before[case].get(key, math.nan) for case in before}
            measured = [case for case in before if math.isfinite(start[case])]
            if not measured:
                continue
            found = np.array([[one.get(case, {}).get(key, math.nan) for one in repetitions] for case in measured])
            rows.append(
                {
                    "result": key,
                    "unit": column.unit,
                    "perturbation": perturbation.kind,
                    "level": perturbation.level,
                    "level_unit": perturbation.unit,
                    "n_repeats": len(repetitions),
                    "lost": int(np.count_nonzero(~np.isfinite(found))),
                }
                | _row(measured, np.array([start[case] for case in measured]), found, overlap)
            )
    return Measurements(COLUMNS, tuple(rows))


def _row(cases: Sequence[str], start: np.ndarray, found: np.ndarray, overlap: bool) -> dict[str, Any]:
    """The numbers of one row: `start` per case, `found` (cases, repetitions)."""
    whole = np.isfinite(found).all(axis=1)
    row: dict[str, Any] = {"n_cases": int(whole.sum()), "largest_case": "", "status": ""}
    if not whole.any():
        return row | dict.fromkeys((*FIGURES, "bias", "largest"), math.nan) | {"status": "no_complete_case"}
    kept = [case for case, ok in zip(cases, whole, strict=True) if ok]
    start, found = start[whole], found[whole]
    change = found - start[:, None]
    centre = float(change.mean()) if overlap else 0.0
    place = np.unravel_index(np.argmax(np.abs(change - centre)), change.shape)
    row |= {"bias": float(change.mean()), "largest": float(change[place]), "largest_case": kept[place[0]]}
    if overlap:
        return row | dict.fromkeys(FIGURES, math.nan)
    status = [] if np.all(start != 0) else ["undisturbed_zero"]
    relative = math.nan if status else 100 * math.sqrt(float(np.mean((change / start[:, None]) ** 2)))
    agreement = icc(np.column_stack([start, found]))
    if agreement["status"]:
        status.append(agreement["status"])
    return row | {
        "undisturbed": float(start.mean()),
        "rms": math.sqrt(float(np.mean(change**2))),
        "rms_percent": relative,
        "status": " ".join(status),
        **{name: agreement[name] for name in ("icc_2_1", "icc_2_1_low", "icc_2_1_high")},
    }


def _numbers(case: CaseResult) -> dict[str, float]:
    """The finite and other numbers of a case by key; texts and truth values are left out."""
    return {
        key: float(value)
        for key, value in case.values().items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }
