"""Otsu's threshold against its definition, SimpleITK and a phantom with a known mask."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from MedImgAnalysisLib.errors import InputError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.segmentation import AutoThreshold
from MedImgAnalysisLib.segmentation.auto_threshold import histogram, otsu


def between_class_variance(values: np.ndarray, threshold: float) -> float:
    bright = values > threshold
    part = bright.mean()
    if part in (0.0, 1.0):
        return 0.0
    return float(part * (1 - part) * (values[bright].mean() - values[~bright].mean()) ** 2)


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(np.uint8, 200, elements=st.integers(0, 60)).filter(lambda a: a.min() < a.max()))
def test_no_other_threshold_separates_better(values):
    values = values.astype(float)
    edges = np.arange(values.min() - 0.5, values.max() + 1.5)
    counts = np.histogram(values, edges)[0]
    best = otsu(counts, edges)
    brute = max(between_class_variance(values, t) for t in edges)
    assert between_class_variance(values, best) == pytest.approx(brute, rel=1e-9)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.float32, np.int32])
def test_agrees_with_itk_within_a_bin(dtype):
    rng = np.random.default_rng(5)
    array = np.concatenate([rng.normal(60, 10, 6000), rng.normal(180, 20, 4000)]).clip(0, 255).reshape(10, 20, 50)
    image = sitk.GetImageFromArray(array.astype(dtype))
    peer = sitk.OtsuThresholdImageFilter()
    peer.SetNumberOfHistogramBins(256)
    peer.Execute(image)
    row = execute(AutoThreshold(), {"image": image}).outputs["table"].rows[0]
    assert row["threshold"] == pytest.approx(peer.GetThreshold(), abs=2.1)


@settings(max_examples=40, deadline=None)
@given(hnp.arrays(np.int16, st.integers(2, 300)), st.integers(8, 300))
def test_counting_by_value_first_gives_the_same_histogram(values, bins):
    low, high = float(values.min()), float(values.max())
    if low == high:
        return
    counts, edges = histogram(values, low, high, bins)
    expected, expected_edges = np.histogram(values.astype(np.float64), bins=bins, range=(low, high))
    np.testing.assert_array_equal(counts, expected)
    np.testing.assert_allclose(edges, expected_edges)


def test_a_ball_is_found_with_its_volume_and_named():
    k, j, i = np.indices((40, 40, 40)) - 19.5
    ball = i**2 + j**2 + k**2 < 12**2
    image = sitk.GetImageFromArray((100 * ball + np.random.default_rng(1).normal(0, 5, ball.shape)).astype(np.float32))
    image.SetSpacing((0.5, 0.5, 2.0))
    outputs = execute(AutoThreshold(segment="Ball"), {"image": image}).outputs
    row = outputs["table"].rows[0]
    np.testing.assert_array_equal(sitk.GetArrayFromImage(outputs["labels"].mask("Ball")) != 0, ball)
    assert row["voxels"] == ball.sum()
    assert row["volume_ml"] == pytest.approx(ball.sum() * 0.5 / 1000)
    assert row["mean"] == pytest.approx(100, abs=1)


def test_bright_and_dark_side_share_all_voxels(oblique_image):
    sides = [
        execute(AutoThreshold(side=side), {"image": oblique_image}).outputs["table"].rows[0]
        for side in ("bright", "dark")
    ]
    assert sides[0]["voxels"] + sides[1]["voxels"] == oblique_image.GetNumberOfPixels()
    assert sides[0]["threshold"] == sides[1]["threshold"]
    assert sides[0]["mean"] > sides[0]["threshold"] >= sides[1]["mean"]


def test_the_mask_limits_histogram_and_segment():
    array = np.zeros((10, 10, 30), np.float32)
    array[..., 10:20] = 50
    array[..., 20:] = 1000
    mask = np.zeros(array.shape, np.uint8)
    mask[..., :20] = 1
    images = [sitk.GetImageFromArray(a) for a in (array, mask)]
    outputs = execute(AutoThreshold(), {"image": images[0], "mask": images[1]}).outputs
    assert 0 <= outputs["table"].rows[0]["threshold"] < 50
    np.testing.assert_array_equal(sitk.GetArrayFromImage(outputs["labels"].mask("Foreground")), (array == 50))


def test_a_constant_but_for_rounding_is_refused_too():
    array = np.full((4, 4, 4), 7, np.float32)
    array[0] = np.nextafter(np.float32(7), np.float32(8))
    with pytest.raises(InputError, match="constant"):
        execute(AutoThreshold(), {"image": sitk.GetImageFromArray(array)})


def test_a_constant_image_is_refused_with_the_reason():
    with pytest.raises(InputError, match="constant"):
        execute(AutoThreshold(), {"image": sitk.GetImageFromArray(np.full((4, 4, 4), -1000, np.int16))})
