"""Every reference value of agreement metrics, from independent implementations and closed forms, is met."""

from __future__ import annotations

from collections import Counter

import pytest
import reference_checks
import SimpleITK as sitk
from medimg_testing import agrees, find_data, find_reference_values, reference_cases
from MedImgAnalysisLib import files
from MedImgAnalysisLib.agreement import (
    CompareClasses,
    CompareLesions,
    CompareSegmentations,
    Consensus,
    RaterAgreement,
)
from MedImgAnalysisLib.execution import execute

pytestmark = pytest.mark.skipif(find_reference_values() is None, reason="the reference values are not here")

INFORMATION = {"/n_distinct_scores"}
"""Entries that describe the input; they are no results."""


def entries(expected, path=""):
    """(path, value with its tolerance) of a tree of expected values; bare numbers are met to 1e-9."""
    if isinstance(expected, dict) and "value" in expected:
        yield path, expected
    elif isinstance(expected, dict):
        for key, part in expected.items():
            yield from entries(part, f"{path}/{key}")
    elif isinstance(expected, list):
        for number, part in enumerate(expected):
            yield from entries(part, f"{path}/{number}")
    elif path not in INFORMATION and isinstance(expected, (int, float)):
        yield path, {"value": expected, "tol_rel": 1e-9, "tol_abs": 1e-9}


def spread(entry: dict):
    """One entry per element for a list with one tolerance."""
    if isinstance(entry["value"], list):
        for number, value in enumerate(entry["value"]):
            yield f"/{number}", {**entry, "value": value}
    else:
        yield "", entry


def inputs(case: dict) -> list[sitk.Image]:
    return [sitk.ReadImage(str(find_data() / entry["file"])) for entry in case["inputs"]]


def surface_key(key: str) -> str:
    """`voxel.nsd_1` is our `voxel_nsd_1mm`."""
    key = key.replace(".", "_")
    return f"{key}mm" if "_nsd_" in key else key


def compared(case: dict) -> dict:
    reference, test = inputs(case)
    return execute(CompareSegmentations(tolerances_mm=(1, 2, 3)), {"reference": reference, "test": test}).outputs


def segmentation(case: dict) -> dict[str, float]:
    (row,) = compared(case)["table"].rows
    return {f"/{key}": row.get(surface_key(key)) for key in case["expected"]}


def multi_label(case: dict) -> dict[str, float]:
    outputs = compared(case)
    numbers = [int(row["segment"].removeprefix("Segment_")) for row in outputs["table"].rows]
    found: dict[str, float] = {f"/labels/{n}": number for n, number in enumerate(sorted(numbers))}
    for label, values in case["expected"]["per_label"].items():
        row = next(row for row in outputs["table"].rows if row["segment"] == f"Segment_{label}")
        found |= {f"/per_label/{label}/{key}": row[surface_key(key)] for key in values}
    names = {
        "macro_dice_union_labels": "macro_dice",
        "gds_square_ref_labels": "gds_square",
        "gds_simple_ref_labels": "gds_simple",
        "gds_uniform": "micro_dice",
        "gds_square_monai_convention": "gds_square_monai",
        "gds_simple_monai_convention": "gds_simple_monai",
        "multiclass_kappa_incl_background": "multiclass_kappa",
    }
    (row,) = outputs["summary"].rows
    aggregate = case["expected"]["aggregate"]
    return found | {f"/aggregate/{key}": row[names.get(key, key)] for key in aggregate}


def instances(case: dict) -> dict[str, float]:
    images = dict(zip(("reference", "test"), inputs(case)))
    names = {"precision": "match_precision", "recall": "match_recall", "f1": "match_f1", "sq_iou": "sq"}
    names["mean_dice_fp_fn_as_zero"] = "mean_lesion_dice"
    found: dict[str, float] = {}
    for word, connectivity in (("conn26", "corners"), ("conn6", "faces")):
        outputs = execute(CompareLesions(connectivity=connectivity, iou_thresholds=(0.1, 0.5)), images).outputs
        for row in outputs["summary"].rows:
            found |= {f"/{word}/{key}": row[key] for key in ("connectivity", "n_ref", "n_pred")}
            found |= {f"/{word}/any_overlap/{key}": value for key, value in row.items()}
            block = case["expected"][word][f"one_to_one_iou_{row['iou_threshold']:g}"]
            path = f"/{word}/one_to_one_iou_{row['iou_threshold']:g}"
            found |= {f"{path}/{key}": row[names.get(key, key)] for key in block}
        volumes = [row["volume_mm3"] for row in outputs["table"].rows if row["side"] == "reference"]
        found |= {f"/{word}/volumes_ref_mm3/{n}": volume for n, volume in enumerate(volumes)}
    return found


