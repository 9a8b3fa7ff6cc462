"""Normalising to percentiles, a range and z-scores: to the digit, and against SimpleITK."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from MedImgAnalysisLib.errors import InputError, ParameterError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.filtering import NormalisePercentile, NormaliseRange, NormaliseZscore
from MedImgAnalysisLib.filtering.normalising import mean_and_sd
from MedImgAnalysisLib.geometry import image_like
from MedImgAnalysisLib.progress import SILENT


def result(operation, image, mask=None) -> np.ndarray:
    return sitk.GetArrayFromImage(execute(operation, {"image": image, "mask": mask}).outputs["image"])


def noisy(dtype=np.int16, size=(12, 30, 31)) -> sitk.Image:
    return sitk.GetImageFromArray(np.random.default_rng(2).normal(300, 80, size).astype(dtype))


def box_mask(image: sitk.Image) -> tuple[sitk.Image, np.ndarray]:
    inside = np.zeros(image.GetSize()[::-1], np.uint8)
    inside[3:9, 5:20, 4:17] = 1
    return image_like(inside, image), inside != 0


@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.int32, np.float32, np.float64])
def test_percentiles_become_the_ends_and_all_between_is_linear(dtype):
    image = noisy(dtype)
    array = sitk.GetArrayFromImage(image).astype(float)
    low, high = np.percentile(array, [0.5, 99.5])
    expected = np.clip((array - low) / (high - low), 0, 1)
    np.testing.assert_allclose(result(NormalisePercentile(), image), expected, rtol=0, atol=6e-8)
    np.testing.assert_allclose(result(NormalisePercentile(clip=False), image), (array - low) / (high - low), atol=6e-7)


def test_a_ramp_of_101_values_is_normalised_by_head_arithmetic():
    ramp = np.arange(101, dtype=np.int16).reshape(1, 1, 101)
    found = result(
        NormalisePercentile(low_percent=10, high_percent=60, to_low=-1, to_high=1), sitk.GetImageFromArray(ramp)
    )
    assert found[0, 0, [0, 10, 35, 60, 100]].tolist() == [-1, -1, 0, 1, 1]
    found = result(NormaliseRange(to_low=5, to_high=10), sitk.GetImageFromArray(ramp))
    assert found[0, 0, [0, 20, 50, 100]].tolist() == [5, 6, 7.5, 10]


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32])
def test_range_agrees_with_itk(dtype):
    image = noisy(dtype)
    expected = sitk.RescaleIntensity(sitk.Cast(image, sitk.sitkFloat64), -3, 7)
    np.testing.assert_allclose(
        result(NormaliseRange(to_low=-3, to_high=7), image), sitk.GetArrayFromImage(expected), atol=1e-6
    )


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32, np.float64])
def test_zscore_agrees_with_itk_and_has_mean_0_and_sd_1(dtype):
    image = noisy(dtype)
    found = result(NormaliseZscore(), image).astype(float)
    np.testing.assert_allclose(
        found, sitk.GetArrayFromImage(sitk.Normalize(sitk.Cast(image, sitk.sitkFloat64))), atol=2e-6
    )
    assert abs(found.mean()) < 1e-6 and found.std(ddof=1) == pytest.approx(1, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([np.uint8, np.int8, np.uint16, np.int16]),
    st.tuples(*[st.integers(1, 40)] * 3),
    st.integers(0, 2**32 - 1),
    st.booleans(),
)
def test_mean_and_sd_of_narrow_types_are_those_of_numpy(dtype, size, seed, masked):
    limits = np.iinfo(dtype)
    rng = np.random.default_rng(seed)
    array = rng.integers(limits.min, limits.max, size, dtype, endpoint=True)
    inside = rng.random(size) < 0.5 if masked else None
    values = array[...].astype(float).ravel() if inside is None else array[inside].astype(float)
    assume(len(values) > 1)
    mean, sd = mean_and_sd(array, inside, SILENT)
    assert mean == pytest.approx(values.mean(), rel=1e-12, abs=1e-9)
    assert sd == pytest.approx(values.std(ddof=1), rel=1e-10)


def test_sums_of_the_largest_values_are_exact():
    array = np.full((5, 200, 200), 65535, np.uint16)
    array[0, 0, 0] = 65534
    mean, sd = mean_and_sd(array, None, SILENT)
    assert mean == 65535 - 1 / array.size
    assert sd == pytest.approx(array.size**-0.5, rel=1e-14)


def test_a_small_spread_on_a_large_value_is_kept():
    array = (2_000_000_000 + np.random.default_rng(0).integers(-50, 50, (6, 20, 20))).astype(np.int32)
    found = result(NormaliseZscore(), sitk.GetImageFromArray(array))
    np.testing.assert_allclose(found, (array - array.mean()) / array.std(ddof=1), rtol=1e-6, atol=1e-7)
    assert result(NormaliseRange(), sitk.GetImageFromArray(array)).max() == 1


@pytest.mark.parametrize(
    "operation", [NormalisePercentile(low_percent=5, high_percent=95), NormaliseRange(), NormaliseZscore()]
)
def test_with_a_mask_only_its_voxels_decide(operation):
    image = noisy(np.float32)
    mask, inside = box_mask(image)
    array = sitk.GetArrayFromImage(image)
    other = np.where(inside, array, array * 7 - 3000).astype(np.float32)
    first, second = result(operation, image, mask), result(operation, image_like(other, image), mask)
    np.testing.assert_array_equal(first[inside], second[inside])
    assert np.abs(first[~inside] - second[~inside]).max() > 0.5
    alone = sitk.GetImageFromArray(array[3:9, 5:20, 4:17])
    np.testing.assert_allclose(first[3:9, 5:20, 4:17], result(operation, alone), atol=1e-6)


@pytest.mark.parametrize("operation", [NormalisePercentile(), NormaliseRange(), NormaliseZscore()])
def test_a_constant_region_is_refused_with_its_value(operation):
    array = np.random.default_rng(0).normal(0, 1, (6, 7, 8)).astype(np.float32)
    array[2:4] = 12.5
    inside = np.zeros(array.shape, np.uint8)
    inside[2:4] = 1
    image = sitk.GetImageFromArray(array)
    with pytest.raises(InputError, match=r"inside the mask is constant.*12\.5"):
        result(operation, image, image_like(inside, image))


def test_mostly_air_makes_two_percentiles_equal_and_is_refused():
    array = np.zeros((10, 10, 20), np.int16)
    array[0, 0, :5] = 700
    with pytest.raises(InputError, match=r"constant between its percentiles 0\.5 and 99\.5"):
        result(NormalisePercentile(), sitk.GetImageFromArray(array))


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        (NormalisePercentile, {"low_percent": 60, "high_percent": 40}),
        (NormalisePercentile, {"to_low": 1.0}),
        (NormaliseRange, {"to_low": 2.0, "to_high": 2.0}),
    ],
)
def test_ends_that_do_not_rise_are_refused(operation, parameters):
    with pytest.raises(ParameterError, match="must be below"):
        operation(**parameters)
