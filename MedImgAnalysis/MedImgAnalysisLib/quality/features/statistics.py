"""Statistics of the intensities in a region (IBSI family UHIW), and the same of grey levels."""

from __future__ import annotations

import math

import numpy as np

from ..findings import Findings
from .feature import Feature

_TEXTS = (
    ("mean", "Q4LE", "X6K6", "Mean", "Mean"),
    ("var", "ECT3", "CH89", "Variance", "Variance with n"),
    ("skew", "KE2A", "88K1", "Skewness", "Third standardised moment, 0 when the variance is 0"),
    ("kurt", "IPH6", "C3I7", "Excess kurtosis", "Fourth standardised moment - 3, 0 when the variance is 0"),
    ("median", "Y12H", "WIFQ", "Median", "Median"),
    ("min", "1GSF", "1PR8", "Minimum", "Smallest"),
    ("p10", "QG58", "GPMT", "10th percentile", "10th percentile, linear between order statistics"),
    ("p90", "8DWT", "OZ0C", "90th percentile", "90th percentile"),
    ("max", "84IY", "3NCY", "Maximum", "Largest"),
    ("iqr", "SALO", "WR0O", "Interquartile range", "75th - 25th percentile"),
    ("range", "2OJQ", "5Z3W", "Range", "Largest - smallest"),
    ("mad", "4FUA", "D2ZX", "Mean absolute deviation", "Mean |x - mean|"),
    (
        "rmad",
        "1128",
        "WRZB",
        "Robust mean absolute deviation",
        "The same of what lies between the 10th and 90th percentile",
    ),
    ("medad", "N72L", "4RNL", "Median absolute deviation", "Mean |x - median|"),
    ("cov", "7TET", "CWYJ", "Coefficient of variation", "SD / mean"),
    ("qcod", "9S40", "SLWD", "Quartile coefficient of dispersion", "(P75 - P25) / (P75 + P25)"),
)
FEATURES = (
    *(Feature(f"stat_{key}", code, f"Intensity, {title.lower()}", text) for key, code, _, title, text in _TEXTS),
    Feature("stat_energy", "N8CA", "Intensity, energy", "Sum of squares; grows with the number of voxels"),
    Feature("stat_rms", "5ZWQ", "Intensity, root mean square", "sqrt(sum of squares / n)"),
)
HISTOGRAM_FEATURES = tuple(
    Feature(f"ih_{key}", code, f"Grey levels, {title.lower()}", text) for key, _, code, title, text in _TEXTS
)


def put_statistics(found: Findings, values: np.ndarray, prefix: str = "stat_") -> None:
    """The statistics that intensities and grey levels share, and energy and RMS of intensities."""
    x = np.asarray(values, np.float64)
    if not x.size:
        keys = [f.tag for f in (FEATURES if prefix == "stat_" else HISTOGRAM_FEATURES)]
        found.missing("empty_region", *keys)
        return
    low, high = float(x.min()), float(x.max())
    mean = low if low == high else float(x.mean())
    gaps = x - mean
    squares = gaps * gaps
    variance = float(squares.mean())
    p10, p25, median, p75, p90 = (float(p) for p in np.percentile(x, (10, 25, 50, 75, 90)))
    middle = x[(x >= p10) & (x <= p90)]
    numbers = {
        "mean": mean,
        "var": variance,
        "skew": float(squares @ gaps) / x.size / variance**1.5 if variance else 0.0,
        "kurt": float(squares @ squares) / x.size / variance**2 - 3 if variance else 0.0,
        "median": median,
        "min": low,
        "p10": p10,
        "p90": p90,
        "max": high,
        "iqr": p75 - p25,
        "range": high - low,
        "mad": float(np.abs(gaps).mean()),
        "rmad": float(np.abs(middle - middle.mean()).mean()) if middle.size else math.nan,
        "medad": float(np.abs(x - median).mean()),
        "cov": math.sqrt(variance) / mean if mean else math.nan,
        "qcod": (p75 - p25) / (p75 + p25) if p75 + p25 else math.nan,
    }
    for key, value in numbers.items():
        found.put(prefix + key, value, "empty_range" if key == "rmad" else "zero_mean")
    if prefix == "stat_":
        energy = float(x @ x)
        found.put("stat_energy", energy)
        found.put("stat_rms", math.sqrt(energy / x.size))
