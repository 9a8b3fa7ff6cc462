"""Consensus, agreement of raters, agreement of readings: closed forms, published examples, edge cases."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from medimg_testing import oblique_grid
from MedImgAnalysisLib.agreement import CompareReadings, Consensus, RaterAgreement
from MedImgAnalysisLib.agreement.raters import fleiss_kappa
from MedImgAnalysisLib.agreement.reliability import differences, icc
from MedImgAnalysisLib.errors import InputError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.values import Column, Labels, Measurements


def labels(arrays, names=None) -> Labels:
    names = names or [f"S{n}" for n in range(len(arrays))]
    return Labels.from_masks(
        [(name, oblique_grid(sitk.GetImageFromArray(np.asarray(a, np.uint8)))) for name, a in zip(names, arrays)]
    )


def join(raters, **parameters):
    return execute(Consensus(**parameters), {"raters": raters})


def noisy(seed, count=3, size=(8, 9, 10), errors=0.1):
    rng = np.random.default_rng(seed)
    truth = np.zeros(size, bool)
    truth[2:6, 2:7, 2:8] = True
    return [truth ^ (rng.random(size) < errors) for _ in range(count)]


@pytest.mark.parametrize(("method", "combine"), [("union", np.logical_or), ("intersection", np.logical_and)])
def test_union_and_intersection_are_what_they_say(method, combine):
    masks = noisy(1)
    outputs = join([labels([m]) for m in masks], method=method).outputs
    found = sitk.GetArrayFromImage(outputs["labels"].mask(outputs["labels"].segments[0])).astype(bool)
    assert np.array_equal(found, combine.reduce(masks))
    key = "specificity" if method == "union" else "sensitivity"
    assert all(row[key] == 1 for row in outputs["table"].rows)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_majority_needs_more_than_half_and_counts_ties(count):
    masks = noisy(2, count)
    outputs = join([labels([m]) for m in masks], method="majority").outputs
    total = np.sum(masks, axis=0)
    found = sitk.GetArrayFromImage(outputs["labels"].mask(outputs["labels"].segments[0])).astype(bool)
    assert np.array_equal(found, total > count / 2)
    assert outputs["table"].rows[0]["ties"] == (int((2 * total == count).sum()) if count % 2 == 0 else 0)


def staple_by_hand(masks, steps=500):
    """Warfield 2004, written out."""
    votes = np.stack([m.ravel() for m in masks]).astype(float)
    prior, p, q = votes.mean(), np.full(len(masks), 0.99999), np.full(len(masks), 0.99999)
    for _ in range(steps):
        a = prior * np.prod(np.where(votes > 0, p[:, None], 1 - p[:, None]), axis=0)
        b = (1 - prior) * np.prod(np.where(votes > 0, 1 - q[:, None], q[:, None]), axis=0)
        w = a / (a + b)
        p, q = (votes @ w) / w.sum(), ((1 - votes) @ (1 - w)) / (1 - w).sum()
    return w, p, q


def test_staple_is_the_expectation_maximisation_of_its_paper():
    masks = noisy(3, 5, errors=0.15)
    outputs = join([labels([m]) for m in masks], domain="image").outputs
    w, p, q = staple_by_hand(masks)
    rows = outputs["table"].rows
    assert [row["sensitivity"] for row in rows] == pytest.approx(p, abs=1e-4)
    assert [row["specificity"] for row in rows] == pytest.approx(q, abs=1e-4)
    assert rows[0]["consensus_voxels"] == int((w >= 0.5).sum())


def test_staple_depends_on_the_background_and_says_how_much_there_was():
    masks = noisy(4, errors=0.02)
    raters = [labels([m]) for m in masks]
    whole = join(raters, domain="image").outputs["table"].rows
    boxed = join(raters).outputs["table"].rows
    assert whole[0]["domain_voxels"] == 8 * 9 * 10 >= boxed[0]["domain_voxels"]


@pytest.mark.parametrize("method", ["staple", "multi_label_staple", "majority", "intersection", "union"])
def test_raters_that_agree_are_the_consensus(method):
    mask = noisy(5, 1, errors=0)[0]
    outputs = join([labels([mask])] * 3, method=method, domain="image").outputs
    found = sitk.GetArrayFromImage(outputs["labels"].mask(outputs["labels"].segments[0])).astype(bool)
    assert np.array_equal(found, mask)
    for row in outputs["table"].rows:
        assert row["sensitivity"] == pytest.approx(1, abs=1e-4) and row["dice"] == 1


def test_multi_label_staple_finds_both_structures():
    rng = np.random.default_rng(6)
    truth = np.zeros((10, 10, 12), np.uint8)
    truth[2:8, 2:8, 1:5], truth[2:8, 2:8, 7:11] = 1, 2
    raters = []
    for _ in range(5):
        seen = truth.copy()
        wrong = rng.random(truth.shape) < 0.08
        seen[wrong] = rng.integers(0, 3, int(wrong.sum()))
        raters.append(labels([seen == 1, seen == 2], ["left", "right"]))
    outputs = join(raters, method="multi_label_staple").outputs
    made = outputs["labels"]
    for value, name in ((1, "left"), (2, "right")):
        found = sitk.GetArrayFromImage(made.mask(made.find(name))) > 0
        assert np.count_nonzero(found != (truth == value)) <= 3
    assert all(0.8 < row["sensitivity"] <= 1 for row in outputs["table"].rows)


def test_structures_belong_together_by_name_and_missing_ones_are_said():
    a, b = noisy(7, 2, errors=0.02)
    result = join([labels([a, b], ["x", "y"]), labels([b, a], ["Y ", "X"]), labels([a], ["x"])], method="majority")
    assert list(result.outputs["labels"].names) == ["x", "y"]
    assert any("Rater 3 has no segment 'y'" in warning for warning in result.warnings)
    found = sitk.GetArrayFromImage(result.outputs["labels"].mask(result.outputs["labels"].find("x")))
    assert np.array_equal(found > 0, a)


def test_raters_without_any_voxel_give_no_invented_number():
    nothing = np.zeros((5, 6, 7))
    for method in ("staple", "majority", "multi_label_staple"):
        for row in join([labels([nothing])] * 2, method=method).outputs["table"].rows:
            assert math.isnan(row["sensitivity"]) and row["status"] == "all_empty"
    outputs = execute(RaterAgreement(), {"raters": [labels([nothing])] * 2}).outputs
    assert outputs["table"].rows[0]["status"] == "both_empty" and outputs["summary"].rows[0]["status"] == "all_empty"


def test_one_rater_is_refused_and_so_are_overlapping_labels():
    mask = noisy(8, 1)[0]
    for operation in (Consensus(), RaterAgreement()):
        with pytest.raises(InputError, match="two raters"):
            execute(operation, {"raters": [labels([mask])]})
        nobody = sitk.Image([4, 4, 4], sitk.sitkUInt8)
        with pytest.raises(InputError, match="No rater"):
            execute(operation, {"raters": [nobody, nobody]})
    with pytest.raises(InputError, match="overlap"):
        join([labels([mask, mask])] * 2, method="multi_label_staple")


def test_consensus_of_different_grids_is_on_the_extended_grid_of_the_first():
    mask = noisy(9, 1, errors=0)[0]
    image = oblique_grid(sitk.GetImageFromArray(mask.astype(np.uint8)))
    part = Labels.from_labelmap(image[:, :, 1:7])
    result = join([part, Labels.from_labelmap(image)], method="union")
    found = result.outputs["labels"]
    assert sum(sitk.GetArrayFromImage(found.mask(found.segments[0])).ravel()) == mask.sum()
    assert any("different grids" in warning for warning in result.warnings)


def test_fleiss_kappa_of_a_published_example_of_two_categories():
    # Ten subjects, six raters; kappa from the definition, term by term.
    marks = [0, 6, 3, 5, 1, 6, 0, 2, 4, 6]
    histogram = [marks.count(j) for j in range(7)]
    agreement = np.mean([(j * (j - 1) + (6 - j) * (5 - j)) / 30 for j in marks])
    p = sum(marks) / 60
    chance = p * p + (1 - p) ** 2
    assert fleiss_kappa(histogram) == pytest.approx((agreement - chance) / (1 - chance))
    assert math.isnan(fleiss_kappa([5, 0, 0])) and math.isnan(fleiss_kappa([0, 0, 7]))
    assert fleiss_kappa([5, 0, 7]) == 1


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), order=st.permutations(range(3)))
def test_agreement_does_not_depend_on_the_order_of_raters(seed, order):
    masks = noisy(seed, errors=0.2)
    plain, moved = (
        execute(RaterAgreement(), {"raters": [labels([masks[n]]) for n in chosen]}).outputs
        for chosen in (range(3), order)
    )
    for key, value in plain["summary"].rows[0].items():
        assert moved["summary"].rows[0][key] == (pytest.approx(value) if isinstance(value, float) else value)
    pairs = {frozenset((r["rater_a"] - 1, r["rater_b"] - 1)): r for r in plain["table"].rows}
    for row in moved["table"].rows:
        other = pairs[frozenset((order[row["rater_a"] - 1], order[row["rater_b"] - 1]))]
        for key in ("dice", "kappa", "kappa_full_grid", "surfel_hd95", "surfel_assd"):
            assert row[key] == pytest.approx(other[key])


SHROUT = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float)
"""Six subjects and four judges of Shrout and Fleiss (1979), table 2."""


def test_intraclass_correlations_of_the_example_of_shrout_and_fleiss():
    row = icc(SHROUT)
    assert row["icc_2_1"] == pytest.approx(0.29, abs=0.005) and row["icc_3_1"] == pytest.approx(0.71, abs=0.005)
    assert (row["icc_2_1_low"], row["icc_2_1_high"]) == pytest.approx((0.02, 0.76), abs=0.005)
    assert (row["icc_3_1_low"], row["icc_3_1_high"]) == pytest.approx((0.34, 0.95), abs=0.005)


@given(st.floats(-100, 100), st.floats(0.1, 10), st.permutations(range(4)))
def test_intraclass_correlation_does_not_depend_on_unit_origin_and_order(shift, scale, order):
    plain, moved = icc(SHROUT), icc(SHROUT[:, order] * scale + shift)
    for key in ("icc_2_1", "icc_3_1", "icc_2_1_low", "icc_3_1_high"):
        assert moved[key] == pytest.approx(plain[key], abs=1e-6)


def test_a_constant_bias_lowers_absolute_agreement_only():
    values = np.random.default_rng(1).normal(50, 10, (20, 1)) + np.array([0.0, 5.0])
    row = icc(values)
    assert row["icc_3_1"] == pytest.approx(1) and row["icc_2_1"] < 0.95 and row["status"] == "no_error_variance"
    assert icc(np.ones((5, 3)))["status"] == "zero_variance"
    assert icc(values[:1])["status"] == "too_few_subjects"


@pytest.mark.parametrize(
    ("table", "two", "status"),
    [
        ([[1, 3], [2, 2], [3, 1]], -3.0, "no_interval"),
        ([[1.1, 1.2], [1.2, 1.1]], math.nan, "no_total_variance"),
        ([[0.9545, -1.2071, 0.6442], [0.185, -0.8194, 0.7278], [0.181, -1.007, 1.2605]], -0.05033, "no_interval"),
    ],
)
def test_few_subjects_that_raters_order_the_other_way_round_have_no_interval(table, two, status):
    row = icc(np.array(table, float))
    assert row["icc_2_1"] == pytest.approx(two, abs=1e-4, nan_ok=True) and row["status"] == status
    assert math.isnan(row["icc_2_1_low"]) and math.isnan(row["icc_2_1_high"])
    assert row["icc_3_1_low"] <= row["icc_3_1"] <= row["icc_3_1_high"]


def test_subjects_that_are_all_alike_have_no_correlation_also_when_raters_differ():
    row = icc(np.tile([10.0, 11.5, 9.0], (4, 1)))
    assert row["status"] == "zero_variance" and np.isnan(row["icc_2_1"]) and np.isnan(row["icc_3_1"])


def test_limits_of_agreement_by_hand():
    row = differences(np.array([1.0, 2, 3, 4, np.nan]), np.array([2.0, 2, 5, 5, 7]))
    apart = np.array([1.0, 0, 2, 1])
    assert row["n"] == 4 and row["bias"] == 1 and row["sd"] == pytest.approx(apart.std(ddof=1))
    assert row["limit_high"] - row["limit_low"] == pytest.approx(2 * 1.96 * row["sd"])


def readings(values, names="ABCDEFG"):
    columns = (Column("subject", "Subject", dtype=int), Column("rater", "Rater", dtype=str), Column("value", "V", "ml"))
    rows = [
        {"subject": s, "rater": names[r], "value": float(v)}
        for (s, r), v in np.ndenumerate(np.asarray(values, float))
        if math.isfinite(v)
    ]
    return Measurements(columns, tuple(rows))


def test_readings_from_a_table_give_the_same_numbers():
    outputs = execute(CompareReadings(), {"table": readings(SHROUT)}).outputs
    assert outputs["reliability"].rows[0]["icc_2_1"] == pytest.approx(icc(SHROUT)["icc_2_1"])
    assert len(outputs["table"].rows) == 6 == math.comb(4, 2)
    for row, (a, b) in zip(outputs["table"].rows, itertools.combinations(range(4), 2)):
        assert row["bias"] == pytest.approx((SHROUT[:, b] - SHROUT[:, a]).mean())
    assert {c.unit for c in outputs["table"].columns if c.key == "bias"} == {"ml"}


def test_missing_double_and_single_readings_are_not_guessed():
    gaps = SHROUT.copy()
    gaps[2, 1] = np.nan
    result = execute(CompareReadings(), {"table": readings(gaps)})
    assert result.outputs["reliability"].rows[0]["n_subjects"] == 5
    assert any("1 of 6 subjects" in warning for warning in result.warnings)
    table = readings(SHROUT)
    with pytest.raises(InputError, match="two values"):
        execute(CompareReadings(), {"table": Measurements(table.columns, (*table.rows, table.rows[0]))})
    with pytest.raises(InputError, match="needs two"):
        execute(CompareReadings(), {"table": readings(SHROUT[:, :1])})
    with pytest.raises(InputError, match="no column 'reader'"):
        execute(CompareReadings(rater="reader"), {"table": table})
