"""How well a classification agrees with the truth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np

from ..operation import Operation
from ..parameters import Choice, Quantity
from ..progress import SILENT, Progress
from ..values import Column, Curves, Measurements
from . import class_groups, class_intervals, class_scores, roc
from .class_intervals import Interval
from .class_table import Cases, read_cases

SCORES = (
    Column("metric", "Metric", "", "Key of the score", str),
    Column("value", "Value", "", "The score over all cases"),
    Column("ci_low", "95 % interval from", "", "Lower end of the interval"),
    Column("ci_high", "95 % interval to", "", "Upper end of the interval"),
    Column("interval", "Interval", "", "How the interval was found", str),
    Column("definition", "Definition", "", "What the score is", str),
    Column("status", "Status", "", "Why a number is missing", str),
)


class ClassComparison(NamedTuple):
    """Outputs of `compare_classes` by role."""

    table: Measurements
    per_class: Measurements
    confusion: Measurements
    groups: Measurements | None
    roc: Curves | None
    precision_recall: Curves | None
    calibration: Curves | None


@dataclass(frozen=True)
class CompareClasses(Operation):
    """Compare predicted classes, or scores, with the truth, case by case.

    Takes a table with one row per case. Two classes: accuracy, sensitivity, specificity, precision, NPV, F1,
    balanced accuracy, Matthews correlation, Cohen's kappa, Youden's J and, with a score, the area under the ROC
    curve (mid-rank form of Mann and Whitney, ties count half), average precision, Brier score (1950),
    calibration and the threshold of the largest J, which is optimistic when it is chosen and judged on the same
    cases. Several classes: the same for each class against the rest, macro and weighted averages, balanced
    accuracy as mean recall. A score at or above the threshold is positive.

    Intervals of 95 %: Wilson (1927) for proportions, DeLong (1988) for the AUC, bootstrap percentiles for the
    rest; where a group is given (the patient) all are bootstraps of whole groups, since cases of one patient are
    not independent. Undefined scores are empty with a status: precision of a class that is never predicted, AUC
    of one class alone.

    Inputs
    ------
    table
        One row per case, with the columns named below.

    Outputs
    -------
    table
        One row per score, with its interval.
    per_class
        One row per class, against the rest.
    confusion
        Counts; rows are the truth, columns the prediction.
    groups
        Scores of subsets of groups with mean and spread, where a group is given.
    roc
        Receiver operating characteristic, where there are scores.
    precision_recall
        Precision over recall, where there are scores.
    calibration
        Part of positives over mean score, where scores are between 0 and 1.

    Parameters
    ----------
    truth
        Column of the true class.
    prediction
        Column of the predicted class; empty to take it from the score.
    score
        Column of the score of the positive class, or one column per class separated by commas, in the order of the
        classes; empty if there is none.
    grouped_by
        Column of the patient or other group to which cases belong; empty if every case stands for itself.
    classes
        Labels in order, separated by commas; empty for those of the table, numbers by value and texts by alphabet.
    positive
        Label of the positive class of two; empty for 1 or true, or the last of classes.
    threshold
        Score from which a case is positive, where the prediction is taken from the score.
    interval
        Formulas where there are some, or the bootstrap for all.
    resamples
        Number of bootstrap samples; 0 for none.
    seed
        Start of the random numbers of bootstrap and folds.
    bins
        Number of equally wide bins of the calibration.
    subsets
        Scores of each group, of all but one group at a time, or of folds of whole groups.
    folds
        Number of folds.
    """

    name: ClassVar[str] = "compare_classes"
    title: ClassVar[str] = "Compare classes"
    group: ClassVar[str] = "Classification"
    memory_factor: ClassVar[float] = 1.0

    truth: str = "truth"
    prediction: str = "prediction"
    score: str = "score"
    grouped_by: str = ""
    classes: str = ""
    positive: str = ""
    threshold: float = 0.5
    interval: Annotated[str, Choice("analytic", "bootstrap")] = "analytic"
    resamples: Annotated[int, Quantity("", low=0, high=100_000)] = 1000
    seed: Annotated[int, Quantity("", low=0, high=2**31 - 1)] = 1
    bins: Annotated[int, Quantity("", low=2, high=100)] = 10
    subsets: Annotated[str, Choice("each_group", "leave_group_out", "k_fold")] = "each_group"
    folds: Annotated[int, Quantity("", low=2, high=1000)] = 5

    def run(self, table: Measurements, *, progress: Progress = SILENT) -> ClassComparison:
        progress.report(0.0, "Reading the table")
        cases = read_cases(
            table,
            truth=self.truth,
            prediction=self.prediction,
            score=self.score,
            group=self.grouped_by,
            classes=self.classes,
            positive=self.positive,
            threshold=self.threshold,
            progress=progress,
        )
        intervals = self._intervals(cases, progress.part(0.0, 0.9))
        rows = [_row(key, value, intervals, cases) for key, value in class_scores.numbers(cases).items()]
        named = _named(cases)
        probable = bool(named) and all(score.min() >= 0 and score.max() <= 1 for _, _, score in named)
        groups = None
        if self.grouped_by:
            groups = class_groups.summary(cases, self.subsets, self.folds, self.seed, progress)
        progress.report(1.0)
        return ClassComparison(
            Measurements(SCORES, (*_sizes(cases), *rows, *self._extras(cases, probable))),
            Measurements(class_scores.PER_CLASS, tuple(class_scores.per_class(cases))),
            _confusion(cases),
            groups,
            roc.roc_curves(named) if named else None,
            roc.precision_recall_curves(named) if named else None,
            roc.calibration_curves(named, self.bins) if probable else None,
        )

    def _intervals(self, cases: Cases, progress: Progress) -> dict[str, Interval]:
        found: dict[str, Interval] = {}
        if self.resamples:
            found |= class_intervals.bootstrap(cases, self.resamples, self.seed, progress)
        if self.interval == "analytic" and cases.groups is None:
            found |= class_intervals.analytic(cases)
        return found

    def _extras(self, cases: Cases, probable: bool) -> list[dict[str, Any]]:
        """Operating point and calibration of two classes."""
        if cases.score is None:
            return []
        positive = cases.truth == 1
        best, threshold, sensitivity, specificity = roc.best_youden(positive, cases.score)
        why = "" if math.isfinite(best) else "one_class"
        rows = [
            _plain("best_youden_j", best, "Largest sensitivity + specificity - 1 over all thresholds", why),
            _plain("best_threshold", threshold, "Score at which it is reached, the highest of equal ones", why),
            _plain("best_sensitivity", sensitivity, "Sensitivity there", why),
            _plain("best_specificity", specificity, "Specificity there", why),
        ]
        errors = roc.calibration_error(positive, cases.score, self.bins) if probable else (math.nan, math.nan)
        why = "" if probable else "scores_outside_0_to_1"
        text = f"over {self.bins} equally wide bins of the score"
        return [
            *rows,
            _plain("calibration_error", errors[0], f"Mean of |part of positives - mean score| {text}", why),
            _plain("largest_calibration_error", errors[1], f"Largest |part of positives - mean score| {text}", why),
        ]


def _plain(key: str, value: float, text: str, status: str = "") -> dict[str, Any]:
    return {"metric": key, "value": float(value), "definition": text, "status": status}


def _sizes(cases: Cases) -> list[dict[str, Any]]:
    rows = [
        _plain("n", len(cases.truth), "Cases"),
        _plain("left_out", cases.left_out, "Rows that lack a value"),
    ]
    if cases.binary:
        (tn, fp), (fn, tp) = class_scores.confusion(cases)
        name = cases.classes[1]
        rows += [
            _plain("n_positive", tp + fn, f"Cases of the positive class, {name}"),
            _plain("tp", tp, f"Cases of {name} predicted so"),
            _plain("fp", fp, f"Other cases predicted as {name}"),
            _plain("fn", fn, f"Cases of {name} not predicted so"),
            _plain("tn", tn, f"Other cases not predicted as {name}"),
        ]
    if cases.groups is not None:
        rows.append(_plain("n_groups", len(cases.group_names), "Groups"))
    return rows


def _row(key: str, value: float, intervals: dict[str, Interval], cases: Cases) -> dict[str, Any]:
    low, high, method = intervals.get(key, (math.nan, math.nan, ""))
    row = _plain(key, value, (class_scores.BINARY if cases.binary else class_scores.MULTI)[key])
    if math.isnan(value):
        outside = key == "brier" and cases.score is not None
        row["status"] = "scores_outside_0_to_1" if outside else "undefined"
        low, high, method = math.nan, math.nan, ""
    elif math.isnan(low) or math.isnan(high):
        row["status"] = "no_interval"
        method = ""
    return row | {"ci_low": low, "ci_high": high, "interval": method}


def _named(cases: Cases) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """(class, whether a case is of it, its score) for every class that has a curve."""
    if cases.scores is None:
        return []
    if cases.score is not None:
        return [(cases.classes[1], cases.truth == 1, cases.score)]
    return [(name, cases.truth == at, cases.scores[:, at]) for at, name in enumerate(cases.classes)]


def _confusion(cases: Cases) -> Measurements:
    columns = (
        Column("truth", "Truth", "", "Label of the true class", str),
        *(
            Column(f"predicted_{name}", f"Predicted {name}", "", f"Cases that were predicted to be {name}", int)
            for name in cases.classes
        ),
    )
    rows = [
        {"truth": name, **{f"predicted_{other}": int(n) for other, n in zip(cases.classes, line)}}
        for name, line in zip(cases.classes, class_scores.confusion(cases))
    ]
    return Measurements(columns, tuple(rows))
