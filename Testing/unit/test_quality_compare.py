"""Comparison of images: closed forms, symmetry, other implementations, undefined numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from MedImgAnalysisLib.errors import GeometryError, ParameterError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.quality.compare_images import CompareImages
from MedImgAnalysisLib.quality.similarity import bin_numbers, entropy
from quality_testing import first_row, image_of, turned

RNG = np.random.default_rng(7)
A = RNG.normal(100, 20, (14, 15, 16))
B = A + RNG.normal(0, 5, A.shape)


def test_identical_images_are_identical_and_psnr_is_not_infinite():
    row = first_row(CompareImages(), reference=image_of(A), test=image_of(A))
    assert (row["mse"], row["mae"], row["ssim"]) == (0, 0, pytest.approx(1)) and row["ncc"] == pytest.approx(1)
    assert math.isnan(row["psnr"]) and row["status"] == "identical"
    assert row["nmi"] == pytest.approx(2) and row["nmi_arithmetic"] == pytest.approx(1)


def test_formulas_and_the_stated_range():
    row = first_row(CompareImages(), reference=image_of(A), test=image_of(A + 2))
    assert (
        row["mse"] == pytest.approx(4)
        and row["rmse"] == pytest.approx(2)
        and row["mean_difference"] == pytest.approx(2)
    )
    assert row["data_range"] == pytest.approx(np.ptp(A))
    assert row["psnr"] == pytest.approx(20 * math.log10(np.ptp(A) / 2))
    given_range = first_row(CompareImages(data_range=4095.0), reference=image_of(A), test=image_of(A + 2))
    assert given_range["psnr"] == pytest.approx(20 * math.log10(4095 / 2))


def test_the_range_is_never_that_of_the_degraded_image():
    one = first_row(CompareImages(), reference=image_of(A), test=image_of(3 * A))
    assert one["data_range"] == pytest.approx(np.ptp(A))


def test_negative_correlation_keeps_its_sign():
    assert first_row(CompareImages(), reference=image_of(A), test=image_of(-A))["ncc"] == pytest.approx(-1)


def test_independent_images_share_little_and_a_function_shares_all():
    whole = np.repeat(np.arange(4), 2 * 8 * 8).reshape(8, 8, 8).astype(float)
    row = first_row(CompareImages(bins=4), reference=image_of(whole), test=image_of((whole - 1.5) ** 2))
    assert row["entropy_a"] == pytest.approx(math.log(4)) and row["entropy_b"] == pytest.approx(math.log(2))
    assert row["mi"] == pytest.approx(math.log(2))
    other = np.tile(np.arange(4), 128).reshape(8, 8, 8).astype(float)
    assert first_row(CompareImages(bins=4), reference=image_of(whole), test=image_of(other))["mi"] == pytest.approx(0)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 500), st.sampled_from([2, 7, 32]))
def test_swapping_the_images_changes_nothing_that_is_symmetric(seed, bins):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(0, 1, (12, 12, 12)), rng.normal(0, 1, (12, 12, 12))
    one = first_row(CompareImages(bins=bins, data_range=5.0), reference=image_of(a), test=image_of(b))
    two = first_row(CompareImages(bins=bins, data_range=5.0), reference=image_of(b), test=image_of(a))
    for key in ("mse", "mae", "psnr", "ssim", "ncc", "mi", "nmi", "nmi_arithmetic"):
        assert one[key] == pytest.approx(two[key], rel=1e-9, abs=1e-12)
    assert one["mean_difference"] == pytest.approx(-two["mean_difference"])


@settings(max_examples=15, deadline=None)
@given(st.permutations([0, 1, 2]), st.lists(st.booleans(), min_size=3, max_size=3), st.floats(0.3, 4))
def test_permuted_and_flipped_grids_and_spacing_change_nothing(order, flips, spacing):
    plain = first_row(CompareImages(data_range=200.0), reference=image_of(A), test=image_of(B))

    def moved(array):
        out = np.transpose(array, order)
        return turned(image_of(np.flip(out, [n for n in range(3) if flips[n]]), (spacing, 1.0, 2.0)))

    other = first_row(CompareImages(data_range=200.0), reference=moved(A), test=moved(B))
    for key in ("mse", "mae", "psnr", "ssim", "ncc", "mi", "nmi"):
        assert other[key] == pytest.approx(plain[key], rel=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-20, 20), min_size=2, max_size=60), st.integers(2, 64), st.floats(0.01, 100))
def test_bins_are_those_of_numpy(values, bins, scale):
    array = np.array(values) * scale
    if array.min() == array.max():
        return
    found = np.bincount(bin_numbers(array, array.min(), array.max(), bins), minlength=bins)
    np.testing.assert_array_equal(found, np.histogram(array, bins, (array.min(), array.max()))[0])


def test_entropy_of_equal_counts_is_the_logarithm():
    assert entropy(np.array([5, 5, 0, 5])) == pytest.approx(math.log(3))


def test_ssim_is_that_of_scikit_image():
    metrics = pytest.importorskip("skimage.metrics")
    more = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 150.0}
    row = first_row(CompareImages(data_range=150.0), reference=image_of(A), test=image_of(B))
    assert row["ssim"] == pytest.approx(metrics.structural_similarity(A, B, **more), abs=1e-12)
    flat = first_row(CompareImages(data_range=150.0, ssim="slices"), reference=image_of(A), test=image_of(B))
    slices = [metrics.structural_similarity(a, b, **more) for a, b in zip(A, B)]
    assert flat["ssim"] == pytest.approx(np.mean(slices), abs=1e-12)
    assert row["nmi"] == pytest.approx(metrics.normalized_mutual_information(A, B, bins=32), abs=1e-9)


def test_ssim_in_a_mask_takes_whole_windows_only():
    inside = np.zeros(A.shape, np.uint8)
    inside[:12] = 1
    changed = B.copy()
    changed[12:] += 500
    masked = first_row(
        CompareImages(data_range=150.0), reference=image_of(A), test=image_of(changed), mask=image_of(inside)
    )
    cropped = first_row(CompareImages(data_range=150.0), reference=image_of(A[:12]), test=image_of(B[:12]))
    for key in ("ssim", "mse", "ncc"):
        assert masked[key] == pytest.approx(cropped[key], rel=1e-12)


@pytest.mark.parametrize("shape", [(10, 15, 16), (1, 30, 30)])
def test_images_smaller_than_the_window_have_no_ssim_but_a_slice_has(shape):
    a = RNG.normal(100, 20, shape)
    row = first_row(CompareImages(), reference=image_of(a), test=image_of(a + 1))
    assert math.isnan(row["ssim"]) and row["status"] == "too_small" and row["psnr"] > 0
    flat = first_row(CompareImages(ssim="slices"), reference=image_of(a), test=image_of(a + 1))
    assert 0.9 < flat["ssim"] <= 1


def test_nonfinite_voxels_are_left_out_counted_and_refused_by_ssim():
    broken = B.copy()
    broken[0, 0, :3] = (np.nan, np.inf, -np.inf)
    result = execute(CompareImages(), {"reference": image_of(A), "test": image_of(broken)})
    row, good = result.outputs["table"].rows[0], np.isfinite(broken)
    assert row["n_nonfinite"] == 3 and row["mse"] == pytest.approx(((A - B)[good] ** 2).mean())
    assert math.isnan(row["ssim"]) and row["status"] == "nonfinite_input"
    inside = good.astype(np.uint8)
    inside[:2] = 0
    assert first_row(CompareImages(), reference=image_of(A), test=image_of(broken), mask=image_of(inside))["ssim"] > 0


def test_a_constant_image_has_no_correlation_but_an_error():
    row = first_row(CompareImages(), reference=image_of(A), test=image_of(np.full(A.shape, 5.0)))
    assert math.isnan(row["ncc"]) and math.isnan(row["nmi"]) and row["mi"] == 0 and row["mse"] > 0
    assert row["status"] == "zero_variance"


def test_another_grid_is_interpolated_and_only_where_both_are_counts():
    k, j, i = np.meshgrid(*(np.arange(n, dtype=float) for n in (12, 14, 16)), indexing="ij")
    plane = 3 * i + 2 * j + 5 * k
    reference = image_of(plane)
    shifted = image_of(plane + 3 * 0.5)
    shifted.SetOrigin((0.5, 0.0, 0.0))
    result = execute(CompareImages(), {"reference": reference, "test": shifted})
    row = result.outputs["table"].rows[0]
    assert row["resampled"] == 1 and row["mse"] == pytest.approx(0, abs=1e-12)
    # The first column lies half a voxel before the first centre of the shifted image.
    assert row["n_outside"] == 12 * 14 and row["n"] == plane.size - 12 * 14
    far = sitk.Image(shifted)
    far.SetOrigin((500.0, 0.0, 0.0))
    with pytest.raises(GeometryError, match="overlap"):
        execute(CompareImages(), {"reference": reference, "test": far})


def test_the_difference_is_test_minus_reference_on_the_reference_grid():
    result = execute(
        CompareImages(), {"reference": image_of(np.uint8([[[9, 1]]])), "test": image_of(np.uint8([[[1, 9]]]))}
    )
    assert sitk.GetArrayFromImage(result.outputs["difference"]).tolist() == [[[-8.0, 8.0]]]


def test_a_window_for_ssim_is_both_ends_or_none():
    with pytest.raises(ParameterError, match="window_low"):
        CompareImages(window_low=3.0)
    with pytest.raises(ParameterError, match="window_low"):
        CompareImages(window_low=3.0, window_high=3.0)
    windowed = first_row(CompareImages(window_low=0.0, window_high=1.0), reference=image_of(A), test=image_of(B))
    assert windowed["ssim"] == pytest.approx(1) and "ssim_in_window" in windowed["warnings"]
