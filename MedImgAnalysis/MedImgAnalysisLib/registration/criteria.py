"""Judging a registration by tolerances, in the way of AAPM task group 132."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..values import Column, Measurements

PASS, FAIL, NOT_MEASURED = "pass", "fail", "not_measured"
COLUMNS = (
    Column("criterion", "Criterion", "", "What is judged", str),
    Column("measure", "Measure", "", "Column of the result table that holds the value", str),
    Column("value", "Value", "", "The value, in the unit of its row"),
    Column("bound", "Bound", "", "Whether the tolerance is the largest or the smallest value that passes", str),
    Column("tolerance", "Tolerance", "", "The parameter, in the unit of its row"),
    Column("unit", "Unit", "", "Unit of value and tolerance", str),
    Column("verdict", "Verdict", "", "pass, fail or not_measured", str),
    Column("status", "Status", "", "Why a value is missing", str),
)


class Criterion(NamedTuple):
    """One tolerance. `measure` is a column of the result; `least` tells that larger is better."""

    title: str
    measure: str
    tolerance: float
    unit: str
    least: bool = False


def judged(criteria: Sequence[Criterion], row: Mapping[str, Any]) -> Measurements:
    """One row per criterion; what was not measured is neither passed nor failed."""
    return Measurements(COLUMNS, tuple(_row(criterion, row.get(criterion.measure)) for criterion in criteria))


def _row(criterion: Criterion, value: float | None) -> dict[str, Any]:
    known = value is not None and math.isfinite(value)
    good = known and (value >= criterion.tolerance if criterion.least else value <= criterion.tolerance)  # type: ignore[operator]
    return {
        "criterion": criterion.title,
        "measure": criterion.measure,
        "value": value if known else math.nan,
        "bound": "at_least" if criterion.least else "at_most",
        "tolerance": criterion.tolerance,
        "unit": criterion.unit,
        "verdict": PASS if good else FAIL if known else NOT_MEASURED,
        "status": "" if known else "not_measured" if value is None else "undefined",
    }


def verdict(table: Measurements) -> str:
    """`fail` when any criterion fails, `pass` when at least one was measured and all measured ones pass."""
    found = set(table.column("verdict"))
    return FAIL if FAIL in found else PASS if PASS in found else NOT_MEASURED
