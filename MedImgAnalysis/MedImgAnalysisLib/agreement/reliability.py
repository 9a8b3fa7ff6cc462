"""Agreement of measured numbers: intraclass correlation and differences of pairs of raters."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..values import Column

ICC_COLUMNS = (
    Column("n_subjects", "Subjects", "", "Subjects that all raters measured", int),
    Column("n_raters", "Raters", "", "Raters", int),
    Column("icc_2_1", "ICC(2,1)", "", "Two-way random effects, absolute agreement, single rater"),
    Column("icc_2_1_low", "ICC(2,1) from", "", "Lower end of the 95 % interval"),
    Column("icc_2_1_high", "ICC(2,1) to", "", "Upper end of the 95 % interval"),
    Column("icc_3_1", "ICC(3,1)", "", "Two-way mixed effects, consistency, single rater"),
    Column("icc_3_1_low", "ICC(3,1) from", "", "Lower end of the 95 % interval"),
    Column("icc_3_1_high", "ICC(3,1) to", "", "Upper end of the 95 % interval"),
    Column("status", "Status", "", "Why a number is missing", str),
)
ALPHA = 0.05


def difference_columns(unit: str) -> tuple[Column, ...]:
    """Columns of `differences` for values of a unit."""
    return (
        Column("n", "n", "", "Subjects that both measured", int),
        Column("bias", "Bias", unit, "Mean of second minus first"),
        Column("sd", "SD of differences", unit, "Sample standard deviation of the differences, n - 1"),
        Column("limit_low", "Lower limit of agreement", unit, "Bias - 1.96 SD"),
        Column("limit_high", "Upper limit of agreement", unit, "Bias + 1.96 SD"),
        Column("bias_low", "Bias from", unit, "Lower end of the 95 % interval of the bias, Student t"),
        Column("bias_high", "Bias to", unit, "Upper end of the 95 % interval of the bias, Student t"),
        Column("status", "Status", "", "Why a number is missing", str),
    )


def icc(values: np.ndarray) -> dict[str, Any]:
    """Intraclass correlations of a complete table.

    With the mean squares of subjects MSR, raters MSC and error MSE of n subjects and k raters:
    ICC(2,1) = (MSR - MSE) / (MSR + (k - 1) MSE + k (MSC - MSE) / n),
    ICC(3,1) = (MSR - MSE) / (MSR + (k - 1) MSE) (Shrout and Fleiss 1979); intervals of McGraw and Wong (1996).

    Parameters
    ----------
    values
        One row per subject, one column per rater; rows with an undefined value are left out.
    """
    table = np.asarray(values, float)
    table = table[np.isfinite(table).all(axis=1)]
    n, k = table.shape
    row: dict[str, Any] = {"n_subjects": n, "n_raters": k}
    keys = [column.key for column in ICC_COLUMNS if column.key.startswith("icc")]
    if n < 2 or k < 2:
        return row | dict.fromkeys(keys, math.nan) | {"status": "too_few_subjects" if n < 2 else "too_few_raters"}
    grand = table.mean()
    msr = k * float(((table.mean(axis=1) - grand) ** 2).sum()) / (n - 1)
    msc = n * float(((table.mean(axis=0) - grand) ** 2).sum()) / (k - 1)
    rest = table - table.mean(axis=1, keepdims=True) - table.mean(axis=0, keepdims=True) + grand
    mse = float((rest**2).sum()) / ((n - 1) * (k - 1))
    scale = float((table**2).mean())
    if max(msr, mse) <= 1e-24 * scale or scale == 0:
        # Subjects that are all alike tell nothing about how well raters agree on them, also when raters differ.
        return row | dict.fromkeys(keys, math.nan) | {"status": "zero_variance"}
    total = msr + (k - 1) * mse + k * (msc - mse) / n
    # With two subjects that two raters exchange the sum of the variances is 0.
    two = (msr - mse) / total if abs(total) > 1e-12 * (msr + msc + mse) else math.nan
    three = (msr - mse) / (msr + (k - 1) * mse)
    numbers = (two, *_interval_2(n, k, msr, msc, mse, two), three, *_interval_3(n, k, msr, mse))
    why = "no_error_variance" if mse <= 1e-15 * msr else "no_interval" if math.isfinite(two) else "no_total_variance"
    return row | dict(zip(keys, numbers)) | {"status": "" if all(map(math.isfinite, numbers)) else why}


def _interval_2(n: int, k: int, msr: float, msc: float, mse: float, value: float) -> tuple[float, float]:
    from scipy import stats

    if not value < 1 or mse <= 1e-15 * msr:
        return math.nan, math.nan
    a = k * value / (n * (1 - value))
    b = 1 + k * value * (n - 1) / (n * (1 - value))
    bottom = (a * msc) ** 2 / (k - 1) + (b * mse) ** 2 / ((n - 1) * (k - 1))
    if bottom <= 1e-24 * (msc + mse) ** 2:
        return math.nan, math.nan
    freedom = (a * msc + b * mse) ** 2 / bottom
    low = stats.f.ppf(1 - ALPHA / 2, n - 1, freedom)
    high = stats.f.ppf(1 - ALPHA / 2, freedom, n - 1)
    rest = k * msc + (k * n - k - n) * mse
    if not math.isfinite(low) or not math.isfinite(high):
        return math.nan, math.nan
    ends = (
        float(n * (msr - low * mse) / (low * rest + n * msr)),
        float(n * (high * msr - mse) / (rest + n * high * msr)),
    )
    # Of few subjects with a correlation below 0 the approximation may leave the correlation out.
    return ends if ends[0] <= value <= ends[1] else (math.nan, math.nan)


def _interval_3(n: int, k: int, msr: float, mse: float) -> tuple[float, float]:
    from scipy import stats

    if mse <= 1e-15 * msr:
        return math.nan, math.nan
    ratio = msr / mse
    freedom = (n - 1) * (k - 1)
    low = ratio / stats.f.ppf(1 - ALPHA / 2, n - 1, freedom)
    high = ratio * stats.f.ppf(1 - ALPHA / 2, freedom, n - 1)
    return float((low - 1) / (low + k - 1)), float((high - 1) / (high + k - 1))


def differences(first: np.ndarray, second: np.ndarray) -> dict[str, Any]:
    """Bias and limits of agreement of two raters (Bland and Altman 1986); undefined values are left out."""
    from scipy import stats

    apart = np.asarray(second, float) - np.asarray(first, float)
    apart = apart[np.isfinite(apart)]
    n = len(apart)
    keys = ("bias", "sd", "limit_low", "limit_high", "bias_low", "bias_high")
    if not n:
        return {"n": 0, **dict.fromkeys(keys, math.nan), "status": "too_few_subjects"}
    bias = float(apart.mean())
    if n < 2:
        return {"n": n, **dict.fromkeys(keys, math.nan), "bias": bias, "status": "too_few_subjects"}
    sd = float(apart.std(ddof=1))
    half = float(stats.t.ppf(1 - ALPHA / 2, n - 1)) * sd / math.sqrt(n)
    numbers = (bias, sd, bias - 1.96 * sd, bias + 1.96 * sd, bias - half, bias + half)
    return {"n": n, **dict(zip(keys, numbers)), "status": ""}
