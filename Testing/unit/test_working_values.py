"""Small differences of large values are not lost: every operation finds the same in an image far from zero."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st
from MedImgAnalysisLib import catalog
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.segmentation.working_values import centred
from MedImgAnalysisLib.values import Labels, Landmarks

FAR = 2.0**27
"""From here on float32 knows every sixteenth number only."""


def ball() -> tuple[np.ndarray, np.ndarray]:
    """A ball of about 1 in about 0, in steps that float64 holds at any distance used here; and seeds 1 and 2."""
    k, j, i = np.indices((20, 24, 28))
    inside = (k - 10) ** 2 + (j - 12) ** 2 + (i - 14) ** 2 < 49
    noise = np.random.default_rng(0).normal(0, 0.05, inside.shape)
    seeds = np.zeros(inside.shape, np.uint8)
    seeds[9:11, 11:13, 13:16], seeds[:, :, :2] = 1, 2
    return np.rint((inside + noise) * 1024) / 1024, seeds


CASES = {
    "grow_connected": {"widen": 0.3},
    "grow_confidence": {},
    "grow_neighbourhood": {"widen": 0.3, "radius_mm": 1.0},
    "grow_isolated": {},
    "fast_marching": {"reach_mm": 9.0},
    "geodesic_active_contour": {"iterations": 40},
    "threshold_level_set": {"lower": 0.5, "upper": 1.5, "iterations": 40},
    "laplacian_level_set": {"start_radius_mm": 6.0, "iterations": 40},
    "canny_level_set": {"start_radius_mm": 6.0, "iterations": 40},
    "chan_vese": {},
    "morphological_snake": {"iterations": 40},
    "snake_2d": {},
    "watershed": {},
    "slic": {"size_mm": 5.0},
    "random_walker": {},
    "graph_cut": {},
    "kmeans": {"classes": 2},
    "gaussian_mixture": {"classes": 2},
}


def result(name: str, array: np.ndarray, seeds: np.ndarray, offset: float) -> np.ndarray:
    image = sitk.GetImageFromArray(array + offset)
    painted = [sitk.GetImageFromArray((seeds == n).astype(np.uint8)) for n in (1, 2)]
    angle = 2 * np.pi * np.arange(12) / 12
    curve = np.stack([14 + 6 * np.cos(angle), 12 + 6 * np.sin(angle), np.full(12, 10.0)], axis=1)
    given = {
        "image": image,
        "images": [image],
        "seeds": painted[0],
        "start_points": Landmarks(("A",), np.array([[14.0, 12.0, 10.0]])),
        "other": painted[1],
        "markers": Labels.from_masks(zip("AB", painted, strict=True)),
        "curve": Landmarks(tuple("abcdefghijkl"), curve, closed=True),
    }
    kind = catalog.find(name)
    if name == "random_walker":
        given["seeds"] = given["markers"]
    limits = {key: CASES[name][key] + offset for key in ("lower", "upper") if key in CASES[name]}
    roles = {role.name for role in kind.inputs()}
    outputs = execute(kind(**CASES[name] | limits), {key: one for key, one in given.items() if key in roles}).outputs
    found = outputs["labels"].layers[0] if "labels" in outputs else outputs["regions"]
    return sitk.GetArrayFromImage(found)


@pytest.mark.parametrize("name", CASES)
def test_the_same_is_found_far_from_zero(name):
    array, seeds = ball()
    near, far = (result(name, array, seeds, offset) for offset in (0.0, FAR))
    assert np.unique(near).size > 1
    # Sums of squares are rounded in another way.
    assert np.count_nonzero(near != far) <= (3 if name in ("grow_confidence", "kmeans", "gaussian_mixture") else 0)


@given(st.floats(-1e12, 1e12), st.sampled_from([np.float64, np.int64, np.int32]))
def test_differences_are_kept_to_a_millionth_of_the_range(middle, dtype):
    middle = float(np.clip(middle, -2e9, 2e9)) if dtype == np.int32 else middle
    array = (np.floor(middle) + np.arange(-500, 500).reshape(10, 100)).astype(dtype)
    values, offset = centred(array)
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, array.astype(np.float64) - offset, atol=1e-3)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.float32])
def test_types_that_fit_stay_as_they_are(dtype):
    array = np.arange(100, dtype=dtype).reshape(4, 25)
    values, offset = centred(array)
    assert offset == 0
    np.testing.assert_array_equal(values, array)