def inter_rater(case: dict) -> dict[str, float]:
    raters = {"raters": inputs(case)}
    outputs = execute(RaterAgreement(surfaces="none"), raters).outputs
    found: dict[str, float] = {}
    for row in outputs["table"].rows:
        pair = f"{row['rater_a'] - 1}-{row['rater_b'] - 1}"
        found[f"/pairwise_kappa_full_grid/{pair}"] = row["kappa_full_grid"]
        found[f"/pairwise_dice/{pair}"] = row["dice"]
    (row,) = outputs["summary"].rows
    found["/fleiss_kappa_full_grid"] = row["fleiss_kappa_full_grid"]
    found["/fleiss_kappa_union_bounding_box"] = row["fleiss_kappa"]
    found["/generalised_jaccard"] = row["generalised_jaccard"]
    for word, domain in (("staple_full_grid", "image"), ("staple_union_box", "union_box")):
        rows = execute(Consensus(domain=domain), raters).outputs["table"].rows
        for n, row in enumerate(rows):
            found |= {f"/{word}/{key}/{n}": row[key] for key in ("sensitivity", "specificity")}
        found[f"/{word}/consensus_voxels"] = rows[0]["consensus_voxels"]
    rows = execute(Consensus(method="majority"), raters).outputs["table"].rows
    return found | {"/majority_voxels": rows[0]["consensus_voxels"]}


def classification(case: dict) -> dict[str, float]:
    table = files.read(find_data() / case["inputs"][0]["file"], "table")
    several = "/own/recall/0" in dict(entries(case["expected"]))
    given = {"prediction": "pred", "score": "p0,p1,p2,p3"} if several else {"prediction": ""}
    outputs = execute(CompareClasses(resamples=0, **given), {"table": table}).outputs
    row = {row["metric"]: row["value"] for row in outputs["table"].rows}
    found = {f"/{key}": value for key, value in row.items()} | {f"/own/{key}": value for key, value in row.items()}
    if several:
        for n, line in enumerate(outputs["per_class"].rows):
            found |= {f"/own/{key}/{n}": line[key] for key in ("recall", "precision", "f1")}
            found[f"/own/ovr_auc/{n}"] = line["auc"]
        for n, line in enumerate(outputs["confusion"].rows):
            found |= {f"/confusion_rows_truth_cols_pred/{n}/{m}": line[f"predicted_{m}"] for m in range(4)}
    else:
        found["/own/roc_auc_rank_ties_half"] = row["roc_auc"]
        found |= {"/best_youden/j": row["best_youden_j"], "/best_youden/threshold": row["best_threshold"]}
    return found


FAMILIES = {
    "segmentation": segmentation,
    "segmentation-empty": segmentation,
    "multi-label": multi_label,
    "instances": instances,
    "inter-rater": inter_rater,
    "classification": classification,
}
ROUNDED = {"/staple_union_box": 3e-6}
"""Values that carry no tolerance and come from another implementation of an iteration that stops elsewhere."""
NOT_REPORTED = {"/staple_full_grid/prior"}


def test_every_reference_value_is_met(figures):
    counts: Counter = Counter()
    wrong = []
    for family, measure in FAMILIES.items():
        for name, case in reference_cases(family).items():
            found = measure(case)
            for path, entry in entries(case["expected"]):
                for suffix, single in spread(entry):
                    at = path + suffix
                    if at in NOT_REPORTED:
                        continue
                    loose = next((tol for start, tol in ROUNDED.items() if at.startswith(start)), None)
                    single = {**single, "tol_abs": loose} if loose else single
                    counts[family] += 1
                    if at not in found or not agrees(single, found[at]):
                        wrong.append((name, at, single["value"], found.get(at, "missing")))
    figures.say("reference values met: " + ", ".join(f"{family} {n}" for family, n in counts.items()))
    assert not wrong
    for family, count in counts.items():
        reference_checks.met(family, count)
    assert set(counts) == set(FAMILIES) and counts.total() >= 1051
