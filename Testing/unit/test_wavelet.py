"""Wavelets against PyWavelets and scikit-image, their defining properties, and noise estimates on known noise."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.filtering import Wavelet
from MedImgAnalysisLib.filtering.noise_level import noise_level
from MedImgAnalysisLib.kernels.wavelets import FAMILIES, analysis, noise_sigma, scaling_filter, shrink, synthesis
from MedImgAnalysisLib.progress import SILENT


def denoised(array: np.ndarray, **parameters) -> np.ndarray:
    image = sitk.GetImageFromArray(array)
    return sitk.GetArrayFromImage(execute(Wavelet(**parameters), {"image": image}).outputs["image"])


def phantom(size=(24, 30, 34), noise=10.0, seed=0) -> tuple[np.ndarray, np.ndarray]:
    clean = np.zeros(size, np.float32)
    clean[size[0] // 4 : -size[0] // 4, size[1] // 4 : -size[1] // 4, 5:-7] = 100
    return clean, clean + np.random.default_rng(seed).normal(0, noise, size).astype(np.float32)


@pytest.mark.parametrize("family", FAMILIES)
def test_filters_are_orthonormal_with_vanishing_moments(family):
    taps = np.array(scaling_filter(family))
    for shift in range(0, len(taps), 2):
        assert taps[shift:] @ taps[: len(taps) - shift] == pytest.approx(float(shift == 0), abs=1e-10)
    high = taps[::-1] * (-1.0) ** np.arange(len(taps))
    x = np.linspace(-1, 1, len(taps))
    for moment in range(len(taps) // 2):
        assert high @ x**moment == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_filters_and_transform_are_those_of_pywavelets(family):
    pywt = pytest.importorskip("pywt")
    np.testing.assert_allclose(scaling_filter(family), pywt.Wavelet(family).rec_lo, atol=1e-9)
    for n in (2, 7, 16, 33):
        values = np.random.default_rng(n).normal(0, 1, n)
        low, high = pywt.dwt(values, family, "symmetric")
        found = analysis(n, family) @ values
        np.testing.assert_allclose(found[::2], low, atol=1e-9)
        np.testing.assert_allclose(found[1::2], high, atol=1e-9)


@given(st.integers(1, 70), st.sampled_from(FAMILIES))
def test_the_synthesis_undoes_the_analysis(n, family):
    taps = len(scaling_filter(family))
    if n >= taps:
        np.testing.assert_allclose(synthesis(n, family) @ analysis(n, family), np.eye(n), atol=1e-9)


@settings(max_examples=15, deadline=None)
@given(
    st.tuples(st.integers(1, 20), st.integers(3, 24), st.integers(3, 30)),
    st.integers(1, 4),
    st.sampled_from(FAMILIES),
    st.sampled_from([np.float32, np.float64]),
)
def test_without_a_threshold_the_image_comes_back(size, levels, family, dtype):
    array = np.random.default_rng(0).normal(100, 20, size).astype(dtype)
    found = shrink(array, family, levels, lambda mean: 0.0, True)
    np.testing.assert_allclose(found, array, rtol=1e-5)


@pytest.mark.parametrize("threshold", ["soft", "hard"])
@pytest.mark.parametrize("method", ["BayesShrink", "VisuShrink"])
@pytest.mark.parametrize("family", ["haar", "db2", "sym4"])
@pytest.mark.parametrize("size", [(24, 30, 34), (21, 33, 28), (40, 44)])
def test_equals_scikit_image(size, family, method, threshold):
    pytest.importorskip("pywt")
    peer = pytest.importorskip("skimage.restoration")
    array = np.random.default_rng(1).normal(100, 10, size).astype(np.float64)
    array[4:15] += 60
    expected = peer.denoise_wavelet(
        array, sigma=8.0, wavelet=family, mode=threshold, wavelet_levels=2, method=method, rescale_sigma=False
    )
    found = denoised(array, method=method, threshold=threshold, family=family, levels=2, noise=8.0)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    single = denoised(array.astype(np.float32), method=method, threshold=threshold, family=family, levels=2, noise=8.0)
    off = np.abs(single - expected) > 0.01
    assert off.mean() < (0.01 if threshold == "hard" else 1e-9)  # a coefficient at the threshold may fall either way


def test_known_noise_is_estimated_and_removed():
    clean, noisy = phantom((40, 50, 60))
    assert noise_sigma(noisy) == pytest.approx(10, rel=0.05)
    for method, at_most in (("BayesShrink", 5.0), ("VisuShrink", 8.0)):
        assert np.sqrt(((denoised(noisy, method=method) - clean) ** 2).mean()) < at_most
    level = noise_level(None, sitk.GetImageFromArray(noisy), None, SILENT)
    assert level == pytest.approx(10, rel=0.1)
    np.testing.assert_allclose(denoised(noisy), denoised(noisy, noise=level), atol=1e-4)


def test_the_estimate_is_that_of_scikit_image():
    peer = pytest.importorskip("skimage.restoration")
    pytest.importorskip("pywt")
    for array in (phantom()[1], phantom((1, 40, 50))[1], phantom()[1][3]):
        solid = array[0] if array.shape[0] == 1 else array
        assert noise_sigma(array) == pytest.approx(peer.estimate_sigma(solid), rel=1e-5)


@pytest.mark.parametrize("value", [0, -1000, 3.3e4, 1e9])
def test_a_constant_image_has_no_noise_and_says_so(value):
    array = np.full((12, 13, 14), value, np.float32)
    assert noise_sigma(array) == 0
    assert noise_sigma(np.full((1, 1, 1), value, np.float32)) == 0
    result = execute(Wavelet(), {"image": sitk.GetImageFromArray(array)})
    assert any("No noise was found" in warning for warning in result.warnings)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(result.outputs["image"]), array)


def test_thin_stacks_are_denoised_in_their_planes():
    rng = np.random.default_rng(0)
    plane = rng.normal(0, 10, (40, 44)).astype(np.float32)
    flat = denoised(plane[None], noise=10.0)
    np.testing.assert_allclose(flat[0], denoised(plane, noise=10.0), atol=1e-4)
