"""The median against known patterns, SimpleITK and scipy."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from MedImgAnalysisLib.errors import Cancelled, ParameterError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.filtering import Median
from MedImgAnalysisLib.progress import Progress


def filtered(image: sitk.Image, **parameters) -> sitk.Image:
    return execute(Median(**parameters), {"image": image}).outputs["image"]


def test_a_single_impulse_disappears_and_an_edge_stays():
    array = np.zeros((9, 9, 10), np.int16)
    array[..., 5:] = 1000
    clean = array.copy()
    array[4, 4, 2] = 30000
    np.testing.assert_array_equal(sitk.GetArrayFromImage(filtered(sitk.GetImageFromArray(array))), clean)


@settings(max_examples=25, deadline=None)
@given(
    st.tuples(st.integers(3, 20), st.integers(3, 14), st.integers(3, 16)),
    st.integers(1, 3),
    st.sampled_from([np.uint8, np.int16, np.uint16, np.float32, np.int32, np.float64]),
)
def test_equals_itk_to_the_bit_and_keeps_the_type(size, radius, dtype):
    image = sitk.GetImageFromArray(np.random.default_rng(0).integers(0, 200, size).astype(dtype))
    result = filtered(image, radius_voxels=radius)
    assert result.GetPixelID() == image.GetPixelID()
    expected = sitk.Median(image, [radius] * 3)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(result), sitk.GetArrayFromImage(expected))


def test_a_radius_larger_than_the_image_is_the_median_of_its_edge_padded_values():
    image = sitk.GetImageFromArray(np.arange(3 * 4 * 5, dtype=np.float32).reshape(3, 4, 5))
    expected = sitk.GetArrayFromImage(sitk.Median(image, [10, 10, 10]))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(filtered(image, radius_voxels=10)), expected)


def test_in_plane_leaves_the_third_axis_alone():
    array = np.random.default_rng(2).integers(0, 99, (5, 12, 13)).astype(np.uint8)
    result = sitk.GetArrayFromImage(filtered(sitk.GetImageFromArray(array), in_plane=True))
    for k in range(5):
        alone = sitk.Median(sitk.GetImageFromArray(array[k]), [1, 1])
        np.testing.assert_array_equal(result[k], sitk.GetArrayFromImage(alone))


def test_one_slice_is_filtered_in_its_plane():
    array = np.random.default_rng(2).integers(0, 99, (1, 12, 13)).astype(np.uint8)
    result = sitk.GetArrayFromImage(filtered(sitk.GetImageFromArray(array)))
    alone = sitk.Median(sitk.GetImageFromArray(array[0]), [1, 1])
    np.testing.assert_array_equal(result[0], sitk.GetArrayFromImage(alone))


def test_very_uneven_spacing_is_said():
    image = sitk.GetImageFromArray(np.zeros((4, 4, 4), np.uint8))
    image.SetSpacing((0.1, 0.1, 50.0))
    result = execute(Median(), {"image": image})
    assert any("0.3 x 0.3 x 150 mm" in warning for warning in result.warnings)


@pytest.mark.parametrize("radius", [0, 11, 1.5, "wide", True])
def test_a_radius_outside_its_range_names_field_value_and_range(radius):
    with pytest.raises(ParameterError, match=r"median: radius_voxels is .*1 to 10 voxels"):
        Median(radius_voxels=radius)


def test_a_wide_neighbourhood_is_cancelled_at_once():
    image = sitk.GetImageFromArray(np.random.default_rng(0).normal(0, 1, (64, 128, 128)).astype(np.float32))
    progress = Progress()
    asked = []
    threading.Timer(0.3, lambda: (asked.append(time.perf_counter()), progress.cancel())).start()
    with pytest.raises(Cancelled):
        execute(Median(radius_voxels=8), {"image": image}, progress=progress)
    assert time.perf_counter() - asked[0] < 0.5
