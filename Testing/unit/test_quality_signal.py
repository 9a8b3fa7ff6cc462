"""Signal, noise and contrast: closed forms, invariances, undefined numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from MedImgAnalysisLib.errors import GeometryError, InputError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.progress import SILENT
from MedImgAnalysisLib.quality import arrays
from MedImgAnalysisLib.quality.measure_signal import MeasureSignal
from quality_testing import first_row, image_of, labels_of, turned

SHAPE = (6, 20, 30)
LEFT = np.zeros(SHAPE, bool)
LEFT[:, :, :10] = True
AIR = np.zeros(SHAPE, bool)
AIR[:, :, 20:] = True


def magnitude(sigma: float = 10.0) -> np.ndarray:
    """Rician magnitude of 300 and 200 beside air."""
    rng = np.random.default_rng(3)
    truth = np.where(LEFT, 300.0, np.where(AIR, 0.0, 200.0))
    return np.hypot(truth + rng.normal(0, sigma, SHAPE), rng.normal(0, sigma, SHAPE))


def run(array, operation=None, **more):
    image = image_of(array)
    regions = labels_of(image, left=LEFT, right=~LEFT & ~AIR, air=AIR)
    return execute(operation or MeasureSignal(), {"image": image, "regions": regions, **more}).outputs


def test_both_estimates_of_the_noise_of_air_and_the_snr_are_near_the_truth():
    row = run(magnitude())["table"].rows[0]
    assert row["rayleigh_sigma"] == pytest.approx(10, rel=0.05)
    assert row["rayleigh_mean_sigma"] == pytest.approx(10, rel=0.05)
    assert row["snr_two_region"] == pytest.approx(30, rel=0.06)
    assert row["warnings"] == ""


def test_difference_method_is_blind_to_shading_while_one_region_is_not():
    rng = np.random.default_rng(4)
    shading = np.linspace(200, 400, SHAPE[2])
    a, b = (shading + rng.normal(0, 10, SHAPE) for _ in range(2))
    row = run(a, repeat=image_of(b))["table"].rows[1]
    mean = shading[10:20].mean()
    assert row["noise_sd_nema"] == pytest.approx(10, rel=0.05)
    assert row["snr_nema"] == pytest.approx(mean / 10, rel=0.05)
    assert row["snr_roi"] < 0.5 * row["snr_nema"]


def test_formulas_on_four_values():
    array = np.array([[[1.0, 3.0, 10.0, 14.0]]])
    image = image_of(array)
    one, two = array < 5, array > 5
    outputs = execute(MeasureSignal(decibel=True), {"image": image, "regions": labels_of(image, a=one, b=two)}).outputs
    row, pair = outputs["table"].rows[0], outputs["pairs"].rows[0]
    root2 = math.sqrt(2)
    assert row["sd"] == pytest.approx(root2) and row["snr_roi"] == pytest.approx(2 / root2)
    assert row["snr_roi_db"] == pytest.approx(20 * math.log10(2 / root2))
    assert row["integral_uniformity_percent"] == pytest.approx(50)
    assert pair["contrast"] == -10 and pair["cjv"] == pytest.approx((root2 + 2 * root2) / 10)
    assert pair["cnr_pooled"] == pytest.approx(10 / math.sqrt((2 + 8) / 2))


def test_pairs_are_all_combinations_or_everything_against_the_background():
    array = magnitude()
    assert [(r["segment_1"], r["segment_2"]) for r in run(array)["pairs"].rows] == [("left", "right")]
    image = image_of(array)
    regions = labels_of(image, a=LEFT, background=~LEFT & ~AIR, c=AIR)
    pairs = execute(MeasureSignal(), {"image": image, "regions": regions}).outputs["pairs"].rows
    assert [(r["segment_1"], r["segment_2"]) for r in pairs] == [("a", "background"), ("c", "background")]
    with pytest.raises(InputError, match="no segment 'bone'"):
        run(array, MeasureSignal(air="bone"))


def test_air_that_was_set_to_zero_divides_nothing():
    outputs = run(np.where(AIR, 0.0, magnitude()))
    row, pair = outputs["table"].rows[0], outputs["pairs"].rows[0]
    assert row["status"] == "no_background_noise" and math.isnan(row["snr_two_region"])
    assert pair["status"] == "no_background_noise" and math.isnan(pair["cnr_air"]) and pair["cnr_pooled"] > 0


def test_air_that_is_mostly_zero_or_gaussian_is_doubted():
    array = magnitude()
    array[:, ::4, 20:] = 0
    array[:, 1::4, 20:] = 0
    array[:, 2::4, 20:] = 0
    assert "background_mostly_zero" in run(array)["table"].rows[0]["warnings"]
    shifted = np.where(AIR, 50 + np.random.default_rng(0).normal(0, 10, SHAPE), array)
    assert run(shifted)["table"].rows[0]["warnings"] == "not_rayleigh"


def test_a_region_outside_the_image_is_empty_and_one_voxel_has_no_sd():
    image = image_of(magnitude())
    one = np.zeros(SHAPE, bool)
    one[0, 0, 0] = True
    rows = (
        execute(MeasureSignal(), {"image": image, "regions": labels_of(image, none=np.zeros(SHAPE, bool), one=one)})
        .outputs["table"]
        .rows
    )
    assert rows[0]["status"] == "empty_region" and rows[0]["n"] == 0
    assert rows[1]["status"].startswith("single_voxel") and rows[1]["mean"] == pytest.approx(magnitude()[0, 0, 0])


def test_percent_contrast_against_a_background_that_is_zero_is_undefined():
    array = np.where(LEFT, 20.0, 0.0) + np.random.default_rng(5).normal(0, 4, SHAPE)
    pair = run(array - array[~LEFT & ~AIR].mean() + 1e-9)["pairs"].rows[0]
    assert math.isnan(pair["contrast_percent"]) and pair["status"].startswith("zero_mean")


def test_integers_do_not_overflow_and_a_large_offset_keeps_the_sd():
    noise = np.random.default_rng(6).integers(0, 5, SHAPE)
    small = run(noise.astype(np.int16))["table"].rows[0]["sd"]
    for dtype, offset in ((np.uint8, 250), (np.int16, 32760), (np.int32, 2_000_000_000), (np.float64, 1e12)):
        assert run((noise + offset).astype(dtype))["table"].rows[0]["sd"] == pytest.approx(small, rel=1e-9)


def test_a_repeat_on_another_grid_is_refused():
    image = image_of(magnitude())
    with pytest.raises(GeometryError, match="another grid"):
        run(magnitude(), repeat=turned(image))


@settings(max_examples=25, deadline=None)
@given(st.floats(0.1, 50), st.floats(-1000, 1000), st.integers(0, 1000))
def test_contrast_to_noise_survives_scale_and_offset_and_grid(scale, offset, seed):
    array = np.where(LEFT, 30.0, 10.0) + np.random.default_rng(seed).normal(0, 3, SHAPE)
    plain = run(array)["pairs"].rows[0]
    moved = run(scale * array + offset)["pairs"].rows[0]
    image = turned(image_of(array, (0.5, 0.7, 3.0)))
    regions = labels_of(image, left=LEFT, right=~LEFT & ~AIR, air=AIR)
    oblique = first_row(MeasureSignal(), "pairs", image=image, regions=regions)
    for key in ("cnr_pooled", "cnr_air", "cnr_rss", "cjv"):
        assert moved[key] == pytest.approx(plain[key], rel=1e-6)
        assert oblique[key] == plain[key]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 400), st.integers(0, 100), st.booleans())
def test_median_of_large_regions_is_exact(n, seed, whole):
    rng = np.random.default_rng(seed)
    array = rng.integers(-5, 6, n) if whole else rng.normal(0, 1, n)
    limit, arrays.EXACT_MEDIAN = arrays.EXACT_MEDIAN, 0
    try:
        found = arrays.median(array, None, n, float(array.min()), float(array.max()), SILENT)
    finally:
        arrays.EXACT_MEDIAN = limit
    assert found == pytest.approx(float(np.median(array)), abs=1e-12)
