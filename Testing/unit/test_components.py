"""Components found in slabs are those that scipy finds in the whole array."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from MedImgAnalysisLib.errors import Cancelled
from MedImgAnalysisLib.kernels import components
from MedImgAnalysisLib.kernels.components import Components
from MedImgAnalysisLib.progress import Progress
from scipy import ndimage

MASKS = hnp.arrays(bool, st.one_of(hnp.array_shapes(min_dims=2, max_dims=3, max_side=9)))


def expected(mask: np.ndarray, corners: bool) -> tuple[np.ndarray, int]:
    return ndimage.label(mask, ndimage.generate_binary_structure(mask.ndim, mask.ndim if corners else 1))


@pytest.fixture(autouse=True, params=[1, 20, 1 << 21])
def slab_size(request, monkeypatch):
    """Slabs of one layer, of a few and of everything."""
    original = components.ranges
    monkeypatch.setattr(components, "ranges", lambda n, layer, _values: original(n, layer, request.param))


@given(MASKS, st.booleans())
def test_numbers_are_those_of_scipy_by_falling_size(mask, corners):
    numbered, sizes = Components(mask, corners=corners).numbered()
    labels, count = expected(mask, corners)
    assert len(sizes) == count
    np.testing.assert_array_equal(sizes, np.bincount(numbered.ravel(), minlength=count + 1)[1:])
    assert (np.diff(sizes) <= 0).all()
    pairs = np.unique(np.stack([numbered.ravel(), labels.ravel()]), axis=1)
    assert pairs.shape[1] == len(np.unique(pairs[0])) == len(np.unique(pairs[1]))


@given(MASKS, st.booleans(), st.integers(0, 10**6))
def test_the_components_of_seeds_are_found(mask, corners, seed):
    rng = np.random.default_rng(seed)
    at = tuple(rng.integers(0, n, 3) for n in mask.shape)
    labels, _ = expected(mask, corners)
    wanted = set(labels[at].tolist()) - {0}
    np.testing.assert_array_equal(Components(mask, corners=corners).holding(at), np.isin(labels, list(wanted)))


def test_a_cancel_comes_through():
    progress = Progress()
    progress.cancel()
    with pytest.raises(Cancelled):
        Components(np.ones((4, 4, 4), bool), progress)
