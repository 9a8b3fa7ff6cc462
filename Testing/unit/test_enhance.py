"""Sharpening, windows and local contrast against closed forms, SimpleITK and scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from MedImgAnalysisLib.errors import ParameterError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.filtering import (
    AdaptiveHistogram,
    Deconvolve,
    Gaussian,
    LaplacianSharpening,
    Sigmoid,
    UnsharpMask,
    Window,
)
from MedImgAnalysisLib.kernels.deconvolution import wiener
from MedImgAnalysisLib.kernels.local_histogram import BINS, equalise
from scipy.ndimage import gaussian_filter

SIZES = st.tuples(st.integers(1, 10), st.integers(1, 12), st.integers(2, 14))
SPACINGS = st.tuples(*[st.floats(0.4, 3)] * 3)
TYPES = st.sampled_from([np.uint8, np.int16, np.float32, np.int32, np.float64])


def image_of(array: np.ndarray, spacing=(1.0, 1.0, 1.0)) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing[: image.GetDimension()])
    return image


def result(operation, image: sitk.Image, **inputs) -> np.ndarray:
    return sitk.GetArrayFromImage(execute(operation, {"image": image, **inputs}).outputs["image"])


def random_image(size, dtype=np.float32, spacing=(1.0, 1.0, 1.0)) -> sitk.Image:
    return image_of(np.random.default_rng(0).integers(0, 250, size).astype(dtype), spacing)


@settings(max_examples=20, deadline=None)
@given(SIZES, SPACINGS, TYPES, st.floats(0.3, 3), st.floats(0, 3), st.sampled_from([0.0, 10.0]))
def test_unsharp_mask_is_its_formula(size, spacing, dtype, sigma, amount, threshold):
    image = random_image(size, dtype, spacing)
    array = sitk.GetArrayFromImage(image).astype(float)
    detail = array - result(Gaussian(sigma), image)
    chosen = np.where(np.abs(detail) > threshold, detail, 0)
    found = result(UnsharpMask(sigma, amount, threshold), image)
    unsure = np.abs(np.abs(detail) - threshold) < 1e-3
    np.testing.assert_allclose(found[~unsure], (array + amount * chosen)[~unsure], rtol=1e-5, atol=5e-3)


def test_unsharp_mask_is_near_that_of_itk():
    image = image_of(gaussian_filter(np.random.default_rng(0).normal(100, 400, (20, 30, 34)), 2).astype(np.float32))
    peer = sitk.GetArrayFromImage(sitk.UnsharpMask(image, [2.0] * 3, 0.5, 0.0, False))
    found = result(UnsharpMask(2.0, 0.5), image)
    assert np.abs(found - peer)[6:-6, 6:-6, 6:-6].max() < 0.02 * np.ptp(peer)


@settings(max_examples=20, deadline=None)
@given(SIZES, SPACINGS, TYPES)
def test_laplacian_sharpening_is_its_formula(size, spacing, dtype):
    image = random_image(size, dtype, spacing)
    real = sitk.Cast(image, sitk.sitkFloat64)
    expected = sitk.GetArrayFromImage(real) - 0.7**2 / 2 * sitk.GetArrayFromImage(sitk.Laplacian(real))
    np.testing.assert_allclose(result(LaplacianSharpening(0.7), image), expected, rtol=1e-4, atol=0.05)


def test_laplacian_sharpening_undoes_a_small_blur():
    clean = gaussian_filter(np.random.default_rng(0).normal(0, 500, (30, 40, 44)), 3).astype(np.float32)
    blurred = gaussian_filter(clean, 1.0)
    found = result(LaplacianSharpening(1.0), image_of(blurred))
    inner = (slice(6, -6),) * 3
    assert np.abs(found - clean)[inner].max() < 0.15 * np.abs(blurred - clean)[inner].max()


@settings(max_examples=20, deadline=None)
@given(SIZES, TYPES, st.floats(-50, 300), st.floats(1, 300), st.floats(-5, 5))
def test_window_is_that_of_itk(size, dtype, level, width, low):
    image = random_image(size, dtype)
    real = sitk.Cast(image, sitk.sitkFloat64)
    peer = sitk.IntensityWindowing(real, level - width / 2, level + width / 2, low, low + 10)
    found = result(Window(level, width, low, low + 10), image)
    np.testing.assert_allclose(found, sitk.GetArrayFromImage(peer), atol=1e-4)  # float32 of a narrow window


def test_a_window_can_be_inverted():
    image = random_image((4, 5, 6), np.int16)
    upright, inverted = (result(Window(100.0, 120.0, low, high), image) for low, high in ((2.0, 9.0), (9.0, 2.0)))
    np.testing.assert_allclose(upright + inverted, 11, atol=1e-5)
    assert upright.max() == 9 and inverted.max() == 9 and upright.argmax() == inverted.argmin()


@settings(max_examples=20, deadline=None)
@given(SIZES, TYPES, st.floats(0, 250), st.sampled_from([-30.0, 5.0, 60.0]))
def test_sigmoid_is_that_of_itk(size, dtype, centre, width):
    image = random_image(size, dtype)
    peer = sitk.Sigmoid(sitk.Cast(image, sitk.sitkFloat64), width, centre, 10.0, -3.0)
    np.testing.assert_allclose(
        result(Sigmoid(centre, width, -3.0, 10.0), image), sitk.GetArrayFromImage(peer), atol=1e-5
    )


def test_sigmoid_finds_its_centre_and_width_inside_the_mask():
    array = np.random.default_rng(0).normal(100, 20, (10, 20, 30)).astype(np.float32)
    array[..., :10] = -1000
    where = np.ones(array.shape, np.uint8)
    where[..., :10] = 0
    found = result(Sigmoid(), image_of(array), mask=image_of(where))
    inside = array[..., 10:]
    low, median, high = np.percentile(inside, [2, 50, 98])
    expected = 1 / (1 + np.exp(-(inside - median) / ((high - low) / 10)))
    np.testing.assert_allclose(found[..., 10:], expected, atol=1e-5)


def test_ranges_that_make_no_sense_are_refused():
    for parameters, message in (({"width": 0.0}, "width is 0"), ({"to_low": 2.0}, "below to_high")):
        with pytest.raises(ParameterError, match=message):
            Sigmoid(**parameters)
    with pytest.raises(ParameterError, match="both 1"):
        Window(to_low=1.0)


def test_one_tile_without_a_limit_is_plain_equalisation():
    array = np.random.default_rng(0).gamma(2, 50, (8, 30, 32))
    low, high = array.min(), array.max()
    found = equalise(array, (1, 1, 1), 1e9, low, high)
    ranks = (array.reshape(-1).argsort().argsort().reshape(array.shape) + 0.5) / array.size
    np.testing.assert_allclose((found - low) / (high - low), ranks, atol=0.02)


def test_a_limit_of_one_changes_nothing():
    array = np.random.default_rng(0).gamma(2, 50, (8, 30, 32))
    np.testing.assert_allclose(equalise(array, (2, 3, 3), 1.0, array.min(), array.max()), array, rtol=1e-9)


def test_contrast_grows_by_the_limit_at_the_most():
    image = image_of(np.random.default_rng(0).gamma(2, 50, (8, 30, 32)).astype(np.float32))
    array = sitk.GetArrayFromImage(image)[3, 10].astype(float)
    probe = np.stack([array, array + np.ptp(array) / BINS])
    tables = equalise(
        np.repeat(probe[:, None, :], 2, axis=1), (1, 1, 1), 2.5, float(array.min()), float(array.max()) + 1
    )
    growth = (tables[1, 0] - tables[0, 0]) / (probe[1] - probe[0])
    # What is cut off is spread over all bins and adds at most 1.
    assert growth.max() <= 3.5


def test_tiles_are_millimetres_and_shading_is_evened_out():
    rng = np.random.default_rng(0)
    k, j, i = np.indices((10, 60, 80))
    texture = np.sign(np.sin(j / 3.0)) * np.sign(np.sin(i / 3.0))
    shading = 1000 * np.exp(-i / 20.0)
    array = (shading * (1 + 0.1 * texture) + rng.normal(0, 0.5, k.shape)).astype(np.float32)
    found = result(AdaptiveHistogram(tile_mm=10.0, contrast_limit=20.0), image_of(array, (0.5, 0.5, 1.0)))
    contrast = [np.abs(part[..., -20:] - part[..., -20:].mean(axis=(0, 1))).mean() for part in (array, found)]
    assert contrast[1] > 5 * contrast[0]
    assert found.min() >= array.min() and found.max() <= array.max()


def test_equalisation_agrees_with_scikit_image():
    peer = pytest.importorskip("skimage.exposure")
    rng = np.random.default_rng(0)
    array = gaussian_filter(rng.normal(0, 1, (60, 64)), 3) + 0.02 * np.arange(64)
    array = (array - array.min()) / np.ptp(array)
    expected = peer.equalize_adapthist(array, kernel_size=32, clip_limit=0.9, nbins=256)
    found = result(AdaptiveHistogram(tile_mm=32.0, contrast_limit=1000.0), image_of(array))
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.97


def blurred_boxes(noise: float, sigma=1.2, spacing=(1.0, 0.8, 1.6)) -> tuple[np.ndarray, sitk.Image]:
    clean = np.full((20, 40, 44), 10.0)
    clean[5:14, 8:18, 8:30] = 200
    clean[8:12, 24:34, 12:16] = 120
    blurred = gaussian_filter(clean, [sigma / s for s in spacing[::-1]], mode="reflect", truncate=4)
    array = blurred + np.random.default_rng(0).normal(0, noise, clean.shape)
    return clean, image_of(array.astype(np.float32), spacing)


@pytest.mark.parametrize("method", ["richardson_lucy", "wiener"])
def test_a_known_blur_in_millimetres_is_undone_in_part(method):
    clean, image = blurred_boxes(1.0)
    array = sitk.GetArrayFromImage(image)
    found = result(Deconvolve(method, 1.2, iterations=15, noise=1.0 if method == "wiener" else None), image)
    before, after = (np.sqrt(((a - clean) ** 2).mean()) for a in (array, found))
    assert after < 0.8 * before
    assert found.mean() == pytest.approx(array.mean(), rel=1e-3)


def test_richardson_lucy_is_that_of_itk():
    rng = np.random.default_rng(0)
    array = gaussian_filter(rng.gamma(1, 50, (24, 28, 30)), 1.0).astype(np.float32)
    array -= array.min()
    kernel = np.zeros((17, 17, 17), np.float32)
    kernel[8, 8, 8] = 1
    kernel = gaussian_filter(kernel, 1.5, truncate=4)
    peer = sitk.RichardsonLucyDeconvolution(image_of(array), image_of(kernel), 5, True)
    found = result(Deconvolve("richardson_lucy", 1.5, iterations=5), image_of(array))
    np.testing.assert_allclose(
        found[11:-11, 12:-12, 12:-12], sitk.GetArrayFromImage(peer)[11:-11, 12:-12, 12:-12], rtol=0.02
    )


@settings(max_examples=15, deadline=None)
@given(st.tuples(st.integers(1, 8), st.integers(2, 12), st.integers(2, 14)), st.tuples(*[st.floats(0, 3)] * 3))
def test_wiener_without_noise_inverts_the_matrix_of_the_blur(size, sigmas):
    from MedImgAnalysisLib.kernels.gaussian import smooth

    array = np.random.default_rng(0).normal(0, 10, size)
    ratio = 0.05
    # (G G + ratio) u = G f by definition of the filter.
    u = wiener(array, sigmas, ratio)
    np.testing.assert_allclose(smooth(smooth(u, sigmas), sigmas) + ratio * u, smooth(array, sigmas), atol=1e-8)


def test_no_frequency_is_raised_by_more_than_the_largest_gain():
    x = np.arange(256)
    for period in (3, 5, 8, 16, 60):
        wave = np.cos(np.pi * (x + 0.5) * round(512 / period) / 256)  # a cosine that mirrored borders leave alone
        array = np.broadcast_to(100 * wave, (3, 256)).astype(np.float32)
        found = result(Deconvolve("wiener", 1.5, noise=0.0, largest_gain=4.0), image_of(array))
        assert np.ptp(found) <= 4.0 * 1.001 * np.ptp(array)
        exact = 1 / np.exp(-0.5 * (2 * np.pi * 1.5 / period) ** 2)
        if exact < 1.2:
            assert np.ptp(found) == pytest.approx(exact * np.ptp(array), rel=0.05)


def test_sharpening_by_axis_leaves_the_others():
    _, image = blurred_boxes(0.0)
    plane = result(Deconvolve(axis_sigmas_mm=(1.0, 1.0, 0.0)), image)
    single = sitk.GetArrayFromImage(image)[7] - sitk.GetArrayFromImage(image).min()
    alone = result(Deconvolve(axis_sigmas_mm=(1.0, 1.0)), image_of(np.pad(single, 0), (1.0, 0.8)))
    np.testing.assert_allclose(plane[7] - sitk.GetArrayFromImage(image).min(), alone, rtol=2e-3, atol=0.2)


def test_laplacian_sharpening_warns_when_sigma_is_beyond_the_voxel():
    image = random_image((6, 7, 8), spacing=(0.5, 1.0, 2.0))
    found = execute(LaplacianSharpening(sigma_mm=1.0), {"image": image})
    assert any("11.5 times" in warning for warning in found.warnings), found.warnings
    assert not execute(LaplacianSharpening(sigma_mm=0.5), {"image": image}).warnings
