"""Gaussian smoothing against closed forms, scipy and SimpleITK."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from medimg_testing import oblique_grid
from MedImgAnalysisLib.errors import InputError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.filtering import Gaussian
from scipy.ndimage import gaussian_filter
from scipy.special import erf


def smoothed(image: sitk.Image, **parameters) -> np.ndarray:
    return sitk.GetArrayFromImage(execute(Gaussian(**parameters), {"image": image}).outputs["image"])


def test_an_impulse_becomes_the_gaussian_in_millimetres_on_an_anisotropic_grid():
    array = np.zeros((41, 61, 81), np.float32)
    array[20, 30, 40] = 1.0
    spacing = np.array([0.5, 0.75, 1.5])
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing.tolist())
    sigma = 3.0
    result = smoothed(image, sigma_mm=sigma)
    k, j, i = np.indices(array.shape)
    r2 = ((i - 40) * 0.5) ** 2 + ((j - 30) * 0.75) ** 2 + ((k - 20) * 1.5) ** 2
    density = np.exp(-r2 / (2 * sigma**2)) / (2 * np.pi * sigma**2) ** 1.5 * spacing.prod()
    near = r2 < (2.5 * sigma) ** 2
    np.testing.assert_allclose(result[near], density[near], rtol=2e-3)
    assert result.sum(dtype=np.float64) == pytest.approx(1.0, abs=1e-5)


def test_a_step_becomes_the_error_function():
    array = np.zeros((3, 5, 200), np.float32)
    array[..., 100:] = 1000.0
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((0.4, 1.0, 1.0))
    result = smoothed(image, sigma_mm=2.0)[1, 2]
    x = (np.arange(200) - 99.5) * 0.4
    np.testing.assert_allclose(result, 500 * (1 + erf(x / (2.0 * np.sqrt(2)))), atol=0.5)


def test_noise_falls_as_the_docstring_says():
    noise = np.random.default_rng(3).normal(0, 10, (60, 60, 60)).astype(np.float32)
    result = smoothed(sitk.GetImageFromArray(noise), sigma_mm=1.5)[10:-10, 10:-10, 10:-10]
    assert result.std() == pytest.approx(10 * (1 / (2 * np.sqrt(np.pi) * 1.5)) ** 1.5, rel=0.03)


@settings(max_examples=25, deadline=None)
@given(
    st.tuples(st.integers(1, 12), st.integers(1, 14), st.integers(2, 16)),
    st.tuples(st.floats(0.3, 4), st.floats(0.3, 4), st.floats(0.3, 4)),
    st.floats(0.2, 6),
    st.sampled_from([np.uint8, np.int16, np.float32, np.int32, np.float64]),
)
def test_equals_scipy_on_random_sizes_spacings_and_types(size, spacing, sigma, dtype):
    array = np.random.default_rng(0).integers(0, 250, size).astype(dtype)
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    expected = gaussian_filter(
        array.astype(np.float64), [sigma / s for s in reversed(spacing)], mode="reflect", truncate=4
    )
    np.testing.assert_allclose(smoothed(image, sigma_mm=sigma), expected, rtol=1e-4, atol=1e-3)


def test_agrees_with_the_exact_filter_of_itk_inside():
    image = oblique_grid(
        sitk.GetImageFromArray(np.random.default_rng(1).normal(100, 20, (20, 40, 50)).astype(np.float32))
    )
    peer = sitk.DiscreteGaussian(image, [4.0 / 1] * 3, 64, 1e-5, True)
    inside = (slice(6, -6), slice(10, -10), slice(14, -14))
    difference = (smoothed(image, sigma_mm=2.0) - sitk.GetArrayFromImage(peer))[inside]
    assert np.abs(difference).max() < 1.0  # ITK samples the discrete analogue (Bessel), not the Gaussian itself


def test_outside_the_mask_the_image_is_unchanged(oblique_image):
    inside = np.zeros((16, 20, 24), np.uint8)
    inside[4:9, 5:12, 6:14] = 1
    mask = sitk.GetImageFromArray(inside)
    mask.CopyInformation(oblique_image)
    result = execute(Gaussian(sigma_mm=2.0), {"image": oblique_image, "mask": mask}).outputs["image"]
    array, original = sitk.GetArrayFromImage(result), sitk.GetArrayFromImage(oblique_image)
    np.testing.assert_array_equal(array[inside == 0], original[inside == 0])
    assert np.abs(array[inside == 1] - original[inside == 1]).max() > 1


def test_a_sigma_too_small_for_an_axis_is_said():
    image = sitk.GetImageFromArray(np.ones((4, 4, 4), np.float32))
    image.SetSpacing((0.1, 0.1, 50.0))
    result = execute(Gaussian(sigma_mm=1.0), {"image": image})
    assert any("too small" in warning and "k" in warning for warning in result.warnings)


def test_wide_integers_keep_their_digits():
    array = np.full((5, 5, 5), 2_000_000_001, np.int32)
    assert smoothed(sitk.GetImageFromArray(array), sigma_mm=1.0).dtype == np.float64
    np.testing.assert_allclose(smoothed(sitk.GetImageFromArray(array), sigma_mm=1.0), array, rtol=1e-14)


def test_each_axis_can_have_its_own_sigma():
    array = np.random.default_rng(3).normal(0, 10, (12, 15, 18)).astype(np.float32)
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((0.5, 1.0, 2.0))
    found = smoothed(image, axis_sigmas_mm=(1.0, 0.0, 3.0))
    expected = gaussian_filter(array.astype(float), [1.5, 0, 2], mode="reflect", truncate=4)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_sigmas_for_another_number_of_axes_are_refused():
    with pytest.raises(InputError, match="axis_sigmas_mm has 2 numbers, but the image is 3-D"):
        smoothed(sitk.GetImageFromArray(np.ones((4, 4, 4), np.float32)), axis_sigmas_mm=(1.0, 2.0))
