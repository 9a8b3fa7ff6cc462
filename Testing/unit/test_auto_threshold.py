"""A threshold found from the histogram: bins, both sides, masks, and phantoms with a known mask."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from MedImgAnalysisLib.errors import Cancelled, InputError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.progress import Progress
from MedImgAnalysisLib.segmentation import AutoThreshold
from MedImgAnalysisLib.segmentation.histograms import histogram_of
from MedImgAnalysisLib.segmentation.threshold_methods import METHODS

TWO_PEAKS = np.concatenate(
    [np.random.default_rng(5).normal(60, 10, 6000), np.random.default_rng(6).normal(180, 20, 4000)]
).reshape(10, 20, 50)


@settings(max_examples=60)
@given(hnp.arrays(np.int16, st.tuples(st.just(1), st.integers(2, 300))), st.integers(8, 300))
def test_bins_of_whole_numbers_hold_equally_many_of_them(values, bins):
    if values.min() == values.max():
        return
    found = histogram_of(values, None, bins)
    width = np.diff(found.edges)
    assert len(found.counts) <= bins and (width == width[0]).all() and width[0] == int(width[0])
    assert found.edges[0] == values.min() - 0.5 and found.edges[-2] < values.max() <= found.edges[-1]
    np.testing.assert_array_equal(found.counts, np.histogram(values.astype(float), found.edges)[0])


@settings(max_examples=40)
@given(hnp.arrays(np.float64, 50, elements=st.floats(-1e6, 1e6, width=32)), st.integers(8, 300))
def test_fractions_are_counted_in_equal_bins(values, bins):
    if np.ptp(values) < 1e-3 or (values == np.rint(values)).all():
        return
    found = histogram_of(values[None], None, bins)
    counts, edges = np.histogram(values, bins)
    np.testing.assert_array_equal(found.counts, counts)
    np.testing.assert_allclose(found.edges, edges)


def test_a_mask_and_slabs_count_the_same_as_all_at_once():
    rng = np.random.default_rng(3)
    array = rng.integers(-300, 900, (40, 300, 310)).astype(np.int32)
    inside = rng.random(array.shape) < 0.3
    found = histogram_of(array, inside, 100)
    np.testing.assert_array_equal(found.counts, np.histogram(array[inside].astype(float), found.edges)[0])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("gain, shift", [(1.0, 0.0), (1e-4, -3.0), (2500.0, 1e4)])
def test_the_segment_does_not_change_when_values_are_scaled_or_shifted(method, gain, shift):
    plain, changed = (
        execute(AutoThreshold(method=method, bins=128), {"image": sitk.GetImageFromArray(array)}).outputs["labels"]
        for array in (TWO_PEAKS, TWO_PEAKS * gain + shift)
    )
    different = sitk.GetArrayFromImage(plain.mask("Foreground")) != sitk.GetArrayFromImage(changed.mask("Foreground"))
    # A value on the edge of a bin may fall to either side of it.
    assert np.count_nonzero(different) <= 2


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.float32, np.int32])
def test_the_segment_is_that_of_itk_where_bins_have_width_one(dtype):
    array = np.concatenate([[0, 255], TWO_PEAKS.ravel()[2:]]).clip(0, 255).astype(np.uint8).reshape(TWO_PEAKS.shape)
    peer = sitk.TriangleThresholdImageFilter()
    peer.SetNumberOfHistogramBins(256)
    expected = sitk.GetArrayFromImage(peer.Execute(sitk.GetImageFromArray(array))) == 0
    image = sitk.GetImageFromArray(array.astype(dtype))
    labels = execute(AutoThreshold(method="triangle"), {"image": image}).outputs["labels"]
    np.testing.assert_array_equal(sitk.GetArrayFromImage(labels.mask("Foreground")) != 0, expected)


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
    assert row["mean"] == pytest.approx(100, abs=1) and row["sd"] == pytest.approx(5, abs=0.3)


def test_the_curve_is_the_histogram_with_an_upright_line_at_the_threshold(oblique_image):
    outputs = execute(AutoThreshold(), {"image": oblique_image}).outputs
    histogram, line = outputs["histogram"].series
    assert histogram.y.sum() == oblique_image.GetNumberOfPixels()
    assert set(line.x) == {outputs["table"].rows[0]["threshold"]} and list(line.y) == [0, histogram.y.max()]


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
    assert outputs["table"].rows[0]["fraction"] == 0.5
    np.testing.assert_array_equal(sitk.GetArrayFromImage(outputs["labels"].mask("Foreground")), (array == 50))


def test_a_constant_but_for_rounding_is_refused_too():
    array = np.full((4, 4, 4), 7.3, np.float32)
    array[0] = np.nextafter(np.float32(7.3), np.float32(8))
    with pytest.raises(InputError, match="constant"):
        execute(AutoThreshold(), {"image": sitk.GetImageFromArray(array)})


@pytest.mark.parametrize("method", METHODS)
def test_a_constant_image_is_refused_with_the_reason(method):
    with pytest.raises(InputError, match="constant"):
        execute(AutoThreshold(method=method), {"image": sitk.GetImageFromArray(np.full((4, 4, 4), -1000, np.int16))})


def test_the_slowest_method_stops_within_half_a_second():
    array = np.random.default_rng(2).normal(0, 1, (20, 200, 200))
    progress, asked = Progress(), []
    timer = threading.Timer(0.4, lambda: (asked.append(time.perf_counter()), progress.cancel()))
    timer.start()
    try:
        with pytest.raises(Cancelled):
            AutoThreshold(method="shanbhag", bins=65536).run(sitk.GetImageFromArray(array), progress=progress)
        assert time.perf_counter() - asked[0] < 0.5
    finally:
        timer.cancel()
