"""Noise power spectrum: Parseval, white and coloured noise, trends, placing of regions, physical frequencies."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from MedImgAnalysisLib.errors import GeometryError, InputError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.progress import SILENT
from MedImgAnalysisLib.quality.noise_power_spectrum import NoisePowerSpectrum
from MedImgAnalysisLib.quality.spectrum import places, spectrum_of, trend_basis
from quality_testing import first_row, image_of, turned

RNG = np.random.default_rng(11)
WHITE = RNG.normal(50, 20, (6, 128, 128))


def outputs(array, operation, spacing=(0.5, 0.5, 2.0), **more):
    return execute(operation, {"image": image_of(array, spacing), **more}).outputs


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from([(1, 8, 8), (1, 9, 9), (4, 6, 6), (1, 5, 12)]),
    st.sampled_from(["mean", "poly2"]),
    st.floats(0.2, 3),
    st.integers(0, 99),
)
def test_integral_is_the_variance_of_the_detrended_regions(size, detrend, spacing, seed):
    array = 1000 + np.random.default_rng(seed).normal(0, 3, (8, 20, 24))
    pitch = (2.0, spacing, 0.7)
    corners = places(array.shape, size, None, SILENT)
    found = spectrum_of(array, corners, size, pitch, detrend, SILENT)
    assert found.integral == pytest.approx(found.variance, rel=1e-9)
    basis, residual = trend_basis(size, detrend), []
    for c in corners:
        flat = array[tuple(slice(a, a + n) for a, n in zip(c, size))].ravel()
        residual.append((flat - basis @ (basis.T @ flat)).var())
    assert found.variance == pytest.approx(np.mean(residual), rel=1e-9)


def test_white_noise_is_flat_at_variance_times_pixel_area():
    row = outputs(WHITE, NoisePowerSpectrum(roi_voxels=32, detrend="mean"))["table"].rows[0]
    assert row["nps_mean_excl_dc"] == pytest.approx(400 * 0.25, rel=0.03)
    assert row["noise_sd"] == pytest.approx(20, rel=0.02)
    volume = outputs(WHITE, NoisePowerSpectrum(roi_voxels=6, dimensions="volumes"), (0.5, 0.5, 2.0))
    assert volume["table"].rows[0]["dimensions"] == 3
    cube = np.random.default_rng(1).normal(0, 5, (48, 48, 48))
    row = outputs(cube, NoisePowerSpectrum(roi_voxels=16, dimensions="volumes", detrend="mean"), (0.5, 1.0, 2.0))
    assert row["table"].rows[0]["nps_mean_excl_dc"] == pytest.approx(25 * 1.0, rel=0.03)


@pytest.mark.parametrize(("spacing", "period"), [((0.5, 0.5, 2.0), 8), ((0.5, 1.0, 2.0), 8), ((0.9, 0.3, 1.0), 16)])
def test_a_wave_has_its_peak_at_its_physical_frequency(spacing, period):
    wave = 10 * np.sin(2 * np.pi * np.arange(128) / period)
    for axis, pitch in ((2, spacing[0]), (1, spacing[1])):
        array = np.moveaxis(np.broadcast_to(wave, (2, 128, 128)), 2, axis) + 0.01 * WHITE[:2]
        curves = outputs(array, NoisePowerSpectrum(roi_voxels=64, detrend="mean"), spacing)["curves"]
        radial = curves.series[0]
        wanted = 1 / (period * pitch)
        if wanted < radial.x[-1]:
            assert radial.x[radial.y.argmax()] == pytest.approx(wanted, abs=1 / (64 * min(spacing[:2])))
        along = curves.series[{1: 1, 2: 2}[axis]]
        assert along.name == {1: "Along j", 2: "Along i"}[axis]
        assert along.x[along.y.argmax()] == pytest.approx(wanted, rel=1e-9)


def test_cupping_is_taken_away_by_the_polynomial_and_not_by_the_mean():
    y, x = np.meshgrid(np.linspace(-1, 1, 128), np.linspace(-1, 1, 128), indexing="ij")
    cupped = WHITE + 200 * (x**2 + 0.5 * y**2 + x * y)
    flat = outputs(WHITE, NoisePowerSpectrum(roi_voxels=64, detrend="poly2"))["table"].rows[0]
    poly = outputs(cupped, NoisePowerSpectrum(roi_voxels=64, detrend="poly2"))["table"].rows[0]
    mean = outputs(cupped, NoisePowerSpectrum(roi_voxels=64, detrend="mean"))["table"].rows[0]
    assert poly["integral"] == pytest.approx(flat["integral"], rel=1e-9)
    assert mean["integral"] > 1.5 * flat["integral"]
    assert poly["f_biased"] > 0 and mean["f_biased"] == 0


def test_on_uneven_voxels_the_curve_is_biased_up_to_the_first_frequency_of_every_axis():
    """White noise of regions of 16 x 16 pixels of 0.5 x 2 mm: what detrending takes lies up to four rings out."""
    white = np.random.default_rng(5).normal(0, 1, (300, 16, 16))
    outcome = outputs(white, NoisePowerSpectrum(roi_voxels=16), (0.5, 2.0, 3.0))
    row, radial = outcome["table"].rows[0], outcome["curves"].series[0]
    assert row["f_biased"] == pytest.approx(1 / (16 * 0.5), rel=0.15)
    assert (
        row["f_biased"]
        == outputs(white, NoisePowerSpectrum(roi_voxels=16), (2.0, 0.5, 3.0))["table"].rows[0]["f_biased"]
    )
    beyond = radial.x > row["f_biased"]
    assert radial.y[~beyond].min() < 0.8 and radial.y[beyond].min() > 0.9


def test_the_difference_of_two_scans_has_the_noise_of_one_without_their_structure():
    structure = 500 * np.sin(np.arange(128) / 5)[None, None, :] * np.ones((6, 128, 1))
    other = np.random.default_rng(12).normal(50, 20, WHITE.shape)
    row = outputs(
        WHITE + structure, NoisePowerSpectrum(roi_voxels=32), repeat=image_of(other + structure, (0.5, 0.5, 2))
    )
    row = row["table"].rows[0]
    assert row["noise_sd"] == pytest.approx(20, rel=0.03) and row["detrend"] == "mean"
    assert "difference_of_two_scans" in row["warnings"]
    with pytest.raises(GeometryError, match="another grid"):
        outputs(WHITE, NoisePowerSpectrum(), repeat=turned(image_of(WHITE, (0.5, 0.5, 2.0))))


def test_regions_lie_wholly_in_the_mask_and_the_largest_size_with_ten_is_chosen():
    inside = np.zeros(WHITE.shape, np.uint8)
    yy, xx = np.indices((128, 128))
    inside[2:4, np.hypot(yy - 64, xx - 64) < 50] = 1
    corners = places(WHITE.shape, (1, 24, 24), inside != 0, SILENT)
    assert all(inside[c[0], c[1] : c[1] + 24, c[2] : c[2] + 24].all() for c in corners) and len(corners) >= 10
    outside = np.where(inside, WHITE, 1e6)
    row = first_row(NoisePowerSpectrum(), image=image_of(outside), mask=image_of(inside))
    assert row["n_rois"] >= 10 and row["noise_sd"] == pytest.approx(20, rel=0.06)
    sizes = [s for s in (128, 96, 64, 48, 32, 24) if len(places(WHITE.shape, (1, s, s), inside != 0, SILENT)) >= 10]
    assert row["roi_voxels"] == max(sizes)


def test_few_regions_are_warned_of_and_none_is_refused():
    result = execute(NoisePowerSpectrum(roi_voxels=64), {"image": image_of(WHITE[:1, :64, :64])})
    assert result.outputs["table"].rows[0]["warnings"] == "few_regions" and "1 regions" in result.warnings[0]
    with pytest.raises(InputError, match="No square of 64 voxels fits"):
        execute(NoisePowerSpectrum(roi_voxels=64), {"image": image_of(WHITE[:, :60, :60])})
    with pytest.raises(InputError, match="No cube of 8 voxels fits"):
        execute(NoisePowerSpectrum(roi_voxels=8, dimensions="volumes"), {"image": image_of(WHITE)})


def test_nan_in_the_region_is_refused_and_beside_it_is_not():
    broken = WHITE.copy()
    broken[0, 0, 0] = np.nan
    inside = np.ones(WHITE.shape, np.uint8)
    row = first_row(NoisePowerSpectrum(), image=image_of(broken), mask=image_of(inside))
    assert row["status"] == "nonfinite_input" and row["n_nonfinite"] == 1 and math.isnan(row["integral"])
    inside[0] = 0
    assert first_row(NoisePowerSpectrum(), image=image_of(broken), mask=image_of(inside))["noise_sd"] > 0


def test_a_noiseless_image_has_no_peak():
    row = first_row(NoisePowerSpectrum(), image=image_of(np.full((1, 64, 64), 7.0)))
    assert row["integral"] == 0 and math.isnan(row["f_av"]) and "zero_variance" in row["status"]


@pytest.mark.parametrize("scale", [1.0, 3.3, 1e-6])
def test_what_the_trend_explains_to_rounding_is_no_noise(scale):
    """A computed phantom with shading and without noise."""
    k, j, i = np.indices((3, 40, 40))
    shaded = scale * (1000 + 3 * k - 5 * j + 0.25 * i * j)
    row = first_row(NoisePowerSpectrum(roi_voxels=17), image=image_of(shaded))
    assert row["integral"] == 0 and math.isnan(row["f_peak"]) and "zero_variance" in row["status"]
    noise = 1e-6 * scale * np.random.default_rng(2).normal(size=shaded.shape)
    row = first_row(NoisePowerSpectrum(roi_voxels=17), image=image_of(shaded + noise))
    assert 0.8 * 1e-6 * scale < row["noise_sd"] < 1.2 * 1e-6 * scale


@pytest.mark.parametrize("across", ["k", "j", "i"])
def test_slices_may_lie_across_any_axis(across):
    array = np.random.default_rng(3).normal(0, 4, (40, 44, 48))
    operation = NoisePowerSpectrum(roi_voxels=16, detrend="mean", across=across)
    row = first_row(operation, image=image_of(array, (0.5, 1.0, 2.0)))
    area = {"k": 0.5, "j": 1.0, "i": 2.0}[across]
    assert row["nps_mean_excl_dc"] == pytest.approx(16 * area, rel=0.05)
    assert row["nyquist"] == pytest.approx({"k": 0.5, "j": 0.25, "i": 0.25}[across])
    oblique = first_row(operation, image=turned(image_of(array, (0.5, 1.0, 2.0))))
    assert oblique["f_av"] == row["f_av"]
