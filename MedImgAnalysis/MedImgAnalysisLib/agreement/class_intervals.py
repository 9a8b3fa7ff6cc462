"""Intervals of classification scores: Wilson, DeLong, and the bootstrap over cases or over groups."""

from __future__ import annotations

import math

import numpy as np

from ..progress import Progress
from . import roc
from .class_scores import confusion, numbers
from .class_table import Cases

Interval = tuple[float, float, str]
"""Lower end, upper end, and the method."""


def wilson(part: int, whole: int) -> tuple[float, float]:
    """95 % interval of a proportion (Wilson 1927); NaN of nothing."""
    if not whole:
        return math.nan, math.nan
    from scipy.stats import binomtest

    found = binomtest(part, whole).proportion_ci(0.95, method="wilson")
    return float(found.low), float(found.high)


def analytic(cases: Cases) -> dict[str, Interval]:
    """Wilson intervals of the proportions and that of DeLong for the AUC of two classes.

    They take the cases as independent, which several cases of one patient are not.
    """
    matrix = confusion(cases)
    right, total = int(np.trace(matrix)), int(matrix.sum())
    found: dict[str, Interval] = {"accuracy": (*wilson(right, total), "wilson")}
    if not cases.binary:
        return found
    (tn, fp), (fn, tp) = (map(int, row) for row in matrix)
    parts = {"sensitivity": (tp, fn), "specificity": (tn, fp), "precision": (tp, fp), "npv": (tn, fn)}
    found |= {key: (*wilson(part, part + rest), "wilson") for key, (part, rest) in parts.items()}
    if cases.score is not None:
        found["roc_auc"] = (*roc.delong(cases.truth == 1, cases.score), "delong")
    return found


def bootstrap(cases: Cases, resamples: int, seed: int, progress: Progress) -> dict[str, Interval]:
    """95 % percentile intervals of every score; whole groups are drawn where there are groups.

    Samples in which a score is undefined (one class missing) do not enter its interval; more than a tenth of
    them leave it undefined.
    """
    rng = np.random.default_rng(seed)
    members = None
    if cases.groups is not None:
        members = [np.flatnonzero(cases.groups == group) for group in range(len(cases.group_names))]
        if len(members) < 2:
            return {}
    drawn: dict[str, list[float]] = {}
    for number in range(resamples):
        if number % 20 == 0:
            progress.report(number / resamples, "Bootstrap")
        if members is None:
            rows = rng.integers(0, len(cases.truth), len(cases.truth))
        else:
            rows = np.concatenate([members[group] for group in rng.integers(0, len(members), len(members))])
        for key, value in numbers(cases.take(rows)).items():
            drawn.setdefault(key, []).append(value)
    found: dict[str, Interval] = {}
    for key, values in drawn.items():
        defined = np.array([value for value in values if not math.isnan(value)])
        if len(defined) >= 0.9 * resamples:
            low, high = np.percentile(defined, [2.5, 97.5])
            found[key] = (float(low), float(high), "bootstrap" if members is None else "bootstrap of groups")
    return found
