"""Receiver operating characteristic, precision-recall and calibration of a score.

A case counts as positive when its score is at or above the threshold. Cases of equal score share one
point of every curve.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..values import Curve, Curves


class Steps(NamedTuple):
    """Counts at each distinct score, from the highest one down."""

    thresholds: np.ndarray
    tp: np.ndarray
    fp: np.ndarray


def steps(positive: np.ndarray, score: np.ndarray) -> Steps:
    """True and false positives when everything at or above a threshold counts as positive."""
    order = np.argsort(-score, kind="stable")
    ranked = score[order]
    last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    hits = np.cumsum(positive[order])[last]
    return Steps(ranked[last], hits, last + 1 - hits)


def auc(positive: np.ndarray, score: np.ndarray) -> float:
    """P(s+ > s-) + P(s+ = s-) / 2 from mid-ranks (Mann and Whitney); NaN unless both classes are there."""
    from scipy.stats import rankdata

    m, n = int(positive.sum()), int((~positive).sum())
    if not m or not n:
        return math.nan
    return float((rankdata(score)[positive].sum() - m * (m + 1) / 2) / (m * n))


def delong(positive: np.ndarray, score: np.ndarray) -> tuple[float, float]:
    """95 % interval of the AUC from the variance of DeLong et al. (1988), cut at 0 and 1.

    By ranks (Sun and Xu 2014). NaN with fewer than two cases of a class or when the scores separate the
    classes completely, since the variance is then zero and means nothing.
    """
    from scipy.stats import norm, rankdata

    m, n = int(positive.sum()), int((~positive).sum())
    if m < 2 or n < 2:
        return math.nan, math.nan
    pooled = rankdata(score)
    above = (pooled[positive] - rankdata(score[positive])) / n
    below = 1 - (pooled[~positive] - rankdata(score[~positive])) / m
    variance = float(above.var(ddof=1) / m + below.var(ddof=1) / n)
    if variance <= 0:
        return math.nan, math.nan
    middle, half = float(above.mean()), float(norm.ppf(0.975)) * math.sqrt(variance)
    return max(0.0, middle - half), min(1.0, middle + half)


def average_precision(positive: np.ndarray, score: np.ndarray) -> float:
    """Sum over the thresholds of (R_n - R_(n-1)) P_n, without interpolation; NaN without positives."""
    total = int(positive.sum())
    if not total:
        return math.nan
    found = steps(positive, score)
    recall = found.tp / total
    return float(np.sum(np.diff(recall, prepend=0.0) * found.tp / (found.tp + found.fp)))


def best_youden(positive: np.ndarray, score: np.ndarray) -> tuple[float, float, float, float]:
    """Largest sensitivity + specificity - 1: (J, threshold, sensitivity, specificity); of equal ones the highest
    threshold. NaN unless both classes are there."""
    m, n = int(positive.sum()), int((~positive).sum())
    if not m or not n:
        return math.nan, math.nan, math.nan, math.nan
    found = steps(positive, score)
    # In integers, so that equal values are equal: J m n = TP n - FP m.
    at = int(np.argmax(found.tp * n - found.fp * m))
    sensitivity, specificity = float(found.tp[at] / m), float(1 - found.fp[at] / n)
    return sensitivity + specificity - 1, float(found.thresholds[at]), sensitivity, specificity


def calibration(positive: np.ndarray, score: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean score, part of positives and number of cases of each of equally wide bins of [0, 1] that has cases."""
    at = np.minimum((score * bins).astype(int), bins - 1)
    count = np.bincount(at, minlength=bins)
    used = count > 0
    mean = np.bincount(at, score, minlength=bins)[used] / count[used]
    return mean, np.bincount(at, positive, minlength=bins)[used] / count[used], count[used]


def calibration_error(positive: np.ndarray, score: np.ndarray, bins: int) -> tuple[float, float]:
    """Expected calibration error, the mean of |part of positives - mean score| over the cases, and the largest."""
    mean, part, count = calibration(positive, score, bins)
    apart = np.abs(part - mean)
    return float(np.average(apart, weights=count)), float(apart.max())


def roc_curves(named: list[tuple[str, np.ndarray, np.ndarray]]) -> Curves:
    """ROC curves of (name, positive, score), and the line of chance."""
    series = []
    for name, positive, score in named:
        m, n = int(positive.sum()), int((~positive).sum())
        if m and n:
            found = steps(positive, score)
            series.append(Curve(name, np.append(0.0, found.fp / n), np.append(0.0, found.tp / m)))
    series.append(Curve("Chance", np.array([0.0, 1.0]), np.array([0.0, 1.0]), "dashed"))
    return Curves("ROC", "1 - specificity", "Sensitivity", tuple(series))


def precision_recall_curves(named: list[tuple[str, np.ndarray, np.ndarray]]) -> Curves:
    """Precision-recall curves of (name, positive, score), and the prevalence as the line of chance."""
    series = []
    for name, positive, score in named:
        total = int(positive.sum())
        if total:
            found = steps(positive, score)
            precision = found.tp / (found.tp + found.fp)
            series.append(Curve(name, np.append(0.0, found.tp / total), np.append(precision[0], precision)))
            chance = np.full(2, total / len(positive))
            series.append(Curve(f"Chance, {name}", np.array([0.0, 1.0]), chance, "dashed"))
    return Curves("Precision and recall", "Recall", "Precision", tuple(series))


def calibration_curves(named: list[tuple[str, np.ndarray, np.ndarray]], bins: int) -> Curves:
    """Part of positives over mean score of (name, positive, score), and the line of a perfect score."""
    series = []
    for name, positive, score in named:
        mean, part, _ = calibration(positive, score, bins)
        series.append(Curve(name, mean, part))
    series.append(Curve("Perfect", np.array([0.0, 1.0]), np.array([0.0, 1.0]), "dashed"))
    return Curves("Calibration", "Mean score", "Part of positives", tuple(series))
