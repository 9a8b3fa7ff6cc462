"""Scores of detection and of one-to-one matching of objects."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..values import Column

COLUMNS = (
    Column(
        "iou_threshold", "IoU threshold", "", "IoU that a one-to-one match needs: above it from 0.5 on, else at least"
    ),
    Column(
        "connectivity", "Connectivity", "", "Neighbours that join voxels to one object; empty for given objects", int
    ),
    Column("n_ref", "Reference lesions", "", "Objects of the reference", int),
    Column("n_pred", "Test lesions", "", "Objects of the test", int),
    Column("ref_detected", "Detected", "", "Reference lesions that the test hits", int),
    Column("ref_missed", "Missed", "", "Reference lesions that the test does not hit", int),
    Column("pred_hits", "Test lesions that hit", "", "Test lesions that touch a reference lesion", int),
    Column("pred_false", "False test lesions", "", "Test lesions that touch no reference lesion", int),
    Column("sensitivity", "Lesion sensitivity", "", "Detected / reference lesions"),
    Column("ppv", "Lesion PPV", "", "Test lesions that hit / test lesions"),
    Column("f1", "Lesion F1", "", "Harmonic mean of lesion sensitivity and PPV"),
    Column("tp", "TP matched", "", "One-to-one matches", int),
    Column("fp", "FP matched", "", "Test lesions without a match", int),
    Column("fn", "FN matched", "", "Reference lesions without a match", int),
    Column("match_precision", "Precision matched", "", "TP / (TP + FP)"),
    Column("match_recall", "Recall matched", "", "TP / (TP + FN)"),
    Column("match_f1", "F1 matched", "", "TP / (TP + FP / 2 + FN / 2), recognition quality"),
    Column("sq", "Segmentation quality", "", "Mean IoU of the matches"),
    Column("sq_dice", "Mean Dice of matches", "", "Mean Dice of the matches"),
    Column("pq", "Panoptic quality", "", "Sum of IoU / (TP + FP / 2 + FN / 2) (Kirillov 2019)"),
    Column("mean_lesion_dice", "Mean lesion Dice", "", "Sum of Dice / (TP + FP + FN): unmatched lesions count as 0"),
    Column("status", "Status", "", "Why a number is missing", str),
)


def scores(
    sizes: tuple[int, int], detected: int, hits: int, iou: Sequence[float], dice: Sequence[float]
) -> dict[str, Any]:
    """The row of one IoU threshold.

    Parameters
    ----------
    sizes
        Objects of the reference and of the test.
    detected, hits
        Objects of the reference that are hit, objects of the test that hit; two kinds of true positive.
    iou, dice
        Of the one-to-one matches.
    """
    n_ref, n_pred = sizes
    tp = len(iou)
    fp, fn = n_pred - tp, n_ref - tp
    half = tp + fp / 2 + fn / 2
    sensitivity, ppv = _ratio(detected, n_ref), _ratio(hits, n_pred)
    return {
        "n_ref": n_ref,
        "n_pred": n_pred,
        "ref_detected": detected,
        "ref_missed": n_ref - detected,
        "pred_hits": hits,
        "pred_false": n_pred - hits,
        "sensitivity": sensitivity,
        "ppv": ppv,
        "f1": _harmonic(sensitivity, ppv),
        "tp": tp,
        "fp": fp,
        "fn": fn,
        "match_precision": _ratio(tp, n_pred),
        "match_recall": _ratio(tp, n_ref),
        "match_f1": _ratio(tp, half),
        "sq": _ratio(math.fsum(iou), tp),
        "sq_dice": _ratio(math.fsum(dice), tp),
        "pq": _ratio(math.fsum(iou), half),
        "mean_lesion_dice": _ratio(math.fsum(dice), tp + fp + fn),
        "status": _status(n_ref, n_pred, tp),
    }


SENTENCES = {
    "both_empty": "There are no lesions on either side, so all scores are undefined.",
    "reference_empty": "The reference has no lesions, so the sensitivity is undefined and every test lesion is false.",
    "prediction_empty": "The test has no lesions, so its precision is undefined and every reference lesion is missed.",
    "no_match": "No pair of lesions overlaps enough to match, so the quality of matches is undefined.",
}
"""What the status of a row of scores means."""


def _status(n_ref: int, n_pred: int, tp: int) -> str:
    if not n_ref:
        return "reference_empty" if n_pred else "both_empty"
    if not n_pred:
        return "prediction_empty"
    return "" if tp else "no_match"


def _harmonic(one: float, two: float) -> float:
    """Harmonic mean; 0 when one side has no objects and the other has, NaN when neither has."""
    if math.isnan(one) and math.isnan(two):
        return math.nan
    if math.isnan(one) or math.isnan(two) or one + two == 0:
        return 0.0
    return 2 * one * two / (one + two)


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else math.nan
