"""Pairing by name, terminology and overlap; averages over segments; segments of errors."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from medimg_testing import find_data, oblique_grid
from MedImgAnalysisLib import files
from MedImgAnalysisLib.agreement import CompareSegmentations
from MedImgAnalysisLib.errors import InputError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.values import Labels

SIZE = (10, 12, 14)
LIVER = "Segmentation category~SCT^123037004^Anatomy~SCT^10200004^Liver~^^~Anatomic codes~^^~^^"
SPLEEN = "Other list~SCT^123037004^Anatomical~SCT^78961009^Spleen~^^~Anatomic codes~^^~^^"
KIDNEY = "List~SCT^123037004^Anatomy~SCT^64033007^Kidney~SCT^{}^side~Anatomic codes~^^~^^"


def labels(*boxes, names=None) -> Labels:
    masks = []
    for number, box in enumerate(boxes):
        array = np.zeros(SIZE, np.uint8)
        array[box] = 1
        masks.append((names[number] if names else f"S{number}", oblique_grid(sitk.GetImageFromArray(array))))
    return Labels.from_masks(masks)


def coded(given: Labels, *entries: str) -> Labels:
    return Labels(
        given.layers, tuple(replace(s, tags={"TerminologyEntry": e}) for s, e in zip(given.segments, entries))
    )


def run(reference, test, **parameters):
    return execute(CompareSegmentations(surfaces="none", **parameters), {"reference": reference, "test": test}).outputs


LEFT, RIGHT, TOP = np.s_[1:5, 1:6, 1:6], np.s_[1:5, 1:6, 8:13], np.s_[6:9, 7:11, 3:9]


def test_terminology_pairs_by_code_whatever_the_names_and_contexts_are():
    reference = coded(labels(LEFT, RIGHT), LIVER, SPLEEN)
    test = coded(
        labels(RIGHT, LEFT, names=["a", "b"]), SPLEEN.replace("Other list", "Mine"), LIVER.replace("Liver", "Leber")
    )
    rows = run(reference, test, pair_by="terminology")["table"].rows
    assert [(r["segment"], r["test_segment"], r["dice"]) for r in rows] == [("S0", "b", 1), ("S1", "a", 1)]


def test_terminology_tells_left_from_right():
    both = coded(labels(LEFT, RIGHT), KIDNEY.format(7771000), KIDNEY.format(24028007))
    swapped = coded(labels(LEFT, RIGHT), KIDNEY.format(24028007), KIDNEY.format(7771000))
    assert [row["dice"] for row in run(both, swapped, pair_by="terminology")["table"].rows] == [0, 0]


def test_missing_and_equal_terminologies_are_refused():
    plain = labels(LEFT, RIGHT)
    with pytest.raises(InputError, match="no terminology"):
        run(plain, plain, pair_by="terminology")
    twice = coded(plain, LIVER, LIVER)
    with pytest.raises(InputError, match="two segments"):
        run(twice, twice, pair_by="terminology")


def test_overlap_pairs_what_lies_in_the_same_place_and_nothing_else():
    reference = labels(LEFT, RIGHT, names=["one", "two"])
    test = labels(TOP, np.s_[1:5, 1:6, 7:12], LEFT, names=["two", "x", "y"])
    rows = run(reference, test, pair_by="overlap")["table"].rows
    pairs = [(r["segment"], r["test_segment"], r["status"]) for r in rows]
    assert pairs == [("one", "y", ""), ("two", "x", ""), ("two", "two", "reference_empty")]
    assert rows[0]["dice"] == 1 and rows[1]["dice"] == pytest.approx(0.8)


def test_overlap_finds_the_best_sum_and_not_the_first_best():
    a, b = np.s_[1:3, 1:3, 0:8], np.s_[1:3, 1:3, 8:12]
    x, y = np.s_[1:3, 1:3, 3:12], np.s_[1:3, 1:3, 0:3]
    rows = run(labels(a, b), labels(x, y, names=["x", "y"]), pair_by="overlap")["table"].rows
    assert [(r["segment"], r["test_segment"]) for r in rows] == [("S0", "y"), ("S1", "x")]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), order=st.permutations(range(4)))
def test_averages_do_not_depend_on_the_order_of_the_labels(seed, order):
    rng = np.random.default_rng(seed)
    reference, test = (rng.integers(0, 5, (5, 6, 7)).astype(np.uint8) for _ in range(2))
    renumber = np.array([0, *(n + 1 for n in order)], np.uint8)

    def summary(a, b, table):
        names = {int(table[v]): f"label {v}" for v in range(1, 5)}
        made = [Labels.from_labelmap(sitk.GetImageFromArray(table[array]), names) for array in (a, b)]
        return run(*made)["summary"].rows[0]

    plain, moved = summary(reference, test, np.arange(5, dtype=np.uint8)), summary(reference, test, renumber)
    numbers = [key for key, value in plain.items() if isinstance(value, float)]
    assert [plain[key] for key in numbers] == pytest.approx([moved[key] for key in numbers], nan_ok=True)
    assert plain["overall_accuracy"] == pytest.approx(np.mean(reference == test))
    either = (reference > 0) | (test > 0)
    assert plain["foreground_agreement"] == pytest.approx(np.mean((reference == test)[either]))


def test_averages_of_a_small_case_by_hand():
    reference, test = labels(LEFT, RIGHT), labels(LEFT, TOP, names=["S0", "extra"])
    (row,) = run(reference, test)["summary"].rows
    r, t = 4 * 5 * 5, 3 * 4 * 6
    assert row["macro_dice"] == pytest.approx(1 / 3) and row["macro_dice_ref_labels"] == pytest.approx(1 / 2)
    assert row["micro_dice"] == pytest.approx(2 * r / (3 * r + t))
    assert row["volume_weighted_dice"] == pytest.approx(1 / 2)
    assert row["gds_square"] == pytest.approx(2 / 3) and row["gds_simple"] == pytest.approx(2 / 3)
    assert row["gds_simple_monai"] == pytest.approx(2 / (3 + t / r))
    assert (row["segments"], row["only_in_reference"], row["only_in_test"]) == (3, "S1", "extra")


def test_overlapping_segments_have_no_agreement_of_labels_and_say_so():
    both = labels(np.s_[1:9, 1:9, 1:9], np.s_[3:6, 3:6, 3:6])
    (row,) = run(both, both)["summary"].rows
    assert row["macro_dice"] == 1 and math.isnan(row["overall_accuracy"]) and row["status"] == "overlapping_segments"


def test_segments_of_errors_hold_exactly_the_voxels_that_are_counted():
    reference, test = labels(LEFT, RIGHT), labels(np.s_[2:6, 1:6, 1:6], RIGHT)
    outputs = run(reference, test, mark_errors=True)
    errors = outputs["errors"]
    assert list(errors.names[:3]) == ["S0 true positive", "S0 false positive", "S0 false negative"]
    assert errors.grid.same_as(reference.grid)
    for number, row in enumerate(outputs["table"].rows):
        for kind, segment in zip(("tp", "fp", "fn"), errors.segments[3 * number :]):
            assert int(sitk.GetArrayFromImage(errors.mask(segment)).sum()) == row[kind]
    assert run(reference, test)["errors"] is None


def test_errors_of_many_overlapping_pairs_lose_no_voxel():
    rng = np.random.default_rng(2)
    boxes = []
    for _ in range(100):
        low = rng.integers(0, 6, 3)
        boxes.append(tuple(slice(a, a + 4) for a in low))
    reference = labels(*boxes)
    outputs = run(reference, reference, mark_errors=True)
    for row, segment in zip(outputs["table"].rows, outputs["errors"].segments[::3]):
        assert row["tp"] == 64 == sitk.GetArrayFromImage(outputs["errors"].mask(segment)).sum()


def test_volume_outside_the_other_image_is_reported():
    array = np.zeros((10, 10, 20), np.uint8)
    array[2:8, 2:8, 2:18] = 1
    test = sitk.GetImageFromArray(array)
    (row,) = run(test[:10, :, :], test)["table"].rows
    assert row["outside_reference_mm3"] == 6 * 6 * 8 and row["outside_test_mm3"] == 0


HOSTILE = {
    "mask_empty": ("prediction_empty", None),
    "mask_one_voxel": ("no_background", 1),
    "mask_full": ("no_background", 48 * 40 * 32),
    "mask_255": ("no_background", None),
    "mask_two_components": ("no_background", None),
    "mask_spacing_1e-5": ("no_background", None),
    "mask_shifted_5mm": ("", None),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_awkward_masks_are_compared_and_say_what_is_missing(name):
    folder = find_data()
    if folder is None:
        pytest.skip("the test data folder is not here")
    reference = files.read(folder / "hostile/masks/mask_full.nrrd", "labels")
    test = files.read(folder / f"hostile/masks/{name}.nrrd", "labels")
    result = execute(CompareSegmentations(tolerances_mm=(1.0,)), {"reference": reference, "test": test})
    row = result.outputs["table"].rows[0]
    status, voxels = HOSTILE[name]
    assert row["status"] == status
    assert voxels is None or row["tp"] + row["fp"] == voxels
    if status == "prediction_empty":
        assert math.isnan(row["surfel_hd95"]) and row["surfel_nsd_1mm"] == 0 and row["dice"] == 0
    else:
        assert row["surfel_hd95"] >= 0 and 0 <= row["surfel_nsd_1mm"] <= 1
    assert math.isnan(row["specificity"]) == (name != "mask_shifted_5mm")
    assert result.warnings  # an empty side, a reference without background, or another grid: each is said


@pytest.mark.parametrize(("name", "words"), [("mask_outside", "share any space"), ("mask_float_soft", "threshold")])
def test_masks_that_cannot_be_compared_are_refused(name, words):
    folder = find_data()
    if folder is None:
        pytest.skip("the test data folder is not here")
    reference = files.read(folder / "hostile/masks/mask_full.nrrd", "labels")
    with pytest.raises(InputError, match=words):
        test = sitk.ReadImage(str(folder / f"hostile/masks/{name}.nrrd"))
        execute(CompareSegmentations(), {"reference": reference, "test": test})


def test_negative_and_large_label_values_are_kept_as_they_are():
    folder = find_data()
    if folder is None:
        pytest.skip("the test data folder is not here")
    image = sitk.ReadImage(str(folder / "hostile/masks/mask_negative_and_1000.nrrd"))
    rows = run(Labels.from_labelmap(image), Labels.from_labelmap(image))["table"].rows
    array = sitk.GetArrayFromImage(image)
    assert [row["tp"] for row in rows] == [int((array == value).sum()) for value in (-3, 1000)]
    assert all(row["dice"] == 1 for row in rows)
