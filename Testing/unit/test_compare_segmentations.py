"""The overlap block: reference values of independent implementations, closed forms, edge cases, grids."""

from __future__ import annotations

import math

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from medimg_testing import agrees, find_data, oblique_grid, reference_cases
from MedImgAnalysisLib.agreement import CompareSegmentations
from MedImgAnalysisLib.agreement.overlap import COLUMNS, Counts, overlap, status
from MedImgAnalysisLib.errors import InputError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.values import Labels

CASES = reference_cases("segmentation")
KEYS = [column.key for column in COLUMNS]


def compare(reference, test, **parameters) -> list[dict]:
    return list(
        execute(CompareSegmentations(**parameters), {"reference": reference, "test": test}).outputs["table"].rows
    )


def boxes(*slices: tuple[slice, ...], size=(10, 12, 14)) -> Labels:
    masks = []
    for number, box in enumerate(slices):
        array = np.zeros(size, np.uint8)
        array[box] = 1
        masks.append((f"S{number}", oblique_grid(sitk.GetImageFromArray(array))))
    return Labels.from_masks(masks)


@pytest.mark.parametrize(
    "case", sorted(CASES) or [pytest.param("", marks=pytest.mark.skip("no reference values here"))]
)
def test_reference_values_of_the_overlap_block(case):
    files = [str(find_data() / entry["file"]) for entry in CASES[case]["inputs"]]
    (row,) = compare(*(sitk.ReadImage(f) for f in files))
    expected = {k: e for k, e in CASES[case]["expected"].items() if k in KEYS}
    wrong = {key: (entry["value"], row[key]) for key, entry in expected.items() if not agrees(entry, row[key])}
    print(f"{case}: {len(expected)} values agree")
    assert len(expected) >= 9 and not wrong


@given(st.tuples(*[st.integers(0, 2000)] * 4))
def test_identities_between_the_scores(counts):
    numbers = overlap(Counts(*counts), 2.0)
    tp, fp, fn, tn = counts
    if tp + fp + fn:
        assert numbers["dice"] == pytest.approx(2 * numbers["jaccard"] / (1 + numbers["jaccard"]))
        assert 0 <= numbers["volume_similarity"] <= 1
    if tp:
        assert 1 / numbers["dice"] == pytest.approx((1 / numbers["precision"] + 1 / numbers["recall"]) / 2)
    if tp + fn:
        assert numbers["recall"] + numbers["fnr"] == pytest.approx(1)
    if fp + tn:
        assert numbers["specificity"] + numbers["fpr"] == pytest.approx(1)
    assert numbers["volume_diff_mm3"] == numbers["volume_pred_mm3"] - numbers["volume_ref_mm3"]
    total = tp + fp + fn + tn
    if total and numbers["kappa"] == numbers["kappa"]:
        chance = ((tp + fp) * (tp + fn) + (fn + tn) * (fp + tn)) / total**2
        assert numbers["kappa"] == pytest.approx((numbers["accuracy"] - chance) / (1 - chance), abs=1e-9)


NAN = math.nan
EMPTY = {  # key: both empty, only the reference empty, only the test empty
    "dice": (NAN, 0, 0),
    "jaccard": (NAN, 0, 0),
    "precision": (NAN, 0, NAN),
    "recall": (NAN, NAN, 0),
    "specificity": (1, 0.9, 1),
    "fpr": (0, 0.1, 0),
    "fnr": (NAN, NAN, 1),
    "volume_similarity": (NAN, 0, 0),
    "volume_diff_mm3": (0, 20, -20),
    "volume_diff_percent": (NAN, NAN, -100),
    "kappa": (NAN, 0, 0),
}


@pytest.mark.parametrize("key", EMPTY)
def test_empty_masks_give_what_the_definition_says_and_never_a_made_up_number(key):
    for expected, counts, why in zip(
        EMPTY[key],
        (Counts(0, 0, 0, 100), Counts(0, 10, 0, 90), Counts(0, 0, 10, 90)),
        ("both_empty", "reference_empty", "prediction_empty"),
        strict=True,
    ):
        assert overlap(counts, 2.0)[key] == pytest.approx(expected, nan_ok=True)
        assert status(counts) == why


def test_a_score_for_two_empty_masks_is_given_only_when_asked_for():
    numbers = overlap(Counts(0, 0, 0, 100), 1.0, empty_score=1.0)
    assert [numbers[k] for k in ("dice", "jaccard", "volume_similarity", "kappa")] == [1, 1, 1, 1]
    assert math.isnan(numbers["precision"])
    assert overlap(Counts(0, 5, 0, 95), 1.0, empty_score=1.0)["dice"] == 0


