"""How well raters or devices agree on a measured number, over many subjects."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ..errors import InputError
from ..operation import Operation
from ..progress import SILENT, Progress
from ..values import Column, Curves, Measurements
from . import reliability
from .bland_altman import bland_altman
from .table_columns import column, is_missing, label, natural, numbers


class Readings(NamedTuple):
    """Outputs of `compare_readings` by role."""

    table: Measurements
    reliability: Measurements
    bland_altman: Curves


@dataclass(frozen=True)
class CompareReadings(Operation):
    """Compare what several raters or devices measured on the same subjects.

    Takes a table with one row per reading. Every pair of raters gets the bias and the limits of agreement bias
    -/+ 1.96 SD of the differences (Bland and Altman 1986); all raters together the intraclass correlations
    ICC(2,1), absolute agreement, and ICC(3,1), consistency, of a single rater with 95 % intervals (Shrout and
    Fleiss 1979, McGraw and Wong 1996). Subjects that a rater did not read are left out where he is needed, and
    are counted.

    Inputs
    ------
    table
        One row per reading: subject, rater and value.

    Outputs
    -------
    table
        One row per pair of raters.
    reliability
        Intraclass correlations over the subjects that all raters read.
    bland_altman
        Differences over means, one series per pair of raters.

    Parameters
    ----------
    subject
        Column that names the subject.
    rater
        Column that names the rater or device.
    value
        Column of the measured number.
    """

    name: ClassVar[str] = "compare_readings"
    title: ClassVar[str] = "Compare readings"
    group: ClassVar[str] = "Raters"
    memory_factor: ClassVar[float] = 1.0

    subject: str = "subject"
    rater: str = "rater"
    value: str = "value"

    def run(self, table: Measurements, *, progress: Progress = SILENT) -> Readings:
        progress.report(0.0, "Reading the table")
        subjects, raters = (
            column(table, key, word) for key, word in ((self.subject, "subject"), (self.rater, "rater"))
        )
        values = numbers(column(table, self.value, "value"), self.value)
        unit = next((c.unit for c in table.columns if self.value in (c.key, c.title)), "")
        grid, names = self._grid(subjects, raters, values, progress)
        if len(names) < 2:
            raise InputError(f"The column {self.rater!r} names {len(names)} rater; agreement needs two.", role="table")
        rows: list[dict[str, Any]] = []
        pairs = []
        for a, b in itertools.combinations(range(len(names)), 2):
            rows.append({"raters": f"{names[a]} and {names[b]}", **reliability.differences(grid[:, a], grid[:, b])})
            pairs.append((rows[-1]["raters"], grid[:, a], grid[:, b]))
        columns = (Column("raters", "Raters", "", "First and second rater", str), *reliability.difference_columns(unit))
        progress.report(1.0)
        return Readings(
            Measurements(columns, tuple(rows)),
            Measurements(reliability.ICC_COLUMNS, (reliability.icc(grid),)),
            bland_altman(f"{self.value} of raters", unit, pairs),
        )

    def _grid(
        self, subjects: list[Any], raters: list[Any], values: np.ndarray, progress: Progress
    ) -> tuple[np.ndarray, list[str]]:
        """Values by subject (rows) and rater (columns), NaN where there is none, and the names of the raters."""
        left_out = 0
        readings: dict[tuple[str, str], float] = {}
        for subject, rater, value in zip(subjects, raters, values.tolist()):
            if is_missing(subject) or is_missing(rater):
                left_out += 1
                continue
            key = label(subject), label(rater)
            if key in readings:
                raise InputError(
                    f"Rater {key[1]!r} has two values for subject {key[0]!r}; keep one or take their mean.",
                    role="table",
                )
            readings[key] = value
        if left_out:
            progress.warn(f"{left_out} rows without subject or rater were left out.")
        people = natural([subject for subject, _ in readings])
        names = natural([rater for _, rater in readings])
        grid = np.array([[readings.get((s, r), np.nan) for r in names] for s in people]).reshape(
            len(people), len(names)
        )
        incomplete = int(np.count_nonzero(~np.isfinite(grid).all(axis=1)))
        if incomplete:
            progress.warn(
                f"{incomplete} of {len(people)} subjects lack a reading; they enter no intraclass correlation."
            )
        return grid, names
