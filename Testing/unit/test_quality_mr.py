"""Quality of MR images without a reference: closed forms, head and air, other implementations, undefined numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from MedImgAnalysisLib.errors import Cancelled
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.kernels.components import Components, grown
from MedImgAnalysisLib.progress import SILENT, Progress
from MedImgAnalysisLib.quality import arrays
from MedImgAnalysisLib.quality.body import air_mask, body_mask, otsu
from MedImgAnalysisLib.quality.measure_mr_quality import MeasureMrQuality
from MedImgAnalysisLib.quality.sharpness import noise_mad, sharpness
from quality_testing import first_row, image_of, labels_of, turned

SHAPE = (44, 50, 54)
KK, JJ, II = np.indices(SHAPE)
BALL = ((KK - 22) / 10) ** 2 + ((JJ - 25) / 14) ** 2 + ((II - 27) / 15) ** 2 < 1


def head(sigma=5.0, seed=1, speck=0.0):
    """A Rician ball of 200 with a dark hole, and a speck beside it."""
    rng = np.random.default_rng(seed)
    truth = np.where(BALL, 200.0, 0.0)
    truth[19:25, 22:28, 24:30] = 0
    truth[1:3, 1:3, 1:3] = speck
    return np.hypot(truth + rng.normal(0, sigma, SHAPE), rng.normal(0, sigma, SHAPE))


def test_the_head_is_the_largest_part_without_holes_and_air_keeps_its_distance():
    image = image_of(head(speck=250.0))
    found = body_mask(image, SILENT)
    assert (found != BALL).mean() < 0.01 and found[22, 25, 27] and not found[1, 1, 1]
    air = air_mask(found, SILENT)
    k, j, i = np.nonzero(found)
    assert not (air & found).any()
    assert not air[k.min() - 6, j[k.argmin()], i[k.argmin()]] and air[k.min() - 7, j[k.argmin()], i[k.argmin()]]


def test_a_body_that_is_cut_by_the_border_stays_whole():
    array = np.zeros((20, 30, 30))
    array[:, 5:25, 5:25] = 100
    array[:, 10:20, 10:20] = 0
    found = body_mask(image_of(array), SILENT)
    # The hole goes through all slices and reaches the border: it is outside. Nothing is lost at the first slice.
    assert found[0, 8, 8] and found[-1, 8, 8] and not found[10, 15, 15]
    assert body_mask(image_of(np.full((4, 5, 6), 3.0)), SILENT) is None


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.2, 0.7), st.integers(1, 6))
def test_components_in_slabs_are_those_of_the_whole(seed, density, depth):
    from scipy.ndimage import binary_dilation, binary_fill_holes, label

    mask = np.random.default_rng(seed).random((9, 8, 7)) < density
    limit, arrays.SLAB_VOXELS = arrays.SLAB_VOXELS, depth * 56
    try:
        found = Components(mask, SILENT)
        labels, count = label(mask)
        sizes = np.bincount(labels.ravel())[1:]
        if count:
            largest = found.largest(SILENT)
            assert largest.sum() == sizes.max() and len(set(labels[largest])) == 1
        holes = Components(~mask, SILENT).inner(SILENT)
        np.testing.assert_array_equal(mask | holes, binary_fill_holes(mask))
        np.testing.assert_array_equal(grown(mask, 3, SILENT), binary_dilation(mask, iterations=3))
    finally:
        arrays.SLAB_VOXELS = limit


def test_otsu_is_that_of_scikit_image():
    filters = pytest.importorskip("skimage.filters")
    array = head().astype(np.float32)
    step = float(np.ptp(array)) / 256
    assert otsu(array, SILENT) == pytest.approx(filters.threshold_otsu(array, 256), abs=1.01 * step)


def test_noise_signal_and_ratios_are_near_the_truth():
    row = first_row(MeasureMrQuality(), image=image_of(head()))
    assert row["rayleigh_sigma"] == pytest.approx(5, rel=0.03)
    assert row["rayleigh_mean_sigma"] == pytest.approx(5, rel=0.03)
    assert row["snr_two_region"] == pytest.approx(row["mean_head"] / row["rayleigh_sigma"])
    assert row["status"] == "" and row["warnings"] == ""


def test_focus_is_zero_for_one_voxel_and_one_for_a_uniform_image():
    single = np.zeros(SHAPE)
    single[3, 4, 5] = 7
    ball = image_of(BALL.astype(np.uint8))
    assert first_row(MeasureMrQuality(), image=image_of(single), mask=ball)["efc"] == pytest.approx(0, abs=1e-12)
    for value in (1e-3, 200, 60000):
        flat = image_of(np.full(SHAPE, value, np.float32 if value < 1 else np.uint16))
        assert first_row(MeasureMrQuality(), image=flat, mask=ball)["efc"] == pytest.approx(1, rel=1e-9)


def test_whole_numbers_do_not_overflow():
    array = np.clip(head(), 0, 255)
    whole = first_row(MeasureMrQuality(), image=image_of(array.astype(np.uint8)))
    real = first_row(MeasureMrQuality(), image=image_of(array.astype(np.uint8).astype(np.float64)))
    for key in ("efc", "fber_mean", "fber_median", "sd_head", "sharp_tenengrad", "sharp_var_laplacian", "noise_mad"):
        assert whole[key] == pytest.approx(real[key], rel=1e-12)


def test_energy_ratios_are_means_and_medians_of_squares():
    array = np.where(BALL, 10.0, 2.0)
    array[0, 0, 0] = 20
    row = first_row(MeasureMrQuality(), image=image_of(array), mask=image_of(BALL.astype(np.uint8)))
    outside = (~BALL).sum()
    assert row["fber_mean"] == pytest.approx(100 / ((4 * (outside - 1) + 400) / outside))
    assert row["fber_median"] == pytest.approx(25)


def test_joint_variation_of_two_tissues():
    array = head()
    image = image_of(array)
    tissues = labels_of(image, other=II < 5, white=BALL & (II < 20), grey=BALL & (II > 34))
    row = first_row(MeasureMrQuality(tissue_1="white", tissue_2="grey"), image=image, tissues=tissues)
    one, two = array[BALL & (II < 20)], array[BALL & (II > 34)]
    assert row["cjv"] == pytest.approx((one.std(ddof=1) + two.std(ddof=1)) / abs(one.mean() - two.mean()))
    assert (row["tissue_1"], row["tissue_2"]) == ("white", "grey")


def test_a_skull_stripped_image_has_no_background_noise():
    row = first_row(MeasureMrQuality(), image=image_of(np.where(BALL, head(), 0.0)))
    for key in ("snr_two_region", "rayleigh_sigma", "fber_median"):
        assert math.isnan(row[key])
    assert "no_background_noise" in row["status"] and row["air_zero_percent"] == 100


def test_negative_values_have_no_energy_unless_asked():
    signed = head() - 100
    result = execute(MeasureMrQuality(), {"image": image_of(signed)})
    row = result.outputs["table"].rows[0]
    assert math.isnan(row["efc"]) and row["status"] == "negative_values" and row["entropy"] > 0
    assert any("negative" in warning for warning in result.warnings)
    asked = first_row(MeasureMrQuality(negative="absolute"), image=image_of(signed))
    positive = first_row(MeasureMrQuality(), image=image_of(np.abs(signed)))
    assert asked["efc"] == pytest.approx(positive["efc"])


def test_entropy_counts_bits():
    array = np.repeat([0.0, 1.0, 2.0, 3.0], 8 * 6 * 6).reshape(-1, 6, 6)
    assert first_row(MeasureMrQuality(bins=4), image=image_of(array))["entropy"] == pytest.approx(2)
    assert first_row(MeasureMrQuality(), image=image_of(np.full(SHAPE, 9.0)))["entropy"] == 0


@pytest.mark.parametrize("size", [(4000, 1, 1), (1, 60, 70), (64, 66, 70)])
def test_wavelet_noise_is_the_sigma_of_white_noise(size):
    array = 500 + np.random.default_rng(3).normal(0, 4, size)
    assert noise_mad(array, SILENT)[0] == pytest.approx(4, rel=0.1)


def test_wavelet_noise_is_blind_to_constants_and_slopes():
    assert noise_mad(np.full((20, 20, 20), 1e5), SILENT) == (pytest.approx(math.nan, nan_ok=True), "zero_variance")
    noise = np.random.default_rng(1).normal(0, 3, (20, 22, 24))
    slope = noise + 1e3 + np.indices(noise.shape).sum(axis=0) * 10
    assert noise_mad(slope, SILENT)[0] == pytest.approx(noise_mad(noise, SILENT)[0], rel=0.15)


@pytest.mark.parametrize("shape", [(21, 22, 23), (5, 64, 7), (1, 30, 31), (40, 30)])
def test_wavelet_noise_is_that_of_pywavelets(shape):
    pywt = pytest.importorskip("pywt")
    array = np.random.default_rng(1).normal(0, 3, shape)
    flat = np.squeeze(array)
    detail = pywt.dwtn(flat, "db2")["d" * flat.ndim]
    assert noise_mad(array, SILENT)[0] == pytest.approx(np.median(np.abs(detail)) / 0.6744897501960817, rel=1e-12)


def test_a_masked_ground_is_left_out_of_the_wavelet_noise():
    noisy = np.random.default_rng(4).normal(100, 3, (40, 40, 40))
    half = noisy.copy()
    half[:, :, :24] = 0
    assert noise_mad(half, SILENT)[0] == pytest.approx(3, rel=0.25)


@settings(max_examples=20, deadline=None)
@given(st.floats(-50, 50), st.floats(-50, 50), st.floats(-50, 50), st.tuples(*[st.floats(0.3, 4)] * 3))
def test_sharpness_of_a_slope_is_its_gradient_per_mm(a, b, c, spacing):
    array = a * KK * spacing[0] + b * JJ * spacing[1] + c * II * spacing[2]
    found = sharpness(array, None, spacing, SILENT)
    assert found.tenengrad == pytest.approx(a * a + b * b + c * c, rel=1e-6, abs=1e-9)
    assert found.gradient == pytest.approx(math.sqrt(a * a + b * b + c * c), rel=1e-6, abs=1e-6)
    inside = np.zeros(SHAPE, bool)
    inside[2:-2, 2:-2, 2:-2] = True
    assert sharpness(array, inside, spacing, SILENT).laplacian == pytest.approx(0, abs=1e-6)


def test_sharpness_is_the_same_in_one_piece_and_in_slabs(monkeypatch):
    from scipy.ndimage import laplace

    array = np.random.default_rng(5).normal(0, 2, SHAPE)
    whole = sharpness(array, BALL, (2.0, 1.0, 0.5), SILENT)
    monkeypatch.setattr("MedImgAnalysisLib.quality.arrays.SLAB_VOXELS", 3000)
    parts = sharpness(array, BALL, (2.0, 1.0, 0.5), SILENT)
    assert parts[:3] == pytest.approx(whole[:3], rel=1e-12)
    square = sum(np.square(g) for g in np.gradient(array, 2.0, 1.0, 0.5))
    assert whole.tenengrad == pytest.approx(square[BALL].mean())
    assert whole.laplacian == pytest.approx(laplace(array, mode="nearest")[BALL].var())


def test_nan_is_left_out_of_statistics_and_refused_by_what_looks_at_neighbours():
    array = head()
    array[22, 20, 20] = np.nan
    result = execute(MeasureMrQuality(), {"image": image_of(array)})
    row = result.outputs["table"].rows[0]
    assert row["n_nonfinite"] == 1 and row["efc"] > 0 and row["rayleigh_sigma"] == pytest.approx(5, rel=0.05)
    assert math.isnan(row["noise_mad"]) and math.isnan(row["mean_gradient"]) and row["status"] == "nonfinite_input"


def test_the_grid_matters_for_what_is_per_mm_only():
    array = head()
    plain = first_row(MeasureMrQuality(), image=image_of(array))
    oblique = first_row(MeasureMrQuality(), image=turned(image_of(array, (2.0, 2.0, 2.0))))
    for key in ("efc", "fber_mean", "entropy", "noise_mad", "snr_two_region", "sharp_var_laplacian"):
        assert oblique[key] == pytest.approx(plain[key], rel=1e-12)
    assert oblique["mean_gradient"] == pytest.approx(plain["mean_gradient"] / 2)


def test_given_head_and_air_are_used_and_shown():
    image = image_of(head())
    air = np.zeros(SHAPE, np.uint8)
    air[:4] = 1
    outputs = execute(
        MeasureMrQuality(), {"image": image, "mask": image_of(BALL.astype(np.uint8)), "air": image_of(air)}
    ).outputs
    assert outputs["table"].rows[0]["n_head"] == BALL.sum() and outputs["table"].rows[0]["n_air"] == air.sum()
    shown = sitk.GetArrayFromImage(outputs["labels"].mask("Air"))
    assert shown.sum() == air.sum()


def test_a_cancel_while_the_head_is_sought_stops():
    progress = Progress(lambda fraction, message: progress.cancel())
    with pytest.raises(Cancelled):
        body_mask(image_of(head()), progress)
