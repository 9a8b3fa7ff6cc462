"""Separable operators against dense matrices, Gaussian kernels against their moments and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from MedImgAnalysisLib.kernels.gaussian import derivative, radius, smooth, taps
from MedImgAnalysisLib.kernels.separable import apply, reflected
from scipy.ndimage import convolve1d, gaussian_filter, gaussian_filter1d


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(*[st.integers(1, 130)] * 3).filter(lambda n: np.prod(n) < 60_000),
    st.tuples(*[st.one_of(st.none(), st.integers(1, 130))] * 3),
    st.sampled_from([np.uint8, np.int16, np.float32, np.float64]),
)
def test_tiles_give_the_product_with_the_whole_matrices(shape, lengths, dtype):
    rng = np.random.default_rng(0)
    array = rng.integers(0, 100, shape).astype(dtype)
    matrices = []
    for n, length in zip(shape, lengths, strict=True):
        if length is None:
            matrices.append(None)
            continue
        # A band whose width varies, as of an interpolation, with empty rows.
        rows, columns = np.mgrid[:length, :n]
        matrix = rng.normal(0, 1, (length, n)) * (np.abs(columns * length / n - rows) < 7)
        matrix[rng.random(length) < 0.1] = 0
        matrices.append(matrix)
    expected = array.astype(float)
    for axis, matrix in enumerate(matrices):
        if matrix is not None:
            expected = np.moveaxis(np.tensordot(matrix, expected, (1, axis)), 0, axis)
    found = apply(array, matrices)
    assert found.dtype == (np.float64 if dtype == np.float64 else np.float32)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * max(1.0, np.abs(expected).max()))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 20), st.integers(0, 25))
def test_the_border_is_mirrored_as_in_scipy(n, half):
    rng = np.random.default_rng(1)
    weights, values = rng.normal(0, 1, 2 * half + 1), rng.normal(0, 1, n)
    expected = convolve1d(values, weights, mode="reflect")
    np.testing.assert_allclose(reflected(n, weights) @ values, expected, atol=1e-9)


@pytest.mark.parametrize("sigma", [0.0, 0.05, 0.12, 0.13, 0.3, 0.5, 0.8, 1.0, 2.7, 9.0])
def test_kernels_have_the_moments_that_make_polynomials_exact(sigma):
    for order in (0, 1, 2):
        weights = taps(sigma, order)[::-1]
        x = np.arange(len(weights)) - len(weights) // 2
        moments = [weights.sum(), weights @ x, weights @ x**2]
        expected = [[1, 0, moments[2]], [0, 1, 0], [0, 0, 2]][order]
        np.testing.assert_allclose(moments, expected, atol=1e-9)


@pytest.mark.parametrize(("order", "sigma"), [(1, 1.5), (1, 4.0), (2, 1.5), (2, 4.0)])
def test_derivatives_of_wide_kernels_are_those_of_scipy(order, sigma):
    array = np.random.default_rng(0).normal(0, 1, 90)
    expected = gaussian_filter1d(array, sigma, order=order, mode="reflect", truncate=4)
    found = derivative(array[None].repeat(2, axis=0), [0.0, sigma], [0, order])[1]
    np.testing.assert_allclose(found, expected, atol=0.01 * np.abs(expected).max())


def test_a_narrow_kernel_is_the_central_difference():
    array = np.random.default_rng(0).normal(0, 1, (3, 8))
    expected = (array[:, 2:] - array[:, :-2]) / 2
    np.testing.assert_allclose(derivative(array, [0.0, 0.1], [0, 1])[:, 1:-1], expected)
    expected = array[:, 2:] - 2 * array[:, 1:-1] + array[:, :-2]
    np.testing.assert_allclose(derivative(array, [0.0, 0.1], [0, 2])[:, 1:-1], expected, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(
    st.tuples(*[st.integers(1, 40)] * 3),
    st.tuples(*[st.floats(0, 6)] * 3),
    st.sampled_from([np.uint8, np.int16, np.float32, np.float64]),
)
def test_smoothing_equals_scipy_on_random_sizes_and_types(shape, sigmas, dtype):
    array = np.random.default_rng(0).integers(0, 250, shape).astype(dtype)
    wide = [sigma if radius(sigma) else 0 for sigma in sigmas]
    expected = gaussian_filter(array.astype(float), wide, mode="reflect", truncate=4)
    np.testing.assert_allclose(smooth(array, sigmas), expected, rtol=1e-5, atol=1e-4)
