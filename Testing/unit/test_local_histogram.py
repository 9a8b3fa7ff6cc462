"""Tables of adaptive histogram equalisation against their definition, tile by tile."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from MedImgAnalysisLib.kernels import local_histogram
from MedImgAnalysisLib.kernels.local_histogram import BINS, equalise
from MedImgAnalysisLib.progress import SILENT

SIZES = st.tuples(st.integers(1, 9), st.integers(1, 14), st.integers(2, 15))


@settings(max_examples=60, deadline=None)
@given(SIZES, st.data(), st.floats(1.0, 60.0), st.sampled_from([np.float32, np.float64]), st.booleans())
def test_tables_are_clipped_histograms_of_each_tile(size, data, limit, dtype, masked):
    tiles = [data.draw(st.integers(1, n)) for n in size]
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    array = np.rint(rng.normal(0, 20, size)).astype(dtype)
    inside = rng.random(size) < 0.6 if masked else None
    low, high = float(array.min()), float(array.max()) + 1
    kept, local_histogram.ROW_VALUES = local_histogram.ROW_VALUES, data.draw(st.sampled_from([1, 3000, 1 << 19]))
    try:
        tables = local_histogram._tables(array, tiles, limit, low, high, inside, SILENT)
    finally:
        local_histogram.ROW_VALUES = kept
    edges = [np.linspace(0, n, count + 1).round().astype(int) for n, count in zip(size, tiles, strict=True)]
    for place in np.ndindex(*tiles):
        box = tuple(slice(edge[p], edge[p + 1]) for edge, p in zip(edges, place, strict=True))
        values = array[box] if inside is None else array[box][inside[box]]
        table = tables[place]
        assert table[0] == 0 and abs(table[-1] - 1) < 1e-12
        share = np.diff(table) * BINS
        if not values.size:
            np.testing.assert_allclose(share, 1, atol=1e-9)
            continue
        plain = np.histogram(values, BINS, (low, high))[0] * (BINS / values.size)
        if plain.max() <= limit:
            np.testing.assert_allclose(share, plain, atol=1e-9)
            continue
        # What is cut off is spread evenly, and the largest bin is at the limit.
        np.testing.assert_allclose(share.max(), limit, rtol=1e-9)
        spread = share.min() if plain.min() == 0 else share[plain.argmin()] - plain.min()
        cut = limit - spread
        np.testing.assert_allclose(share, np.minimum(plain, cut) + spread, atol=1e-8)


def test_tiles_of_one_voxel_work():
    array = np.random.default_rng(0).normal(0, 1, (4, 6, 5)).astype(np.float32)
    found = equalise(array, array.shape, 3.0, float(array.min()), float(array.max()))
    assert found.shape == array.shape and np.isfinite(found).all()
