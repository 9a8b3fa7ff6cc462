"""Exact percentiles against numpy, for every type, with and without a mask."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from MedImgAnalysisLib.errors import Cancelled
from MedImgAnalysisLib.kernels import ranks as ranks_module
from MedImgAnalysisLib.kernels.pointwise import mapped, piecewise_linear
from MedImgAnalysisLib.kernels.ranks import counts_of, percentiles, ranked
from MedImgAnalysisLib.progress import Progress

TYPES = [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.uint64, np.int64, np.float32, np.float64]


def values(dtype, size, seed=0, scale=40.0):
    rng = np.random.default_rng(seed)
    drawn = rng.normal(100 if np.dtype(dtype).kind == "u" else 0, scale, size)
    limits = (0, 255) if dtype == np.uint8 else (-128, 127) if dtype == np.int8 else (-1e9, 1e9)
    return np.clip(drawn, max(limits[0], 0) if np.dtype(dtype).kind == "u" else limits[0], limits[1]).astype(dtype)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(TYPES),
    st.tuples(st.integers(1, 5), st.integers(1, 9), st.integers(1, 11)),
    st.lists(st.floats(0, 100), min_size=1, max_size=6),
    st.booleans(),
    st.integers(0, 1000),
)
def test_percentiles_equal_numpy(dtype, size, percent, masked, seed):
    array = values(dtype, size, seed)
    inside = np.random.default_rng(seed + 1).random(size) < 0.4
    inside.flat[0] = True
    expected = np.percentile((array[inside] if masked else array).astype(float), percent)
    np.testing.assert_allclose(
        percentiles(array, percent, inside if masked else None), expected, rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("dtype", TYPES)
def test_every_rank_is_the_sorted_value_also_over_many_slabs(dtype, monkeypatch):
    monkeypatch.setattr("MedImgAnalysisLib.blockwise.SLAB_VALUES", 64)
    array = values(dtype, (9, 8, 7))
    ranks = list(range(0, array.size, 5))
    np.testing.assert_array_equal(ranked(array, ranks), np.sort(array.ravel())[ranks])


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_extremes_of_the_type_and_repeated_values_keep_their_rank(dtype):
    limits = np.iinfo(dtype) if np.dtype(dtype).kind == "i" else np.finfo(dtype)
    array = np.array([[limits.max, 0, 0, limits.min, -1, 1, 0]], dtype)
    np.testing.assert_array_equal(ranked(array, range(7)), np.sort(array[0]))


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(TYPES),
    st.integers(40, 3000),
    st.sampled_from(["noise", "ground", "two values", "rising", "periodic"]),
    st.lists(st.floats(0, 100), min_size=1, max_size=5),
    st.floats(0.3, 1.0),
    st.integers(0, 1000),
)
def test_percentiles_from_a_small_sample_are_exact_whatever_the_values(dtype, n, kind, percent, part, seed):
    kept = {name: getattr(ranks_module, name) for name in ("SAMPLE", "SLACK", "PIECE")}
    array = values(dtype, (4, n // 4), seed)
    if kind == "ground":
        array[:, : array.shape[1] // 2] = array[0, 0]
    elif kind == "two values":
        array[:] = np.where(array > np.median(array), array.max(), array.min())
    elif kind == "rising":
        array[:] = np.sort(array.ravel()).reshape(array.shape)
    elif kind == "periodic":
        array[:] = np.where(np.arange(array.shape[1]) % 7 == 0, array.max(), array)
    inside = np.random.default_rng(seed + 1).random(array.shape) < part
    inside.flat[0] = True
    try:
        # A narrow bracket that often misses, and one of the usual width.
        for slack in (0.01, 5.0):
            ranks_module.SAMPLE, ranks_module.SLACK, ranks_module.PIECE = 32, slack, 50
            expected = np.percentile(array[inside].astype(float), percent)
            np.testing.assert_allclose(percentiles(array, percent, inside), expected, rtol=1e-12, atol=1e-12)
            np.testing.assert_allclose(
                percentiles(array, percent), np.percentile(array.astype(float), percent), rtol=1e-12, atol=1e-12
            )
    finally:
        for name, value in kept.items():
            setattr(ranks_module, name, value)


def test_the_ranks_of_a_large_image_are_those_of_numpy():
    array = values(np.float32, (20, 200, 200))
    array[:10, :60] = 0.0
    for one in (array, array[::2, ::-1, 3:], np.asfortranarray(array)):
        ranks = [0, 1, 77, one.size // 3, one.size // 2, one.size - 1]
        np.testing.assert_array_equal(ranked(one, ranks), np.sort(one, axis=None)[ranks])


def test_counts_are_those_of_the_distinct_values():
    array = values(np.int16, (6, 30, 31))
    found = counts_of(array)
    expected, counts = np.unique(array, return_counts=True)
    np.testing.assert_array_equal(found.values, expected)
    np.testing.assert_array_equal(found.counts, counts)


def test_a_cancel_stops_the_ranking():
    progress = Progress()
    progress.cancel()
    with pytest.raises(Cancelled):
        percentiles(np.ones((4, 4, 4), np.float32), [50], progress=progress)


@pytest.mark.parametrize("dtype", TYPES)
def test_a_function_of_the_value_is_the_same_by_table_and_by_voxel(dtype):
    array = values(dtype, (5, 9, 10))
    expected = np.sin(array.astype(float) / 50)
    np.testing.assert_allclose(mapped(array, lambda v: np.sin(v / 50), np.float64), expected, rtol=1e-14)


def test_pieces_are_continued_beyond_the_ends():
    x, y = np.array([0.0, 1.0, 3.0]), np.array([10.0, 20.0, 24.0])
    found = piecewise_linear(np.array([-1.0, 0.0, 0.5, 2.0, 3.0, 5.0]), x, y)
    np.testing.assert_allclose(found, [0.0, 10.0, 15.0, 22.0, 24.0, 28.0], rtol=1e-15)
