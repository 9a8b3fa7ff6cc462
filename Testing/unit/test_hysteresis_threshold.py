"""Weak voxels count where they are connected to strong ones."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from MedImgAnalysisLib.errors import InputError, ParameterError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.segmentation import HysteresisThreshold

skimage_filters = pytest.importorskip("skimage.filters")


def segment(array: np.ndarray, mask: np.ndarray | None = None, **parameters) -> tuple[np.ndarray, dict]:
    inputs = {"image": sitk.GetImageFromArray(array)}
    if mask is not None:
        inputs["mask"] = sitk.GetImageFromArray(mask.astype(np.uint8))
    outputs = execute(HysteresisThreshold(**parameters), inputs).outputs
    return sitk.GetArrayFromImage(outputs["labels"].mask("Foreground")) != 0, outputs["table"].rows[0]


@pytest.mark.parametrize("shape", [(9, 30, 31), (40, 50)])
def test_scikit_image_finds_the_same_voxels_by_faces(shape):
    array = np.random.default_rng(3).normal(0, 1, shape)
    expected = skimage_filters.apply_hysteresis_threshold(array, 0.3, 1.8)
    found, row = segment(array, lower=0.3, upper=1.8, corners=False)
    np.testing.assert_array_equal(found, expected)
    assert row["certain"] == np.count_nonzero(array >= 1.8)


def test_a_fading_line_is_followed_and_a_weak_spot_left_alone():
    array = np.zeros((5, 7, 20), np.int16)
    array[2, 3, 2:15] = np.linspace(120, 40, 13)
    array[0, 0, 18] = 80
    found, _ = segment(array, lower=40.0, upper=100.0)
    np.testing.assert_array_equal(np.argwhere(found), [(2, 3, i) for i in range(2, 15)])


def test_a_diagonal_step_needs_corners():
    array = np.zeros((1, 4, 4))
    array[0, 0, 0], array[0, 1, 1] = 10, 5
    assert segment(array, lower=5.0, upper=10.0, corners=True)[0].sum() == 2
    assert segment(array, lower=5.0, upper=10.0, corners=False)[0].sum() == 1


def test_dark_structures_are_bright_ones_of_the_negative():
    array = np.random.default_rng(4).normal(0, 1, (6, 20, 21))
    bright, _ = segment(array, lower=0.5, upper=2.0)
    dark, _ = segment(-array, lower=-2.0, upper=-0.5, side="dark")
    np.testing.assert_array_equal(bright, dark)


def test_a_path_through_voxels_outside_the_mask_does_not_count():
    array = np.full((1, 1, 5), 60.0)
    array[..., 0] = 100
    mask = np.ones(array.shape)
    mask[..., 2] = 0
    assert segment(array, mask)[0].ravel().tolist() == [True, True, False, False, False]


def test_nothing_beyond_the_upper_threshold_is_told_with_the_values():
    with pytest.raises(InputError, match="from 0 to 50, none is at least 100"):
        segment(np.array([[[0.0, 50.0]]]))
    with pytest.raises(ParameterError, match="lower must not be larger"):
        HysteresisThreshold(lower=2.0, upper=1.0)
