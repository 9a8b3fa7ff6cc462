"""Classification: closed forms, ties, intervals, groups, several classes, tables that are wrong."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from MedImgAnalysisLib.agreement import CompareClasses, roc
from MedImgAnalysisLib.agreement.class_intervals import wilson
from MedImgAnalysisLib.errors import InputError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.values import Column, Measurements

cases = st.integers(8, 60).flatmap(
    lambda n: st.tuples(
        st.lists(st.booleans(), min_size=n, max_size=n).filter(lambda v: 1 < sum(v) < len(v) - 1),
        st.lists(st.integers(0, 12), min_size=n, max_size=n),
    )
)


def table(**columns) -> Measurements:
    kinds = {key: type(next((v for v in values if v is not None), "")) for key, values in columns.items()}
    heads = tuple(Column(key, key, "", dtype=kinds[key]) for key in columns)
    return Measurements(heads, tuple(dict(zip(columns, row)) for row in zip(*columns.values())))


def run(given, **parameters):
    parameters = {"resamples": 0, **parameters}
    return execute(CompareClasses(**parameters), {"table": given})


def values(result) -> dict[str, float]:
    return {row["metric"]: row["value"] for row in result.outputs["table"].rows}


def binary(truth, score, **parameters):
    return values(run(table(truth=truth, score=score), prediction="", **parameters))


@given(cases)
def test_the_area_is_the_share_of_pairs_in_the_right_order_with_ties_half(given_cases):
    truth, score = (np.array(v) for v in given_cases)
    apart = score[truth][:, None] - score[~truth][None, :]
    expected = (apart > 0).mean() + (apart == 0).mean() / 2
    assert roc.auc(truth, score.astype(float)) == pytest.approx(expected)
    curve = roc.roc_curves([("a", truth, score.astype(float))]).series[0]
    assert np.trapezoid(curve.y, curve.x) == pytest.approx(expected)
    assert roc.auc(truth, -score.astype(float)) == pytest.approx(1 - expected)


@given(cases)
def test_average_precision_and_best_point_are_those_of_all_thresholds(given_cases):
    truth, score = (np.array(v) for v in given_cases)
    points = []
    for t in sorted(set(score.tolist()), reverse=True):
        chosen = score >= t
        points.append(((chosen & truth).sum() / truth.sum(), (chosen & truth).sum() / chosen.sum(), chosen, t))
    recall = [0.0, *(p[0] for p in points)]
    expected = sum((b - a) * p[1] for a, b, p in zip(recall, recall[1:], points))
    assert roc.average_precision(truth, score.astype(float)) == pytest.approx(expected)
    youden = [(p[2] & truth).sum() / truth.sum() - (p[2] & ~truth).sum() / (~truth).sum() for p in points]
    best, threshold, sensitivity, specificity = roc.best_youden(truth, score.astype(float))
    assert best == pytest.approx(max(youden)) == pytest.approx(sensitivity + specificity - 1)
    assert threshold in {p[3] for p, j in zip(points, youden) if j == pytest.approx(max(youden))}


def test_scores_of_a_confusion_matrix_by_hand():
    truth = [1] * 10 + [0] * 30
    prediction = [1] * 8 + [0] * 2 + [1] * 5 + [0] * 25
    found = values(run(table(truth=truth, prediction=prediction), score=""))
    expected = {
        "tp": 8, "fp": 5, "fn": 2, "tn": 25, "accuracy": 33 / 40, "sensitivity": 0.8, "specificity": 25 / 30,
        "precision": 8 / 13, "npv": 25 / 27, "f1": 16 / 23, "balanced_accuracy": (0.8 + 25 / 30) / 2,
        "mcc": (8 * 25 - 5 * 2) / math.sqrt(13 * 10 * 30 * 27), "youden_j": 0.8 + 25 / 30 - 1,
    }  # fmt: skip
    assert {key: found[key] for key in expected} == pytest.approx(expected)
    chance = (13 * 10 + 27 * 30) / 1600
    assert found["kappa"] == pytest.approx((33 / 40 - chance) / (1 - chance))


def test_a_score_at_the_threshold_is_positive():
    found = binary([1, 1, 0, 0], [0.5, 0.7, 0.5, 0.4], threshold=0.5)
    assert (found["tp"], found["fp"], found["fn"], found["tn"]) == (2, 1, 0, 1)


@settings(max_examples=20, deadline=None)
@given(cases)
def test_renaming_classes_swaps_what_it_should(given_cases):
    truth, score = given_cases
    prediction = [s > 6 for s in score]
    one, two = (
        values(run(table(truth=list(map(str, truth)), prediction=list(map(str, prediction))), score="", positive=p))
        for p in ("True", "False")
    )
    assert (one["sensitivity"], one["fp"]) == (two["specificity"], two["fn"])
    for key in ("accuracy", "mcc", "kappa", "balanced_accuracy"):
        assert one[key] == pytest.approx(two[key], nan_ok=True)


def test_one_class_alone_and_a_class_never_predicted_are_undefined_and_not_zero():
    result = run(table(truth=[1, 1, 1], score=[0.2, 0.6, 0.9]), prediction="")
    rows = {row["metric"]: row for row in result.outputs["table"].rows}
    for key in ("specificity", "roc_auc", "balanced_accuracy", "best_youden_j"):
        assert math.isnan(rows[key]["value"]) and rows[key]["status"]
    never = run(table(truth=["a", "b", "c", "a"], prediction=["a", "b", "b", "a"]), score="").outputs
    row = never["per_class"].rows[2]
    assert math.isnan(row["precision"]) and row["f1"] == 0 and row["status"] == "never_predicted"


def test_wilson_intervals_of_published_proportions():
    # Newcombe (1998), table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    for part, whole, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        assert wilson(part, whole) == pytest.approx((low, high), abs=5e-5)


def test_delong_has_the_variance_of_its_definition_and_agrees_with_the_bootstrap():
    rng = np.random.default_rng(3)
    truth = np.repeat([True, False], [60, 90])
    score = np.round(rng.normal(truth * 1.0, 1.0), 1)
    apart = score[truth][:, None] - score[~truth][None, :]
    wins = (apart > 0) + (apart == 0) / 2
    variance = wins.mean(axis=1).var(ddof=1) / 60 + wins.mean(axis=0).var(ddof=1) / 90
    low, high = roc.delong(truth, score)
    assert (high - low) / 2 == pytest.approx(1.959964 * math.sqrt(variance), rel=1e-6)
    given_table = table(truth=[int(t) for t in truth], score=score.tolist())
    result = run(given_table, prediction="", threshold=0.5, resamples=1500, interval="bootstrap")
    row = next(r for r in result.outputs["table"].rows if r["metric"] == "roc_auc")
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((low, high), abs=0.02) and row["interval"] == "bootstrap"


def test_scores_that_separate_completely_have_no_delong_interval():
    result = run(table(truth=[0, 0, 0, 1, 1, 1], score=[0.1, 0.2, 0.3, 0.6, 0.7, 0.8]), prediction="")
    row = next(r for r in result.outputs["table"].rows if r["metric"] == "roc_auc")
    assert row["value"] == 1 and math.isnan(row["ci_low"]) and row["status"] == "no_interval"


def test_bootstrap_of_patients_is_wider_than_of_their_equal_images():
    rng = np.random.default_rng(5)
    truth, right = np.repeat(rng.integers(0, 2, 30), 10), np.repeat(rng.random(30) < 0.7, 10)
    prediction = np.where(right, truth, 1 - truth)
    given_table = table(truth=truth.tolist(), prediction=prediction.tolist(), patient=np.repeat(range(30), 10).tolist())
    widths = []
    for grouped_by in ("", "patient"):
        result = run(given_table, score="", grouped_by=grouped_by, resamples=500, interval="bootstrap")
        row = next(r for r in result.outputs["table"].rows if r["metric"] == "accuracy")
        widths.append(row["ci_high"] - row["ci_low"])
    assert widths[1] > 2 * widths[0]


def test_subsets_keep_patients_together():
    rng = np.random.default_rng(6)
    patients = np.repeat([f"P{n}" for n in range(10)], 6).tolist()
    truth = rng.integers(0, 2, 60).tolist()
    prediction = [int(t if rng.random() < 0.8 else 1 - t) for t in truth]
    given_table = table(truth=truth, prediction=prediction, patient=patients)

    def groups(**parameters):
        return run(given_table, score="", grouped_by="patient", **parameters).outputs["groups"].rows

    each = groups()
    assert [row["set"] for row in each] == [*(f"P{n}" for n in range(10)), "mean", "sd"]
    assert each[-2]["accuracy"] == pytest.approx(np.mean([row["accuracy"] for row in each[:-2]]))
    folds = groups(subsets="k_fold", folds=3)
    assert [row["n"] for row in folds[:-2]] == [24, 18, 18] and folds == groups(subsets="k_fold", folds=3)
    out = groups(subsets="leave_group_out")
    right = np.equal(truth, prediction)
    assert out[3]["accuracy"] == pytest.approx(np.delete(right, slice(18, 24)).mean()) and out[3]["n"] == 54
    values_ = np.array([row["accuracy"] for row in out[:-2]])
    assert out[-1]["accuracy"] == pytest.approx(math.sqrt(9 / 10 * ((values_ - values_.mean()) ** 2).sum()))


def test_a_calibrated_score_has_no_calibration_error():
    score = np.repeat([0.25, 0.75], 400)
    truth = np.concatenate([np.tile([1, 0, 0, 0], 100), np.tile([1, 1, 1, 0], 100)])
    found = binary(truth.tolist(), score.tolist())
    assert found["calibration_error"] == pytest.approx(0) and found["brier"] == pytest.approx(0.1875)
    shifted = binary(truth.tolist(), (score + 0.1).tolist())
    assert shifted["calibration_error"] == pytest.approx(0.1)
    result = run(table(truth=truth.tolist(), score=(score * 10).tolist()), prediction="")
    assert result.outputs["calibration"] is None
    row = next(r for r in result.outputs["table"].rows if r["metric"] == "brier")
    assert row["status"] == "scores_outside_0_to_1"


def test_labels_are_the_same_however_they_are_written():
    plain = values(run(table(truth=[0, 1, 1, 0], prediction=[0, 1, 0, 0]), score=""))
    floats = values(run(table(truth=[0.0, 1.0, 1.0, 0.0], prediction=["0", "1", "0", "0"]), score=""))
    assert plain == pytest.approx(floats, nan_ok=True)


def test_rows_that_lack_a_value_are_left_out_and_counted():
    given_table = table(truth=[0, 1, None, 1, 0], score=[0.1, 0.9, 0.5, math.nan, 0.2])
    result = run(given_table, prediction="")
    assert values(result)["n"] == 3 and values(result)["left_out"] == 2
    assert any("2 of 5 rows" in warning for warning in result.warnings)


@pytest.mark.parametrize(
    ("columns", "parameters", "words"),
    [
        ({"truth": [0, 1]}, {}, "no column 'prediction'"),
        ({"truth": [0, 1]}, {"prediction": "", "score": ""}, "prediction, of the score"),
        ({"truth": ["benign", "malignant"], "prediction": ["benign", "benign"]}, {"score": ""}, "Give positive"),
        ({"truth": [0, 1], "score": ["high", "low"]}, {"prediction": ""}, "no number"),
        ({"truth": [0, 1], "score": [0.1, math.inf]}, {"prediction": ""}, "infinite"),
        ({"truth": [0, 1, 2], "score": [0.1, 0.2, 0.3]}, {"prediction": ""}, "1 score columns"),
        ({"truth": [0, 1, 2], "prediction": [0, 1, 2]}, {"score": "", "positive": "1"}, "for two"),
        ({"truth": [0, 1], "prediction": [0, 1]}, {"score": "", "classes": "0,2"}, "not in classes"),
        ({"truth": [None, None], "prediction": [0, 1]}, {"score": ""}, "No row"),
    ],
)
def test_tables_that_cannot_be_judged_are_refused_with_the_reason(columns, parameters, words):
    with pytest.raises(InputError, match=words):
        run(table(**columns), **parameters)


def test_the_positive_class_of_texts_is_the_one_that_is_named():
    given_table = table(truth=["benign", "malignant", "malignant"], prediction=["benign", "malignant", "benign"])
    found = values(run(given_table, score="", positive="malignant"))
    assert (found["sensitivity"], found["specificity"]) == (0.5, 1)
    listed = values(run(given_table, score="", classes="benign, malignant"))
    assert listed["sensitivity"] == 0.5
