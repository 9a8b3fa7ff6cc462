"""Modulation transfer: Gaussian blur of known sigma by edge, disk and wire, on even and uneven pixels; refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.quality.modulation_transfer import ModulationTransfer
from MedImgAnalysisLib.quality.transfer import GAUSS_10, GAUSS_50, crossing, full_width, gaussian_transfer
from quality_testing import disk_image, edge_image, first_row, image_of, turned

HALF = (0.5, 0.5, 1.0)


def measure(array, spacing=HALF, mask=None, **parameters):
    more = {} if mask is None else {"mask": image_of(mask.astype(np.uint8), spacing)}
    return first_row(ModulationTransfer(**parameters), image=image_of(array, spacing), **more)


def test_constants_of_the_gaussian():
    assert pytest.approx(0.18739, abs=1e-5) == GAUSS_50 and pytest.approx(0.34155, abs=1e-5) == GAUSS_10
    assert gaussian_transfer(np.array([GAUSS_50 / 0.7]), 0.7)[0] == pytest.approx(0.5)


@pytest.mark.parametrize("angle", [-7.0, 3.0, 5.0, 9.0, 85.0, 94.0])
@pytest.mark.parametrize("sigma", [0.4, 0.8])
def test_an_edge_at_any_angle_and_axis_gives_the_sigma_and_the_frequencies(angle, sigma):
    row = measure(edge_image(sigma, angle))
    assert row["erf_fit_sigma_total_mm"] == pytest.approx(sigma, rel=1e-4)
    assert row["edge_angle_deg"] == pytest.approx(min(abs(angle), abs(90 - angle)), abs=0.01)
    assert row["mtf50_lp_per_mm"] == pytest.approx(GAUSS_50 / sigma, rel=0.02)
    assert row["mtf10_lp_per_mm"] == pytest.approx(GAUSS_10 / sigma, rel=0.03)
    assert row["lsf_fwhm_mm"] == pytest.approx(2.3548 * sigma, rel=0.03)
    assert row["status"] == "" and row["warnings"] == ""


@pytest.mark.parametrize("contrast", [-500.0, 80.0])
def test_contrast_may_be_of_either_sign(contrast):
    row = measure(edge_image(0.6, contrast=contrast))
    assert abs(row["contrast"]) == pytest.approx(abs(contrast), rel=1e-4)
    assert row["mtf50_lp_per_mm"] == pytest.approx(GAUSS_50 / 0.6, rel=0.02)


@pytest.mark.parametrize("spacing", [(0.4, 0.8), (0.8, 0.4)])
@pytest.mark.parametrize("angle", [6.0, 84.0])
def test_uneven_pixels_are_measured_in_millimetres(spacing, angle):
    row = measure(edge_image(0.9, angle, spacing=spacing), (spacing[1], spacing[0], 3.0))
    assert row["erf_fit_sigma_total_mm"] == pytest.approx(0.9, rel=1e-3)
    assert row["mtf50_lp_per_mm"] == pytest.approx(GAUSS_50 / 0.9, rel=0.02)


@pytest.mark.parametrize("across", ["k", "j", "i"])
def test_slices_across_any_axis_of_an_oblique_image_give_the_same(across):
    stack = edge_image(0.6, slices=3)
    axis = {"k": 0, "j": 1, "i": 2}[across]
    pitch = [0.5, 0.5]
    pitch.insert(2 - axis, 4.0)
    image = turned(image_of(np.moveaxis(stack, 0, axis), tuple(pitch)))
    row = first_row(ModulationTransfer(across=across), image=image)
    assert row["slices"] == 3 and row["erf_fit_sigma_total_mm"] == pytest.approx(0.6, rel=1e-4)


def test_noise_is_averaged_over_slices_and_low_contrast_is_doubted():
    row = measure(edge_image(0.6, contrast=300.0, noise=10.0, slices=4))
    assert row["cnr"] == pytest.approx(60, rel=0.1)
    assert row["erf_fit_sigma_total_mm"] == pytest.approx(0.6, rel=0.03)
    assert row["mtf50_lp_per_mm"] == pytest.approx(GAUSS_50 / 0.6, rel=0.05)
    faint = execute(ModulationTransfer(), {"image": image_of(edge_image(0.6, contrast=80.0, noise=10.0), HALF)})
    assert "low_cnr" in faint.outputs["table"].rows[0]["warnings"]
    assert any("below 15" in warning for warning in faint.warnings)


def test_an_edge_along_the_pixels_is_refused_and_a_steep_one_doubted():
    row = measure(edge_image(0.6, 0.0))
    assert row["status"] == "edge_not_slanted" and math.isnan(row["mtf50_lp_per_mm"]) and row["edge_angle_deg"] < 0.1
    assert "angle_outside" in measure(edge_image(0.6, 15.0))["warnings"]
    assert "angle_outside" in measure(edge_image(0.6, 1.0))["warnings"]


@pytest.mark.parametrize("array", [np.zeros((1, 64, 64)), np.random.default_rng(1).normal(0, 1, (1, 64, 64))])
@pytest.mark.parametrize("target", ["edge", "disk", "wire"])
def test_nothing_in_the_region_is_told_apart_from_something(array, target):
    row = measure(array, target=target)
    assert row["status"] and math.isnan(row["mtf50_lp_per_mm"]) and math.isnan(row["erf_fit_sigma_total_mm"])


def test_a_sharp_image_reaches_beyond_nyquist():
    row = measure(edge_image(0.05))
    assert math.isnan(row["mtf10_lp_per_mm"]) and row["status"] == "beyond_nyquist"
    assert row["nyquist_lp_per_mm"] == 1.0


def test_nan_is_refused_in_the_region_only():
    array = edge_image(0.6)
    array[0, 2, 2] = np.nan
    assert measure(array)["status"] == "nonfinite_input"
    inside = np.zeros(array.shape)
    inside[:, 5:, 5:] = 1
    assert measure(array, mask=inside)["erf_fit_sigma_total_mm"] == pytest.approx(0.6, rel=1e-4)


def test_another_structure_shortens_the_window():
    array = edge_image(0.6)
    array[0, :, 75:] -= 600
    row = measure(array)
    assert "other_structure_near" in row["warnings"] and row["reach_mm"] < 12
    assert row["mtf50_lp_per_mm"] == pytest.approx(GAUSS_50 / 0.6, rel=0.05)


@pytest.mark.parametrize("contrast", [100.0, -40.0])
def test_a_disk_gives_the_sigma_and_the_frequencies(contrast):
    row = measure(disk_image(0.7, 15.0, contrast=contrast), target="disk")
    assert row["contrast"] == pytest.approx(contrast, rel=0.01)
    assert row["erf_fit_sigma_total_mm"] == pytest.approx(0.7, rel=1e-3) and row["edge_angle_deg"] is None
    assert row["mtf50_lp_per_mm"] == pytest.approx(GAUSS_50 / 0.7, rel=0.02)
    assert row["mtf10_lp_per_mm"] == pytest.approx(GAUSS_10 / 0.7, rel=0.03)


def test_a_segment_of_the_rod_alone_is_widened_by_the_margin():
    array = disk_image(0.7, 15.0)
    array[0, :, :8] = -1000
    rod = array > 50
    assert measure(array, mask=rod, target="disk")["status"]
    row = measure(array, mask=rod, target="disk", margin_mm=13.0)
    assert row["erf_fit_sigma_total_mm"] == pytest.approx(0.7, rel=0.01)


def wire(sigma, spacing=(0.5, 0.5), diameter=0.0, slices=2):
    y, x = ((np.arange(48) - 23.6) * s for s in spacing)
    r2 = y[:, None] ** 2 + x[None, :] ** 2
    return np.repeat(500 * np.exp(-r2 / (2 * sigma**2))[None], slices, axis=0)


@pytest.mark.parametrize("spacing", [(0.5, 0.5), (0.4, 0.6)])
def test_a_wire_gives_the_gaussian_it_was_blurred_with(spacing):
    row = measure(wire(0.7, spacing), (spacing[1], spacing[0], 1.0), target="wire")
    assert row["erf_fit_sigma_total_mm"] == pytest.approx(0.7, rel=1e-4)
    assert row["mtf50_lp_per_mm"] == pytest.approx(GAUSS_50 / 0.7, rel=0.01)
    thick = measure(wire(0.7, spacing), (spacing[1], spacing[0], 1.0), target="wire", wire_diameter_mm=0.8)
    assert thick["mtf50_lp_per_mm"] > row["mtf50_lp_per_mm"]


def test_a_target_that_moves_between_slices_is_told():
    tilted = np.stack([np.roll(wire(0.7)[0], n, axis=1) for n in range(4)])
    assert "moves_between_slices" in measure(tilted, target="wire")["warnings"]
    assert "moves_between_slices" not in measure(wire(0.7, slices=4), target="wire")["warnings"]


def test_curves_begin_at_one_and_the_profile_is_relative():
    outputs = execute(ModulationTransfer(), {"image": image_of(edge_image(0.6), HALF)}).outputs
    measured, fit = outputs["curves"].series
    assert measured.y[0] == pytest.approx(1) and measured.x[-1] == pytest.approx(1.0, abs=0.01)
    assert np.abs(measured.y - fit.y).max() < 0.02
    spread, line = outputs["profile"].series
    assert spread.y[0] == pytest.approx(0, abs=1e-6) and spread.y[-1] == pytest.approx(1, abs=1e-6)
    assert line.y.max() == pytest.approx(1) and outputs["profile"].x_unit == "mm"


def test_crossing_and_width_are_interpolated_or_undefined():
    f = np.array([0.0, 1.0, 2.0])
    assert crossing(f, np.array([1.0, 0.6, 0.2]), 0.5) == pytest.approx(1.25)
    assert math.isnan(crossing(f, np.array([1.0, 0.9, 0.8]), 0.5))
    assert full_width(np.arange(5.0), -np.array([0.0, 0.5, 1.0, 0.5, 0.0])) == pytest.approx(2)
