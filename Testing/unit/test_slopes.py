"""Derivatives that are made layer by layer equal those of the whole array."""

from __future__ import annotations

import numpy as np
import pytest
from MedImgAnalysisLib.kernels import separable
from MedImgAnalysisLib.kernels.slopes import Slopes


def array(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("shape", [(6, 5, 4), (7, 6), (2, 5, 1)])
def test_slopes_are_central_differences_per_length_and_0_at_the_border(shape):
    values, spacing = array(shape), (2.0, 0.5, 1.5)[: len(shape)]
    for axis, n in enumerate(shape):
        found = Slopes(values, spacing, (axis,)).whole
        inner = tuple(slice(1, -1) if a == axis else slice(None) for a in range(len(shape)))
        if n > 2:
            expected = np.gradient(values, spacing[axis], axis=axis)
            np.testing.assert_allclose(found[inner], expected[inner], rtol=1e-5)
        border = np.delete(found, np.s_[1:-1] if n > 2 else [], axis=axis)
        assert not border.any()


def test_several_axes_give_the_product_of_the_slopes():
    values, spacing = array((6, 5, 4)), (2.0, 0.5, 1.5)
    one, other = (Slopes(values, spacing, (axis,)).whole for axis in (0, 2))
    np.testing.assert_allclose(Slopes(values, spacing, (0, 2)).whole, one * other)
    np.testing.assert_allclose(Slopes(values, spacing, (2, 2)).whole, other * other)


@pytest.mark.parametrize("shape", [(6, 5, 4), (7, 6)])
def test_some_layers_of_a_separable_operator_equal_those_of_all_of_it(shape):
    values = array(shape)
    matrices = [np.triu(array((n + 3, n)).astype(float)) for n in shape]
    whole = separable.apply(values, matrices)
    layers = separable.Layers(matrices)
    for rows in (slice(0, 1), slice(2, 6), slice(0, shape[0] + 3)):
        np.testing.assert_allclose(layers.of(values, rows), whole[rows], rtol=1e-4, atol=1e-4)


def test_factors_that_are_made_plane_by_plane_equal_an_array_of_them():
    values, other = array((6, 5, 4)), array((6, 5, 4))[::-1].copy()
    matrices = [array((3, n)).astype(float) for n in values.shape]
    slopes = Slopes(other, (1.0, 1.0, 1.0), (1,))
    expected = separable.apply(values * slopes.whole, matrices)
    np.testing.assert_allclose(separable.apply(values, matrices, times=slopes), expected, rtol=1e-4, atol=1e-5)
