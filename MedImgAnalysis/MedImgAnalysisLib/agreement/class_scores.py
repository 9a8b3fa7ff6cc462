"""Numbers that follow from truth and prediction: two classes, several classes, class by class."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..values import Column
from . import roc
from .class_table import Cases
from .overlap import kappa_of

BINARY = {
    "accuracy": "(TP + TN) / n",
    "sensitivity": "TP / (TP + FN), recall",
    "specificity": "TN / (TN + FP)",
    "precision": "TP / (TP + FP), positive predictive value",
    "npv": "TN / (TN + FN), negative predictive value",
    "f1": "2 TP / (2 TP + FP + FN)",
    "balanced_accuracy": "(sensitivity + specificity) / 2",
    "mcc": "Matthews correlation coefficient",
    "kappa": "Cohen kappa",
    "youden_j": "Sensitivity + specificity - 1",
    "roc_auc": "P(score of a positive > score of a negative), ties count half",
    "average_precision": "Sum over thresholds of the step in recall times precision",
    "brier": "Mean squared difference of score and truth",
}
"""Scores of two classes and what they are."""

MULTI = {
    "accuracy": "Right predictions / n",
    "balanced_accuracy": "Mean recall of the classes",
    "macro_precision": "Mean precision of the classes with a defined one",
    "macro_f1": "Mean F1 of the classes",
    "weighted_f1": "Mean F1 of the classes, weighted with their number in the truth",
    "mcc": "Matthews correlation coefficient of several classes (Gorodkin 2004)",
    "kappa": "Cohen kappa",
    "macro_ovr_auc": "Mean of the AUC of each class against the rest",
}
"""Scores of several classes and what they are."""

PER_CLASS = (
    Column("class", "Class", "", "Label of the class", str),
    Column("n_truth", "In truth", "", "Cases of this class", int),
    Column("n_predicted", "Predicted", "", "Cases that were predicted to be of this class", int),
    Column("recall", "Recall", "", "Of the cases of this class, the part that was predicted so"),
    Column("precision", "Precision", "", "Of the cases predicted so, the part that is of this class"),
    Column("specificity", "Specificity", "", "Of the cases of other classes, the part that was not predicted so"),
    Column("f1", "F1", "", "Harmonic mean of precision and recall; 0 when the class is never predicted"),
    Column("auc", "AUC", "", "Area under the ROC curve of this class against the rest"),
    Column("status", "Status", "", "Why a number is missing", str),
)


def ratio(part: float, whole: float) -> float:
    """A quotient, NaN when nothing is there to divide by."""
    return part / whole if whole else math.nan


def confusion(cases: Cases) -> np.ndarray:
    """Counts (c, c): rows are the truth, columns the prediction."""
    size = len(cases.classes)
    return np.bincount(cases.truth * size + cases.prediction, minlength=size * size).reshape(size, size)


def numbers(cases: Cases) -> dict[str, float]:
    """The scores of `BINARY` or `MULTI`; undefined ones are NaN."""
    return _binary(cases) if cases.binary else _multi(cases)


def _binary(cases: Cases) -> dict[str, float]:
    (tn, fp), (fn, tp) = (map(int, row) for row in confusion(cases))
    sensitivity, specificity = ratio(tp, tp + fn), ratio(tn, tn + fp)
    found = {
        "accuracy": ratio(tp + tn, tp + tn + fp + fn),
        "sensitivity": sensitivity,
        "specificity": specificity,
        "precision": ratio(tp, tp + fp),
        "npv": ratio(tn, tn + fn),
        "f1": ratio(2 * tp, 2 * tp + fp + fn),
        "balanced_accuracy": (sensitivity + specificity) / 2,
        **_correlations(np.array([[tn, fp], [fn, tp]])),
        "youden_j": sensitivity + specificity - 1,
    }
    if cases.score is not None:
        positive = cases.truth == 1
        found["roc_auc"] = roc.auc(positive, cases.score)
        found["average_precision"] = roc.average_precision(positive, cases.score)
        probable = cases.score.min() >= 0 and cases.score.max() <= 1
        found["brier"] = float(np.mean((cases.score - positive) ** 2)) if probable else math.nan
    return found


def _multi(cases: Cases) -> dict[str, float]:
    matrix = confusion(cases)
    rows = per_class(cases)
    in_truth = matrix.sum(axis=1)
    f1 = [(row["f1"], int(n)) for row, n in zip(rows, in_truth) if not math.isnan(row["f1"])]
    found = {
        "accuracy": ratio(int(np.trace(matrix)), int(matrix.sum())),
        "balanced_accuracy": _mean([row["recall"] for row in rows]),
        "macro_precision": _mean([row["precision"] for row in rows]),
        "macro_f1": _mean([value for value, _ in f1]),
        "weighted_f1": ratio(math.fsum(value * n for value, n in f1), sum(n for _, n in f1)),
        **_correlations(matrix),
    }
    if cases.scores is not None:
        found["macro_ovr_auc"] = _mean([row["auc"] for row in rows])
    return found


def per_class(cases: Cases) -> list[dict[str, Any]]:
    """A row per class, each against all others."""
    matrix = confusion(cases)
    total = int(matrix.sum())
    rows = []
    for at, name in enumerate(cases.classes):
        tp, truth, predicted = int(matrix[at, at]), int(matrix[at].sum()), int(matrix[:, at].sum())
        row: dict[str, Any] = {
            "class": name,
            "n_truth": truth,
            "n_predicted": predicted,
            "recall": ratio(tp, truth),
            "precision": ratio(tp, predicted),
            "specificity": ratio(total - truth - predicted + tp, total - truth),
            "f1": ratio(2 * tp, truth + predicted),
        }
        if cases.scores is not None:
            score = cases.scores[:, at] if cases.scores.shape[1] > 1 else cases.scores[:, 0] * (1 if at else -1)
            row["auc"] = roc.auc(cases.truth == at, score)
        undefined = any(isinstance(value, float) and math.isnan(value) for value in row.values())
        reason = "not_in_truth" if not truth else "only_class_in_truth" if truth == total else "never_predicted"
        rows.append(row | {"status": reason if undefined else ""})
    return rows


def _correlations(matrix: np.ndarray) -> dict[str, float]:
    """MCC and Cohen's kappa of any number of classes, from exact integer sums."""
    counts = [[int(n) for n in row] for row in matrix]
    truth = [sum(row) for row in counts]
    predicted = [sum(line) for line in zip(*counts)]
    total, right = sum(truth), sum(row[n] for n, row in enumerate(counts))
    chance = sum(t * p for t, p in zip(truth, predicted))
    spread = (total**2 - sum(p * p for p in predicted)) * (total**2 - sum(t * t for t in truth))
    return {"mcc": ratio(right * total - chance, math.sqrt(spread)), "kappa": kappa_of(right, chance, total)}


def _mean(values: list[float]) -> float:
    defined = [value for value in values if not math.isnan(value)]
    return ratio(math.fsum(defined), len(defined))
