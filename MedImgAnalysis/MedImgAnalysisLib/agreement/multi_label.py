"""One row for all segments together: averages of Dice with every weighting under its own name.

With `R_l`, `P_l` and `I_l` the voxels of label l in the reference, in the test and in both, and
`D_l = 2 I_l / (R_l + P_l)`. Squared weights are ruled by the smallest structure, so look at the table of
segments as well. Crum 2006, Sudre 2017.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..values import Column
from .overlap import Counts, kappa_of

COLUMNS = (
    Column("segments", "Segments", "", "Segments that either side has", int),
    Column("segments_undefined", "Undefined", "", "Segments that are empty on both sides; they enter no average", int),
    Column("only_in_reference", "Only in reference", "", "Names of segments that the test does not have", str),
    Column("only_in_test", "Only in test", "", "Names of segments that the reference does not have", str),
    Column("macro_dice", "Macro Dice", "", "Mean of D_l over the segments of either side"),
    Column("macro_dice_ref_labels", "Macro Dice, reference", "", "Mean of D_l over the segments of the reference"),
    Column("micro_dice", "Micro Dice", "", "2 sum I_l / sum (R_l + P_l); equal to uniform generalised Dice"),
    Column("volume_weighted_dice", "Volume-weighted Dice", "", "sum R_l D_l / sum R_l"),
    Column(
        "gds_square", "Generalised Dice, square", "", "2 sum w I_l / sum w (R_l + P_l), w = 1 / R_l^2; R_l = 0 left out"
    ),
    Column(
        "gds_simple", "Generalised Dice, simple", "", "2 sum w I_l / sum w (R_l + P_l), w = 1 / R_l; R_l = 0 left out"
    ),
    Column("gds_square_monai", "Generalised Dice, square, MONAI", "", "As gds_square, R_l = 0 gets the largest weight"),
    Column("gds_simple_monai", "Generalised Dice, simple, MONAI", "", "As gds_simple, R_l = 0 gets the largest weight"),
    Column("overall_accuracy", "Overall accuracy", "", "Voxels of equal label, background included, over all voxels"),
    Column(
        "foreground_agreement", "Foreground agreement", "", "Voxels of equal label over those labelled on either side"
    ),
    Column("multiclass_kappa", "Multi-class kappa", "", "Cohen kappa of the labels, background included, whole grid"),
    Column("status", "Status", "", "Why a number is missing", str),
)


def summary(
    names: Sequence[str], counts: Sequence[Counts], voxels: int, labelled_on_both: int | None
) -> dict[str, Any]:
    """The row for all pairs.

    Parameters
    ----------
    counts
        Of each pair.
    voxels
        Of the common grid.
    labelled_on_both
        Voxels that have a label, whichever, on both sides; None where segments of one side overlap.
    """
    reference, test = [c.tp + c.fn for c in counts], [c.tp + c.fp for c in counts]
    both = [c.tp for c in counts]
    dice = [2 * i / (r + p) if r + p else math.nan for r, p, i in zip(reference, test, both)]
    defined = [d for d in dice if not math.isnan(d)]
    row: dict[str, Any] = {
        "segments": sum(bool(name) for name in names),
        "segments_undefined": sum(bool(n) for n, d in zip(names, dice) if math.isnan(d)),
        "only_in_reference": ", ".join(n for n, r, p in zip(names, reference, test) if r and not p),
        "only_in_test": ", ".join(n for n, r, p in zip(names, reference, test) if p and not r),
        "macro_dice": _mean(defined),
        "macro_dice_ref_labels": _mean([d for d, r in zip(dice, reference) if r]),
        "micro_dice": _ratio(2 * sum(both), sum(reference) + sum(test)),
        "volume_weighted_dice": _ratio(sum(r * d for r, d in zip(reference, dice) if r), sum(reference)),
    }
    for key, power in (("square", 2), ("simple", 1)):
        weights = [1 / r**power if r else 0.0 for r in reference]
        largest = [w or max(weights) for w in weights]
        row[f"gds_{key}"] = _generalised(weights, reference, test, both)
        row[f"gds_{key}_monai"] = _generalised(largest, reference, test, both)
    row |= _label_agreement(reference, test, both, voxels, labelled_on_both)
    row["status"] = _status(reference, test, labelled_on_both)
    return row


def _status(reference: Sequence[int], test: Sequence[int], labelled_on_both: int | None) -> str:
    if not sum(reference):
        return "reference_empty" if sum(test) else "both_empty"
    if not sum(test):
        return "prediction_empty"
    return "overlapping_segments" if labelled_on_both is None else ""


def _generalised(weights: Sequence[float], reference: Sequence[int], test: Sequence[int], both: Sequence[int]) -> float:
    return _ratio(
        2 * math.fsum(w * i for w, i in zip(weights, both)),
        math.fsum(w * (r + p) for w, r, p in zip(weights, reference, test)),
    )


def _label_agreement(
    reference: Sequence[int], test: Sequence[int], both: Sequence[int], voxels: int, labelled_on_both: int | None
) -> Mapping[str, float]:
    """Scores that need one label per voxel."""
    if labelled_on_both is None:
        return dict.fromkeys(("overall_accuracy", "foreground_agreement", "multiclass_kappa"), math.nan)
    in_reference, in_test, equal = sum(reference), sum(test), sum(both)
    either = in_reference + in_test - labelled_on_both
    chance = sum(r * p for r, p in zip(reference, test)) + (voxels - in_reference) * (voxels - in_test)
    agreed = equal + voxels - either
    return {
        "overall_accuracy": _ratio(agreed, voxels),
        "foreground_agreement": _ratio(equal, either),
        "multiclass_kappa": kappa_of(agreed, chance, voxels),
    }


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else math.nan