def test_swapping_the_sides_swaps_what_it_should():
    a, b = boxes(np.s_[2:6, 2:8, 2:9]), boxes(np.s_[3:7, 2:9, 4:9])
    (one,), (two,) = compare(a, b), compare(b, a)
    assert one["dice"] == two["dice"] and one["kappa"] == two["kappa"]
    assert (one["precision"], one["fp"]) == (two["recall"], two["fn"])
    assert one["volume_diff_mm3"] == -two["volume_diff_mm3"]


def test_segments_are_paired_by_name_and_missing_ones_compared_with_nothing():
    reference, test = boxes(np.s_[:5, :5, :5], np.s_[6:, 6:, 6:]), boxes(np.s_[:5, :5, :5], np.s_[6:, 6:, 6:])
    renamed = test.renamed(Segment_1="other", Segment_2=" s0 ")
    rows = compare(reference, renamed)
    assert [(row["segment"], row["status"]) for row in rows] == [
        ("S0", ""),
        ("S1", "prediction_empty"),
        ("other", "reference_empty"),
    ]
    assert rows[0]["dice"] == 0 and rows[1]["dice"] == 0 and math.isnan(rows[2]["recall"])


def test_single_segments_are_compared_whatever_their_names_and_values():
    reference = sitk.GetImageFromArray(np.uint8(np.indices((6, 6, 6))[0] > 2))
    (row,) = compare(reference, reference * 255)
    assert row["dice"] == 1


def test_two_segments_of_one_name_are_refused():
    twice = boxes(np.s_[:5, :5, :5], np.s_[6:, 6:, 6:]).renamed(Segment_2="S0")
    with pytest.raises(InputError, match="two segments named 'S0'"):
        compare(twice, twice)


def test_two_empty_label_images_give_one_row_with_its_status():
    empty = sitk.Image([4, 4, 4], sitk.sitkUInt8)
    (row,) = compare(empty, empty)
    assert row["status"] == "both_empty" and math.isnan(row["dice"])


@settings(max_examples=30, deadline=None)
@given(st.permutations([0, 1, 2]), st.tuples(*[st.booleans()] * 3), st.integers(0, 99))
def test_storage_order_and_flips_of_the_axes_do_not_change_anything(order, flips, seed):
    rng = np.random.default_rng(seed)
    reference = oblique_grid(sitk.GetImageFromArray(rng.integers(0, 2, (5, 6, 7)).astype(np.uint8)))
    test = oblique_grid(sitk.GetImageFromArray(rng.integers(0, 2, (5, 6, 7)).astype(np.uint8)))
    stored = sitk.Flip(sitk.PermuteAxes(test, order), flips, False)
    (plain,), (other,) = compare(reference, test), compare(reference, stored)
    assert all(plain[key] == pytest.approx(other[key]) for key in KEYS)


def test_what_lies_outside_the_reference_image_counts_as_wrong():
    large = np.zeros((10, 10, 20), np.uint8)
    large[2:8, 2:8, 2:18] = 1
    test = sitk.GetImageFromArray(large)
    reference = test[:10, :, :]
    (row,) = compare(reference, test)
    inside = 6 * 6 * 8
    assert row["resampled"] == 1
    assert (row["tp"], row["fp"], row["fn"]) == (inside, inside, 0)
    assert row["tn"] == large.size - 2 * inside


def test_grids_that_differ_by_rounding_are_the_same_and_shifted_ones_are_resampled():
    array = np.zeros((8, 8, 8), np.uint8)
    array[2:6, 2:6, 2:6] = 1
    reference, rounded, shifted = (sitk.GetImageFromArray(array) for _ in range(3))
    rounded.SetSpacing((1.00001, 1.0, 1.0))
    shifted.SetOrigin((1.0, 0.0, 0.0))
    assert compare(reference, rounded)[0]["resampled"] == 0
    (row,) = compare(reference, shifted)
    assert row["resampled"] == 1 and row["dice"] == pytest.approx(0.75)


def test_segmentations_of_different_patients_or_dimensions_are_refused():
    here = sitk.GetImageFromArray(np.ones((4, 4, 4), np.uint8))
    there = sitk.Image(here)
    there.SetOrigin((1000.0, 0.0, 0.0))
    with pytest.raises(InputError, match="share any space"):
        compare(here, there)
    with pytest.raises(InputError, match="2-D"):
        compare(here, here[:, :, 2])


def test_probabilities_are_refused_instead_of_cast():
    soft = sitk.GetImageFromArray(np.full((4, 4, 4), 0.7, np.float32))
    with pytest.raises(InputError, match="threshold it first"):
        compare(soft, soft)


def test_overlapping_segments_lose_no_voxel():
    both = boxes(np.s_[1:9, 1:9, 1:9], np.s_[3:6, 3:6, 3:6])
    rows = compare(both, both)
    assert [row["tp"] for row in rows] == [8**3, 3**3]
