"""The overlap block: counts of two masks and everything that follows from them.

Dice 1945, Jaccard 1912, Taha and Hanbury 2015, Maier-Hein et al. 2024. Undefined numbers are NaN,
never 0; the status says why. All arithmetic is on Python integers and float64.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..progress import Progress
from ..values import Column

COLUMNS = (
    Column("tp", "TP", "", "Voxels in both", int),
    Column("fp", "FP", "", "Voxels in the test only", int),
    Column("fn", "FN", "", "Voxels in the reference only", int),
    Column("tn", "TN", "", "Voxels in neither, over the whole common grid", int),
    Column("dice", "Dice", "", "2 TP / (2 TP + FP + FN)"),
    Column("jaccard", "Jaccard", "", "TP / (TP + FP + FN)"),
    Column("precision", "Precision", "", "TP / (TP + FP), positive predictive value"),
    Column("recall", "Recall", "", "TP / (TP + FN), sensitivity"),
    Column("specificity", "Specificity", "", "TN / (TN + FP); depends on how much background the grid has"),
    Column("fpr", "False positive rate", "", "FP / (FP + TN); depends on how much background the grid has"),
    Column("fnr", "False negative rate", "", "FN / (FN + TP)"),
    Column("accuracy", "Accuracy", "", "(TP + TN) / all voxels; depends on how much background the grid has"),
    Column("volume_similarity", "Volume similarity", "", "1 - |FN - FP| / (2 TP + FP + FN)"),
    Column("kappa", "Cohen kappa", "", "(p_o - p_e) / (1 - p_e) over all voxels of the grid"),
    Column("volume_ref_mm3", "Reference volume", "mm3", "Volume of the reference"),
    Column("volume_pred_mm3", "Test volume", "mm3", "Volume of the test"),
    Column("volume_diff_mm3", "Volume difference", "mm3", "Test minus reference"),
    Column("volume_diff_percent", "Volume difference", "%", "100 (test - reference) / reference"),
)


class Counts(NamedTuple):
    """Voxels of the four kinds."""

    tp: int
    fp: int
    fn: int
    tn: int


def status(counts: Counts) -> str:
    """`both_empty`, `reference_empty`, `prediction_empty`, `no_background` or an empty text."""
    has_reference, has_test = counts.tp + counts.fn > 0, counts.tp + counts.fp > 0
    if has_reference and has_test:
        return "" if counts.fp + counts.tn else "no_background"
    if has_reference:
        return "prediction_empty"
    return "reference_empty" if has_test else "both_empty"


SENTENCES = {
    "both_empty": "no voxel on either side, so that overlap and distances are undefined",
    "reference_empty": "no voxel in the reference; overlap is 0, recall and distances are undefined",
    "prediction_empty": "no voxel in the test; overlap is 0, precision and distances are undefined",
    "no_background": "the reference fills the whole image, so that specificity is undefined",
}


def warn_of(names: Mapping[str, Sequence[str]], progress: Progress) -> None:
    """Say in a sentence which segments have a status, given their names by status."""
    for word, sentence in SENTENCES.items():
        if names.get(word):
            progress.warn(f"{', '.join(names[word])}: {sentence}.")


def overlap(counts: Counts, voxel_mm3: float, empty_score: float | None = None) -> dict[str, float]:
    """All numbers of the block. `empty_score` is the score of two empty masks, by default undefined.

    With `empty_score` it replaces Dice, Jaccard, volume similarity and kappa of the empty pair only.
    """
    tp, fp, fn, tn = counts
    total = tp + fp + fn + tn
    scores = {
        "dice": _ratio(2 * tp, 2 * tp + fp + fn),
        "jaccard": _ratio(tp, tp + fp + fn),
        "volume_similarity": 1 - _ratio(abs(fn - fp), 2 * tp + fp + fn),
        "kappa": _kappa(counts),
    }
    if empty_score is not None and tp + fp + fn == 0:
        scores = dict.fromkeys(scores, float(empty_score))
    return {
        "tp": tp,
        "fp": fp,
        "fn": fn,
        "tn": tn,
        **scores,
        "precision": _ratio(tp, tp + fp),
        "recall": _ratio(tp, tp + fn),
        "specificity": _ratio(tn, tn + fp),
        "fpr": _ratio(fp, fp + tn),
        "fnr": _ratio(fn, fn + tp),
        "accuracy": _ratio(tp + tn, total),
        "volume_ref_mm3": (tp + fn) * voxel_mm3,
        "volume_pred_mm3": (tp + fp) * voxel_mm3,
        "volume_diff_mm3": (fp - fn) * voxel_mm3,
        "volume_diff_percent": 100 * _ratio(fp - fn, tp + fn),
    }


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


def kappa_of(agreed: int, chance: int, total: int) -> float:
    """Cohen's kappa from the cases of equal label and the sum of products of the label counts of both sides.

    In exact integers up to the last division; NaN when chance alone explains everything.
    """
    return _ratio(agreed * total - chance, total * total - chance)


def _kappa(counts: Counts) -> float:
    """Cohen's kappa in exact integers: 2 (TP TN - FP FN) / ((TP+FP)(FP+TN) + (TP+FN)(FN+TN))."""
    tp, fp, fn, tn = counts
    return _ratio(2 * (tp * tn - fp * fn), (tp + fp) * (fp + tn) + (tp + fn) * (fn + tn))
