"""Cohorts: which pairs are compared, what the summary says, and that undefined values are counted."""

from __future__ import annotations

import math

import numpy as np
import pytest
import SimpleITK as sitk
from medimg_testing import oblique_grid
from MedImgAnalysisLib.agreement import CompareMany, CompareSegmentations
from MedImgAnalysisLib.agreement.box_plot import box_plot
from MedImgAnalysisLib.agreement.cohort import bootstrap, describe
from MedImgAnalysisLib.errors import InputError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.values import Column, Labels


def ball(radius, shift=0.0, empty=False) -> Labels:
    k, j, i = np.ogrid[:20, :22, :24]
    inside = (k - 10) ** 2 + (j - 11) ** 2 + (i - 12 - shift) ** 2 < radius**2
    array = np.uint8(inside & (not empty))
    return Labels.from_masks([("ball", oblique_grid(sitk.GetImageFromArray(array)))])


def run(reference, test, **parameters):
    return execute(CompareMany(**parameters), {"reference": reference, "test": test}).outputs


def test_each_pair_has_the_numbers_of_the_single_comparison():
    references, tests = [ball(5), ball(6), ball(7)], [ball(5, 1), ball(5, 1), ball(8, 2)]
    rows = run(references, tests, tolerances_mm=(2.0,))["table"].rows
    assert [(r["reference_number"], r["test_number"]) for r in rows] == [(1, 1), (2, 2), (3, 3)]
    for row, reference, test in zip(rows, references, tests):
        single = CompareSegmentations(tolerances_mm=(2.0,)).run(reference, test).table.rows[0]
        assert {key: row.get(key) for key in single} == single


def test_one_reference_serves_all_tests_and_all_pairs_can_be_asked_for():
    tests = [ball(5), ball(6)]
    assert len(run([ball(5)], tests, surfaces="none")["table"].rows) == 2
    assert len(run(tests, tests, surfaces="none", pairs="all")["table"].rows) == 4
    with pytest.raises(InputError, match="3 references and 2 tests"):
        run([*tests, ball(4)], tests)
    with pytest.raises(InputError, match="plot_metric"):
        run(tests, tests, plot_metric="beauty")


def test_the_summary_is_of_the_values_per_case_and_counts_undefined_ones():
    references = [ball(5), ball(6), ball(7), ball(5, empty=True)]
    tests = [ball(5, 1), ball(5, 1), ball(8, 2), ball(5, empty=True)]
    outputs = run(references, tests, surfaces="surfel")
    values = np.array([row["surfel_hd95"] for row in outputs["table"].rows])
    row = next(row for row in outputs["summary"].rows if row["metric"] == "surfel_hd95")
    assert (row["n"], row["n_undefined"], row["unit"]) == (3, 1, "mm")
    assert row["mean"] == pytest.approx(values[:3].mean()) and row["sd"] == pytest.approx(values[:3].std(ddof=1))
    assert (row["min"], row["median"], row["max"]) == pytest.approx(np.percentile(values[:3], [0, 50, 100]))
    assert row["ci_low"] <= row["mean"] <= row["ci_high"]


def test_the_interval_is_the_same_for_the_same_seed_and_covers_the_mean_of_a_normal_sample():
    values = np.random.default_rng(1).normal(10, 2, 40)
    assert bootstrap(values, "mean", 2000, 3) == bootstrap(values, "mean", 2000, 3)
    assert bootstrap(values, "mean", 2000, 3) != bootstrap(values, "mean", 2000, 4)
    low, high = bootstrap(values, "mean", 5000, 1)
    half = 1.96 * values.std(ddof=1) / math.sqrt(40)
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.1)
    low, high = bootstrap(values, "median", 2000, 1)
    assert low < np.median(values) < high


def test_few_and_equal_and_no_values_say_so_instead_of_inventing_spread():
    options = {"statistic": "mean", "resamples": 200, "seed": 1}
    one = describe([3.0], **options)
    assert (one["mean"], one["status"]) == (3, "one_value") and math.isnan(one["sd"]) and math.isnan(one["ci_low"])
    none = describe([math.nan, None], **options)
    assert (none["n"], none["n_undefined"], none["status"]) == (0, 2, "all_undefined") and math.isnan(none["mean"])
    equal = describe([2.0, 2.0, 2.0], **options)
    assert (equal["sd"], equal["ci_low"], equal["ci_high"], equal["status"]) == (0, 2, 2, "")


def test_the_plot_has_every_case_and_a_box_of_quartiles():
    outputs = run([ball(5)] * 4, [ball(5, s) for s in range(4)], surfaces="none")
    cases, boxes = outputs["plot"].series
    assert list(cases.y) == [row["dice"] for row in outputs["table"].rows]
    assert (cases.style, boxes.style) == ("points", "line")
    low, middle, high = np.percentile(cases.y, [25, 50, 75])
    assert np.nanmin(boxes.x) == 0.75 and np.nanmax(boxes.x) == 1.25
    strokes = np.split(boxes.y, np.flatnonzero(np.isnan(boxes.y)))
    assert [set(stroke[np.isfinite(stroke)]) for stroke in strokes] == [
        {low, high}, {middle}, {min(cases.y), low}, {high, max(cases.y)}]  # fmt: skip


def test_whiskers_stop_before_outliers_and_undefined_cases_are_left_out():
    plot = box_plot(["A", "B"], [[1, 2, 3, 4, 100, math.nan], []], Column("hd", "HD", "mm"))
    cases, boxes = plot.series
    assert list(cases.y) == [1, 2, 3, 4, 100] and set(cases.x) == {1}
    assert np.nanmax(boxes.y) == 4 and plot.y_unit == "mm" and "2 B" in plot.title
    assert box_plot([], [], Column("x", "X")).series[1].x.size == 0
