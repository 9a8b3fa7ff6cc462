"""Lesions one by one: detection, one-to-one matching, edge cases, the table and the marks."""

from __future__ import annotations

import math

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from medimg_testing import oblique_grid
from MedImgAnalysisLib.agreement import CompareLesions
from MedImgAnalysisLib.errors import InputError, ParameterError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.values import Labels

SIZE = (12, 16, 30)


def image(*boxes):
    array = np.zeros(SIZE, np.uint8)
    for box in boxes:
        array[box] = 1
    return oblique_grid(sitk.GetImageFromArray(array))


def run(reference, test, **parameters):
    return execute(CompareLesions(**parameters), {"reference": reference, "test": test}).outputs


A, B, C = np.s_[1:4, 1:4, 1:4], np.s_[1:4, 1:4, 10:13], np.s_[7:10, 9:12, 20:23]


def test_a_bar_over_two_lesions_detects_both_but_matches_one():
    bar = np.s_[1:4, 1:4, 1:12]
    (row,) = run(image(A, B, C), image(bar), iou_thresholds=(0.1,))["summary"].rows
    assert (row["ref_detected"], row["ref_missed"], row["pred_hits"], row["pred_false"]) == (2, 1, 1, 0)
    assert (row["tp"], row["fp"], row["fn"]) == (1, 0, 2)
    assert row["sensitivity"] == pytest.approx(2 / 3) and row["ppv"] == 1 and row["f1"] == pytest.approx(0.8)


def test_identical_lesions_are_all_found_with_perfect_quality():
    outputs = run(image(A, B, C), image(A, B, C))
    (row,) = outputs["summary"].rows
    assert all(row[key] == 1 for key in ("sensitivity", "ppv", "f1", "match_f1", "sq", "pq", "mean_lesion_dice"))
    assert all(r["surfel_hd"] == 0 and r["match"] == r["number"] and r["found"] == 1 for r in outputs["table"].rows)


def test_an_iou_of_exactly_one_half_matches_below_that_threshold_only():
    half = np.s_[1:4, 1:4, 1:7]
    for threshold, tp in ((0.5, 0), (0.49, 1), (0.1, 1)):
        (row,) = run(image(A), image(half), iou_thresholds=(threshold,))["summary"].rows
        assert row["tp"] == tp
    tenth = np.s_[1:2, 1:2, 1:11]
    (row,) = run(image(np.s_[1:2, 1:2, 1:2]), image(tenth), iou_thresholds=(0.1,))["summary"].rows
    assert row["tp"] == 1, "at least, below 0.5"


def test_the_matching_has_the_largest_sum_of_iou():
    # The first test lesion overlaps both references; taking its best partner would leave the other one alone.
    reference = image(np.s_[1:3, 1:3, 1:6], np.s_[1:3, 1:3, 7:12])
    test = image(np.s_[1:3, 1:3, 1:3], np.s_[1:3, 1:3, 4:12])
    (row,) = run(reference, test, iou_thresholds=(0.01,))["summary"].rows
    assert row["tp"] == 2 and row["sq"] == pytest.approx((2 / 5 + 5 / 8) / 2)


def test_lesions_that_touch_at_a_corner_are_one_or_two_as_asked():
    corner = image(np.s_[1:3, 1:3, 1:3], np.s_[3:5, 3:5, 3:5])
    for connectivity, neighbours, count in (("corners", 26, 1), ("faces", 6, 2)):
        (row,) = run(corner, corner, connectivity=connectivity)["summary"].rows
        assert (row["n_ref"], row["connectivity"]) == (count, neighbours)


def test_small_lesions_are_left_out_on_both_sides():
    dot = np.s_[9:10, 1:2, 1:2]
    volume = 0.7 * 1.1 * 2.5
    kept = run(image(A, dot), image(A, dot), min_volume_mm3=volume)["summary"].rows[0]
    gone = run(image(A, dot), image(A, dot), min_volume_mm3=1.01 * volume)["summary"].rows[0]
    assert (kept["n_ref"], kept["n_pred"], gone["n_ref"], gone["n_pred"]) == (2, 2, 1, 1)


