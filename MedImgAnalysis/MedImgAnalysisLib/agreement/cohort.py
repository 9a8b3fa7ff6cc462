"""A table of many cases in a few numbers per column: count, centre, spread and an interval for the centre."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..progress import Progress
from ..values import Column

COLUMNS = (
    Column("segment", "Segment", "", "Name of the segment", str),
    Column("metric", "Metric", "", "Key of the column that is summarised", str),
    Column("unit", "Unit", "", "Unit of the numbers in this row", str),
    Column("n", "n", "", "Cases with a defined value; all other numbers are of these", int),
    Column("n_undefined", "Undefined", "", "Cases without one", int),
    Column("mean", "Mean", "", "Mean"),
    Column("sd", "SD", "", "Sample standard deviation, n - 1"),
    Column("median", "Median", "", "Median"),
    Column("q1", "Lower quartile", "", "25th percentile, linear between neighbours"),
    Column("q3", "Upper quartile", "", "75th percentile, linear between neighbours"),
    Column("min", "Minimum", "", "Smallest value"),
    Column("max", "Maximum", "", "Largest value"),
    Column("ci_low", "95 % interval from", "", "Lower end of the 95 % bootstrap interval of the mean or median"),
    Column("ci_high", "95 % interval to", "", "Upper end of the 95 % bootstrap interval of the mean or median"),
    Column("status", "Status", "", "Why a number is missing", str),
)
CONFIDENCE = 0.95
STATISTICS: dict[str, Any] = {"mean": np.mean, "median": np.median}


def summarise(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[Column],
    *,
    statistic: str,
    resamples: int,
    seed: int,
    progress: Progress,
) -> Iterator[dict[str, Any]]:
    """One row per segment and numeric column of the `rows` of all cases.

    Parameters
    ----------
    statistic
        What the interval is of, `mean` or `median`.
    resamples
        Bootstrap samples; percentile interval (Efron and Tibshirani 1993).
    """
    segments = list(dict.fromkeys(str(row["segment"]) for row in rows))
    total = max(1, len(segments) * len(columns))
    for number, segment in enumerate(segments):
        own = [row for row in rows if row["segment"] == segment]
        for at, column in enumerate(columns):
            progress.report((number * len(columns) + at) / total, f"Summary of {segment}")
            values = [row.get(column.key) for row in own]
            yield {
                "segment": segment,
                "metric": column.key,
                "unit": column.unit,
                **describe(values, statistic=statistic, resamples=resamples, seed=seed),
            }


def describe(values: Sequence[float | None], *, statistic: str, resamples: int, seed: int) -> dict[str, Any]:
    """The numbers of one row; undefined values are counted and left out."""
    defined = np.array([v for v in values if v is not None and math.isfinite(v)], float)
    row: dict[str, Any] = {"n": len(defined), "n_undefined": len(values) - len(defined)}
    keys = ("mean", "sd", "median", "q1", "q3", "min", "max", "ci_low", "ci_high")
    if not len(defined):
        return row | dict.fromkeys(keys, math.nan) | {"status": "all_undefined"}
    low, middle, high = np.percentile(defined, [25, 50, 75])
    sd = float(np.std(defined, ddof=1)) if len(defined) > 1 else math.nan
    interval = bootstrap(defined, statistic, resamples, seed)
    numbers = (float(defined.mean()), sd, middle, low, high, defined.min(), defined.max(), *interval)
    status = "" if len(defined) > 1 else "one_value"
    return row | dict(zip(keys, map(float, numbers))) | {"status": status}


def bootstrap(values: np.ndarray, statistic: str, resamples: int, seed: int) -> tuple[float, float]:
    """The 95 % percentile interval of a statistic; NaN for fewer than two values."""
    if len(values) < 2:
        return math.nan, math.nan
    if np.ptp(values) == 0:
        return float(values[0]), float(values[0])
    from scipy import stats

    # Before scipy 1.15 the argument has another name.
    known = inspect.signature(stats.bootstrap).parameters
    generator: dict[str, Any] = {"rng" if "rng" in known else "random_state": np.random.default_rng(seed)}
    found = stats.bootstrap(
        (values,),
        STATISTICS[statistic],
        n_resamples=resamples,
        confidence_level=CONFIDENCE,
        method="percentile",
        **generator,
    ).confidence_interval
    return float(found.low), float(found.high)
