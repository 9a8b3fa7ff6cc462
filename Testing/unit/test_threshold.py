"""All voxels in a range of values."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from MedImgAnalysisLib.errors import EmptyResultError, InputError, ParameterError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.segmentation import Threshold


def segment(image: sitk.Image, mask: sitk.Image | None = None, **parameters) -> tuple[np.ndarray, dict]:
    outputs = execute(Threshold(**parameters), {"image": image, "mask": mask}).outputs
    return sitk.GetArrayFromImage(outputs["labels"].mask("Foreground")) != 0, outputs["table"].rows[0]


@given(
    hnp.arrays(st.sampled_from([np.int16, np.float32, np.uint8]), (2, 3, 4), elements=st.integers(0, 20)),
    st.integers(-5, 25),
    st.integers(0, 10),
)
def test_the_segment_is_the_range_with_both_ends(array, lower, width):
    expected = (array >= lower) & (array <= lower + width)
    image = sitk.GetImageFromArray(array)
    if not expected.any():
        with pytest.raises(EmptyResultError, match="Nothing was found"):
            segment(image, lower=lower, upper=lower + width)
        return
    found, row = segment(image, lower=lower, upper=lower + width)
    np.testing.assert_array_equal(found, expected)
    assert (row["voxels"], row["fraction"]) == (expected.sum(), expected.mean())


@pytest.mark.parametrize("dtype", [np.int16, np.float32, np.float64])
def test_itk_finds_the_same_voxels(dtype):
    array = np.random.default_rng(1).normal(0, 300, (8, 20, 30)).astype(dtype)
    image = sitk.GetImageFromArray(array)
    expected = sitk.GetArrayFromImage(sitk.BinaryThreshold(image, -100.0, 250.0)) != 0
    np.testing.assert_array_equal(segment(image, lower=-100.0, upper=250.0)[0], expected)


def test_a_limit_between_two_numbers_of_a_type_is_not_rounded():
    # 0.1 is no float32: the nearest one is larger, and larger than 0.1 it is.
    image = sitk.GetImageFromArray(np.array([[[0.1, 0.0999]]], np.float32))
    assert segment(image, lower=0.1)[0].tolist() == [[[True, False]]]


def test_open_ends_are_shown_as_the_extremes_of_the_mask():
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    mask = sitk.GetImageFromArray((array > 3).astype(np.uint8))
    found, row = segment(sitk.GetImageFromArray(array), mask, lower=None, upper=9.0)
    assert (row["lower"], row["upper"], row["voxels"], row["fraction"]) == (4, 9, 6, 0.3)
    np.testing.assert_array_equal(found, (array > 3) & (array <= 9))


def test_a_constant_image_beside_the_range_says_so():
    with pytest.raises(InputError, match=r"constant \(-1000\)"):
        segment(sitk.GetImageFromArray(np.full((3, 3, 3), -1000, np.int16)), lower=0.0)


def test_ranges_that_make_no_sense_are_refused():
    with pytest.raises(ParameterError, match="lower must not be larger"):
        Threshold(lower=5.0, upper=4.0)
    with pytest.raises(ParameterError, match="both not set"):
        Threshold(lower=None)
