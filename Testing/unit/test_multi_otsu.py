"""Several classes of brightness: every other set of thresholds separates worse."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from MedImgAnalysisLib.errors import InputError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.progress import SILENT
from MedImgAnalysisLib.segmentation import MultiOtsu
from MedImgAnalysisLib.segmentation.multi_otsu import class_ends
from MedImgAnalysisLib.segmentation.threshold_methods import otsu

COUNTS = hnp.arrays(np.int64, 14, elements=st.integers(0, 30))


def variance(counts: np.ndarray, ends: tuple[int, ...]) -> float:
    """Variance between the classes; -1 when one has no voxel."""
    at, mean = np.arange(len(counts)), (counts * np.arange(len(counts))).sum() / counts.sum()
    total = 0.0
    for start, stop in zip((-1, *ends), (*ends, len(counts) - 1)):
        part = slice(start + 1, stop + 1)
        if not counts[part].any():
            return -1.0
        total += counts[part].sum() * ((counts * at)[part].sum() / counts[part].sum() - mean) ** 2
    return total


@settings(max_examples=60)
@given(COUNTS, st.integers(2, 4))
def test_no_other_thresholds_separate_better(counts, classes):
    if np.count_nonzero(counts) < classes:
        return
    ends = class_ends(counts, classes)
    best = max(variance(counts, other) for other in combinations(range(len(counts) - 1), classes - 1))
    assert ends == sorted(set(ends)) and len(ends) == classes - 1
    assert variance(counts, tuple(ends)) == pytest.approx(best, rel=1e-9)


@settings(max_examples=60)
@given(COUNTS.filter(lambda c: np.count_nonzero(c) > 1))
def test_two_classes_are_those_of_otsu(counts):
    assert variance(counts, (class_ends(counts, 2)[0],)) == pytest.approx(variance(counts, (otsu(counts, SILENT),)))


def test_two_classes_far_apart_meet_in_the_middle_like_otsu():
    counts = np.array([5, 9, 0, 0, 0, 0, 8, 3])
    assert class_ends(counts, 2) == [otsu(counts, SILENT)] == [3]


def three_tissues() -> np.ndarray:
    rng = np.random.default_rng(7)
    return np.concatenate([rng.normal(m, s, 5000) for m, s in ((30, 6), (90, 9), (200, 12))]).reshape(5, 50, 60)


@pytest.mark.parametrize("classes", [2, 3, 4])
def test_itk_finds_the_same_classes(classes):
    array = np.concatenate([[0, 255], three_tissues().ravel()[2:]]).clip(0, 255).astype(np.uint8).reshape(5, 50, 60)
    image = sitk.GetImageFromArray(array)
    outputs = execute(MultiOtsu(classes=classes, background=True), {"image": image}).outputs
    expected = sitk.GetArrayFromImage(sitk.OtsuMultipleThresholds(image, classes - 1, 0, 256))
    found = sum(
        number * sitk.GetArrayFromImage(outputs["labels"].mask(f"Class {number + 1}")).astype(int)
        for number in range(classes)
    )
    # ITK takes the first of equally good bins, and its bins are 255 / 256 wide.
    assert np.count_nonzero(found != expected) <= 0.001 * found.size


def test_three_tissues_become_three_segments_with_their_means():
    image = sitk.GetImageFromArray(three_tissues().astype(np.float32))
    outputs = execute(MultiOtsu(background=True, segment="Tissue"), {"image": image}).outputs
    assert outputs["labels"].names == ("Tissue 1", "Tissue 2", "Tissue 3")
    assert [row["mean"] for row in outputs["table"].rows] == pytest.approx([30, 90, 200], abs=1)
    assert sum(row["voxels"] for row in outputs["table"].rows) == image.GetNumberOfPixels()
    assert len(outputs["histogram"].series) == 3


def test_without_background_the_darkest_class_is_no_segment():
    image = sitk.GetImageFromArray(three_tissues().astype(np.float32))
    rows = execute(MultiOtsu(), {"image": image}).outputs["table"].rows
    assert [row["segment"] for row in rows] == ["Class 1", "Class 2"]
    assert [row["mean"] for row in rows] == pytest.approx([90, 200], abs=1)


def test_more_classes_than_values_are_refused():
    array = np.zeros((3, 4, 5), np.uint8)
    array[1] = 7
    with pytest.raises(InputError, match="2 different values"):
        execute(MultiOtsu(classes=3), {"image": sitk.GetImageFromArray(array)})
