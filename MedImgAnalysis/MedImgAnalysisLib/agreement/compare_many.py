"""Many pairs of segmentations at once, and what they say together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple

from ..errors import InputError
from ..operation import Operation
from ..parameters import Choice, Quantity
from ..progress import SILENT, Progress
from ..values import Column, Curves, Labels, Measurements
from . import cohort
from .box_plot import box_plot
from .compare_segmentations import CompareSegmentations
from .pairing import PAIR_BY

CASES = (
    Column("case", "Case", "", "Number of the pair, from 1", int),
    Column("reference_number", "Reference", "", "Position of the reference among those given, from 1", int),
    Column("test_number", "Test", "", "Position of the test among those given, from 1", int),
)
SPOTS = ("worst_slice", "resampled")
"""Beginnings of columns that are no measurement of agreement."""


class ManyComparisons(NamedTuple):
    """Outputs of `compare_many` by role."""

    table: Measurements
    summary: Measurements
    plot: Curves


@dataclass(frozen=True)
class CompareMany(Operation):
    """Compare many test segmentations with their references and summarise the cohort.

    Each pair is compared as `compare_segmentations` does, on its own grid. The summary has a row per segment
    and metric: number of cases, number of undefined ones, mean, sample standard deviation, median, quartiles,
    extremes and a 95 % bootstrap interval (percentile method, Efron and Tibshirani 1993). Undefined values
    enter no average; their number is always shown. Means are of the values per case, never of pooled voxels.

    Inputs
    ------
    reference
        What is taken as the truth: one per test, or a single one for all.
    test
        What is judged: one per reference, or a single one for all.

    Outputs
    -------
    table
        One row per pair of segmentations and segment.
    summary
        One row per segment and metric.
    plot
        Box plot of the metric `plot_metric` over the number of the segment, with every case as a point.

    Parameters
    ----------
    pairs
        Whether the first reference belongs to the first test and so on, or every one to every other.
    pair_by
        Which segments belong together, see `compare_segmentations`.
    surfaces
        Which surface elements are measured; none saves time.
    tolerances_mm
        Tolerances of the surface Dice; none by default.
    interval_of
        What the bootstrap interval is of.
    resamples
        Number of bootstrap samples.
    seed
        Start of the random numbers; the same seed gives the same interval.
    plot_metric
        Key of the column that the plot shows.
    """

    name: ClassVar[str] = "compare_many"
    title: ClassVar[str] = "Compare many segmentations"
    group: ClassVar[str] = "Agreement"
    memory_factor: ClassVar[float] = 2.0
    presets: ClassVar = {"Every rater with every other": {"pairs": "all", "surfaces": "surfel"}}

    pairs: Annotated[str, Choice("in_order", "all")] = "in_order"
    pair_by: Annotated[str, Choice(*PAIR_BY)] = "name"
    surfaces: Annotated[str, Choice("both", "surfel", "voxel", "none")] = "both"
    tolerances_mm: Annotated[tuple[float, ...], Quantity("mm", low=0.0, high=1000.0)] = ()
    interval_of: Annotated[str, Choice("mean", "median")] = "mean"
    resamples: Annotated[int, Quantity("", low=100, high=100_000)] = 2000
    seed: Annotated[int, Quantity("", low=0, high=2**31 - 1)] = 1
    plot_metric: str = "dice"

    def check(self) -> None:
        """Refuse what `compare_segmentations` would refuse."""
        self._single().check()

    def run(
        self, reference: Sequence[Labels], test: Sequence[Labels], *, progress: Progress = SILENT
    ) -> ManyComparisons:
        single = self._single()
        chosen = self._chosen(len(reference), len(test))
        rows: list[dict[str, Any]] = []
        columns: dict[str, Column] = {}
        for number, (r, t) in enumerate(chosen):
            part = progress.part(0.9 * number / len(chosen), 0.9 * (number + 1) / len(chosen), f"Case {number + 1}")
            table = single.run(reference[r], test[t], progress=part).table
            columns |= {column.key: column for column in table.columns}
            where = {"case": number + 1, "reference_number": r + 1, "test_number": t + 1}
            rows += [{**where, **row} for row in table.rows]
        measured = [c for c in columns.values() if c.dtype is float and not c.key.startswith(SPOTS)]
        if self.plot_metric not in {column.key for column in measured}:
            raise InputError(
                f"{self.name}: plot_metric is {self.plot_metric!r}; it must be one of "
                f"{', '.join(column.key for column in measured)}."
            )
        summary = cohort.summarise(
            rows,
            measured,
            statistic=self.interval_of,
            resamples=self.resamples,
            seed=self.seed,
            progress=progress.part(0.9, 1.0),
        )
        joined = Measurements(cohort.COLUMNS, tuple(summary))
        return ManyComparisons(
            Measurements((*CASES, *columns.values()), tuple(rows)), joined, _plot(rows, columns[self.plot_metric])
        )

    def _single(self) -> CompareSegmentations:
        return CompareSegmentations(pair_by=self.pair_by, surfaces=self.surfaces, tolerances_mm=self.tolerances_mm)

    def _chosen(self, references: int, tests: int) -> list[tuple[int, int]]:
        """Which reference is compared with which test."""
        if self.pairs == "all" or 1 in (references, tests):
            return [(r, t) for r in range(references) for t in range(tests)]
        if references != tests:
            raise InputError(
                f"{self.name}: there are {references} references and {tests} tests; give as many of either, a single "
                "one of either, or set pairs to all.",
                role="test",
            )
        return [(n, n) for n in range(references)]


def _plot(rows: Sequence[dict[str, Any]], column: Column) -> Curves:
    """Box plot of one column over the segments."""
    names = list(dict.fromkeys(row["segment"] for row in rows))
    cells = [[row.get(column.key) for row in rows if row["segment"] == name] for name in names]
    return box_plot(names, [[cell for cell in group if cell is not None] for group in cells], column)
