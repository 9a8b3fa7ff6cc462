"""Noise that is known is found: its strength, its kind, and a filter that fits."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from medimg_testing import find_data
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.filtering import AddNoise, EstimateNoise
from MedImgAnalysisLib.filtering.impulses import impulse_fraction
from scipy.ndimage import gaussian_filter, median_filter

SHAPE = (40, 72, 72)
K, J, I = np.indices(SHAPE, dtype=float)  # noqa: E741
BODY = ((K - 20) / 15) ** 2 + ((J - 36) / 24) ** 2 + ((I - 36) / 24) ** 2 < 1
ORGAN = ((K - 20) / 8) ** 2 + ((J - 36) / 12) ** 2 + ((I - 30) / 10) ** 2 < 1


def image(array, dtype=np.float32, spacing=(1.0, 1.0, 1.0)) -> sitk.Image:
    found = sitk.GetImageFromArray(np.asarray(array, dtype))
    found.SetSpacing(spacing)
    return found


def truth() -> np.ndarray:
    """A body of 200 with an organ of 500 in air of 0."""
    return 200.0 * BODY + 300.0 * ORGAN


def numbers(given: sitk.Image, **more) -> dict:
    return dict(execute(EstimateNoise(), {"image": given, **more}).outputs["table"].rows[0])


def with_noise(kind: str, level: float, clean=None, **more) -> sitk.Image:
    return AddNoise(kind=kind, level=level, **more).run(image(truth() if clean is None else clean))


@pytest.mark.parametrize("sd", [2.0, 10.0, 30.0])
def test_white_gaussian_noise_is_found_three_ways(sd):
    row = numbers(with_noise("gaussian", sd))
    for key in ("sigma_wavelet", "sigma_flat", "background_sd"):
        assert row[key] == pytest.approx(sd, rel=0.12), key
    assert 0.9 * sd < row["slice_low"] < row["slice_high"] < 1.2 * sd
    assert row["coarseness"] == pytest.approx(1, abs=0.1) and row["impulse_percent"] == 0
    assert row["background_kind"] == "other" and "not_rayleigh" in row["status"] and row["slice_spread_percent"] < 8
    assert row["recommended"] == "nonlocal_means" and row["warnings"] == ""


@pytest.mark.parametrize("sd", [5.0, 20.0])
def test_rician_noise_has_a_rayleigh_background(sd):
    row = numbers(with_noise("rician", sd))
    assert row["background_kind"] == "rayleigh" and "rician" in row["warnings"]
    assert row["sigma_rayleigh"] == pytest.approx(sd, rel=0.02)
    assert row["background_ratio"] == pytest.approx(1.913, rel=0.02)
    # The noise of the body, not one mixed with that of the air.
    assert row["sigma_flat"] == pytest.approx(sd, rel=0.05)
    assert row["recommended"] == "nonlocal_means" and "coarse" not in row["warnings"]
    assert "that of the body" in row["reason"]
    whole = numbers(AddNoise(kind="rician", level=sd).run(image(truth(), np.int16)))
    assert whole["sigma_rayleigh"] == pytest.approx(sd, rel=0.03)


def test_air_that_was_mostly_set_to_0_does_not_lower_the_noise():
    noisy = truth() + np.random.default_rng(2).normal(0, 12, SHAPE)
    noisy[~BODY & (np.random.default_rng(3).random(SHAPE) < 0.9)] = 0
    noisy[~BODY] /= 12
    row = numbers(image(noisy))
    assert row["background_kind"] == "cut" and row["sigma_flat"] == pytest.approx(12, rel=0.05)


def test_counts_and_speckle_grow_with_brightness():
    ground = np.where(I < 36, 100.0, 900.0)
    for kind, level, power in (("poisson", 1.0, 0.5), ("speckle", 0.1, 1.0), ("gaussian", 10.0, 0.0)):
        row = numbers(with_noise(kind, level, ground))
        assert row["growth"] == pytest.approx(power, abs=0.05)
        assert (row["recommended"] == "gaussian") == (power > 0) == ("grows" in row["warnings"])


@pytest.mark.parametrize("part", [0.005, 0.02, 0.05])
def test_impulses_are_counted_and_ask_for_a_median(part):
    clean = 200 + 300.0 * ORGAN
    clean[0, 0, :2] = 0, 1000
    row = numbers(AddNoise(kind="salt_and_pepper", level=part).run(with_noise("gaussian", 5.0, clean)))
    assert row["impulse_percent"] == pytest.approx(100 * part, abs=300 * np.sqrt(part / ORGAN.sum()))
    assert row["recommended"] == "median" and "impulses" in row["warnings"]


def test_noise_coarser_than_the_voxels_is_told_with_its_strength():
    coarse = gaussian_filter(np.random.default_rng(0).normal(0, 1, SHAPE), 1.0)
    coarse *= 10 / coarse.std()
    row = numbers(image(500 + coarse))
    assert row["sigma_wavelet"] < 5 and row["sigma_flat"] == pytest.approx(10, rel=0.25)
    assert "coarse" in row["warnings"] and row["recommended"] == "nonlocal_means"


def test_no_noise_needs_no_filter():
    for clean in (truth(), np.full(SHAPE, 7.0)):
        row = numbers(image(clean))
        assert row["recommended"] == "none" and row["impulse_percent"] == 0
    assert np.isnan(row["sigma_wavelet"]) and "zero_variance" in row["status"]


def test_corners_of_boxes_are_no_impulses_but_single_voxels_are():
    box = np.zeros((20, 20, 20))
    box[5:12, 5:12, 5:12] = 100
    box[15, 15, 15] = 100
    assert impulse_fraction(box, median_filter(box, 3), 0 * box, None, None) == 1 / box.size
    thick = np.zeros((4, 20, 20))
    thick[1, 8:12, 8:12] = 100
    thick[2, 4, 4] = 100
    flat = median_filter(thick, (1, 3, 3))
    assert impulse_fraction(thick, flat, 0 * thick, None, 0) == 1 / thick.size
    # A vessel across thick slices has one voxel in each of them.
    vessel = np.zeros((12, 20, 20))
    vessel[np.arange(12), 10, 6 + np.arange(12) % 2] = 100
    # At both ends it is like one neighbour alone.
    assert impulse_fraction(vessel, 0 * vessel, 0 * vessel, None, 0) == 2 / vessel.size


def test_thick_slices_are_taken_one_by_one():
    rng = np.random.default_rng(3)
    anatomy = rng.normal(0, 200, (24, 1, 1)) + 1000
    noisy = anatomy + rng.normal(0, 5, (24, 80, 80))
    noisy[20] += rng.normal(0, 20, (80, 80))
    row = numbers(image(noisy, spacing=(0.7, 0.7, 5.0)))
    assert row["sigma_wavelet"] == pytest.approx(5, rel=0.05)
    assert row["slices"] == 24 and "slices_differ" in row["warnings"]
    # The same voxels with the slices along another axis.
    turned = numbers(image(np.moveaxis(noisy, 0, 2), spacing=(5.0, 0.7, 0.7)))
    assert turned["sigma_wavelet"] == pytest.approx(row["sigma_wavelet"], rel=1e-5)
    curve = execute(EstimateNoise(), {"image": image(noisy, spacing=(0.7, 0.7, 5.0))}).outputs["curves"].series[0]
    assert int(np.argmax(curve.y)) == 20


def test_a_mask_says_where_and_the_air_is_outside_it():
    sides = np.where(I < 36, 5.0, 20.0) * np.random.default_rng(1).normal(0, 1, SHAPE) + 500
    mask = image(I < 30, np.uint8)
    row = numbers(image(sides), mask=mask)
    assert row["sigma_wavelet"] == pytest.approx(5, rel=0.05) and row["n"] == int((I < 30).sum())
    assert row["region_sd"] == pytest.approx(5, rel=0.02) and row["background_sd"] == pytest.approx(20, rel=0.05)
    assert "region_sd" not in numbers(image(sides))


@pytest.mark.parametrize("shape", [(1, 40, 40), (40, 40), (3, 3, 3), (1, 1, 1)])
def test_small_images_leave_numbers_out_and_say_why(shape):
    row = numbers(image(np.random.default_rng(0).normal(100, 4, shape)))
    assert row["status"] and row["n"] == np.prod(shape)
    if max(shape) == 40:
        assert row["sigma_wavelet"] == pytest.approx(4, rel=0.1)


@pytest.mark.skipif(find_data() is None, reason="the test data folder is not here")
def test_real_images_have_sensible_noise():
    flair = sitk.ReadImage(str(find_data() / "mr_brain_ms_p01" / "study1_FLAIR.nii.gz"))
    row = numbers(flair)
    assert 0 < row["sigma_wavelet"] < 20 and row["slices"] > 30 and row["impulse_percent"] < 0.5
    # The background is mostly 0; a tenth of the squares of 8 voxels in the brain have an SD below 10.5.
    assert row["background_kind"] == "cut" and 10 < row["sigma_flat"] < 20
    assert row["recommended"] and row["reason"].endswith(".")