def test_a_lesion_counts_as_found_from_the_part_that_is_covered():
    touch = np.s_[1:4, 1:4, 3:9]
    for part, found in ((0.0, 1), (0.3, 1), (0.4, 0)):
        outputs = run(image(A), image(touch), min_covered=part)
        assert outputs["table"].rows[0]["found"] == found
        assert outputs["table"].rows[0]["covered"] == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("reference", "test", "status", "expected"),
    [
        ((), (), "both_empty", {"sensitivity": None, "ppv": None, "f1": None, "pq": None, "match_f1": None}),
        ((), (A,), "reference_empty", {"sensitivity": None, "ppv": 0, "f1": 0, "pq": 0, "match_f1": 0}),
        ((A,), (), "prediction_empty", {"sensitivity": 0, "ppv": None, "f1": 0, "pq": 0, "match_f1": 0}),
        ((A,), (C,), "no_match", {"sensitivity": 0, "ppv": 0, "f1": 0, "pq": 0, "sq": None}),
    ],
)
def test_sides_without_lesions_give_no_invented_number(reference, test, status, expected):
    (row,) = run(image(*reference), image(*test))["summary"].rows
    assert row["status"] == status
    for key, value in expected.items():
        assert math.isnan(row[key]) if value is None else row[key] == value, key


def test_the_table_has_volume_and_place_of_every_lesion():
    reference = image(A, C)
    outputs = run(reference, image(C))
    rows = outputs["table"].rows
    assert [(r["side"], r.get("match")) for r in rows] == [
        ("reference", None),
        ("reference", 1),
        ("test", 2),
    ]
    assert rows[1]["volume_mm3"] == pytest.approx(27 * 0.7 * 1.1 * 2.5)
    place = reference.TransformContinuousIndexToPhysicalPoint((21.0, 10.0, 8.0))
    assert [rows[1][f"centre_{c}_mm"] for c in "lps"] == pytest.approx(place)
    assert math.isnan(rows[0]["iou"]) and rows[0]["status"] == "no_match"


def test_marks_show_what_was_detected_missed_and_false():
    outputs = run(image(A, B), image(A, C), mark_lesions=True)
    marks = outputs["lesions"]
    voxels = [int(sitk.GetArrayFromImage(marks.mask(segment)).sum()) for segment in marks.segments]
    assert list(marks.names) == ["Lesions detected", "Lesions missed", "Lesions false positive"]
    assert voxels == [27, 27, 27] and run(image(A), image(A))["lesions"] is None


def test_segments_can_be_the_lesions_and_must_not_overlap_then():
    touching = Labels.from_masks([("one", image(A)), ("two", image(np.s_[4:7, 1:4, 1:4]))])
    (row,) = run(touching, touching, objects="segments")["summary"].rows
    assert row["n_ref"] == 2 and row["connectivity"] is None and row["pq"] == 1
    over = Labels.from_masks([("one", image(A)), ("two", image(np.s_[2:7, 1:4, 1:4]))])
    with pytest.raises(InputError, match="overlaps"):
        run(over, over, objects="segments")
    with pytest.raises(ParameterError, match="at least one"):
        CompareLesions(iou_thresholds=())


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), order=st.permutations([0, 1, 2]), flips=st.tuples(*[st.booleans()] * 3))
def test_scores_do_not_depend_on_axes_and_swap_as_they_should(seed, order, flips):
    rng = np.random.default_rng(seed)
    arrays = [(rng.random((7, 8, 9)) < 0.2).astype(np.uint8) for _ in range(2)]
    flipped = [axis for axis in range(3) if flips[axis]]
    plain = [sitk.GetImageFromArray(a) for a in arrays]
    turned = [sitk.GetImageFromArray(np.flip(a.transpose(order), flipped)) for a in arrays]
    (one,), (two,) = (run(*pair, iou_thresholds=(0.3,))["summary"].rows for pair in (plain, turned))
    numbers = [key for key in one if key != "status"]
    assert one["status"] == two["status"]
    assert [one[key] for key in numbers] == pytest.approx([two[key] for key in numbers], nan_ok=True)
    (back,) = run(*plain[::-1], iou_thresholds=(0.3,))["summary"].rows
    assert (one["sensitivity"], one["fp"]) == (back["ppv"], back["fn"])
    assert one["pq"] == pytest.approx(back["pq"], nan_ok=True)
