"""The plot of Bland and Altman: differences of two raters over their means."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..values import Curve, Curves
from . import reliability


def bland_altman(title: str, unit: str, pairs: Sequence[tuple[str, np.ndarray, np.ndarray]]) -> Curves:
    """One series of points per pair of raters, then bias and limits over all pairs as level lines.

    Parameters
    ----------
    pairs
        Name, values of the first rater and of the second one.
    """
    series = []
    means, apart = [np.zeros(0)], [np.zeros(0)]
    for name, first, second in pairs:
        known = np.isfinite(first) & np.isfinite(second)
        middle, difference = (first[known] + second[known]) / 2, second[known] - first[known]
        series.append(Curve(name, middle, difference, "points"))
        means.append(middle)
        apart.append(difference)
    across, pooled = np.concatenate(means), np.concatenate(apart)
    if len(pooled) > 1:
        ends = np.array([across.min(), across.max()])
        numbers = reliability.differences(np.zeros(len(pooled)), pooled)
        for name, key in (("Bias", "bias"), ("Lower limit", "limit_low"), ("Upper limit", "limit_high")):
            series.append(Curve(name, ends, np.full(2, numbers[key]), "dashed"))
    return Curves(title, "Mean of both", "Second minus first", tuple(series), unit, unit)
