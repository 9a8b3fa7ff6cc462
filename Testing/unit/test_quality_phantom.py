"""Uniformity, low contrast and the report of a phantom or a patient: closed forms, geometry, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from contract_inputs import structure
from MedImgAnalysisLib.errors import InputError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.quality.low_contrast import LowContrast, disc_dprime
from MedImgAnalysisLib.quality.quality_report import QualityReport, reason_of
from MedImgAnalysisLib.quality.uniformity import DISC_MM, Uniformity, disc_kernel, disc_means, disc_pixels
from quality_testing import disk_image, edge_image, first_row, image_of, labels_of, turned


def round_phantom(spacing=(1.0, 1.0), radius=60.0, slope=0.0, level=1000.0):
    """A disk of `radius` mm with a slope along i, (j, i) spacing; array (3, j, i) and mask."""
    rows, columns = (int(2 * radius / s) + 21 for s in spacing)
    y, x = ((np.arange(n) - (n - 1) / 2) * s for n, s in zip((rows, columns), spacing))
    inside = np.hypot(y[:, None], x[None, :]) <= radius
    plane = np.where(inside, level + slope * x[None, :], 0.0)
    return np.repeat(plane[None], 3, axis=0), np.repeat(inside[None], 3, axis=0)


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.5, 1.5)])
def test_a_slope_has_the_uniformity_of_its_ends(spacing):
    array, inside = round_phantom(spacing, slope=2.0)
    image = image_of(array, (spacing[1], spacing[0], 5.0))
    row = first_row(Uniformity(roi_radius_mm=6.0, roi_distance_mm=40.0), image=image)
    assert row["slice"] == 1 and row["status"] == ""
    assert row["mean_right"] == pytest.approx(1080, abs=1.5) and row["mean_left"] == pytest.approx(920, abs=1.5)
    assert row["mean_top"] == pytest.approx(1000) == pytest.approx(row["mean_bottom"])
    assert row["ct_nonuniformity_max_abs_dev"] == pytest.approx(80, abs=1.5)
    reach = 60 - DISC_MM - 2
    assert row["piu_high"] == pytest.approx(1000 + 2 * reach, abs=2 * max(spacing) + 1)
    assert row["piu_acr_percent"] == pytest.approx(100 * (1 - 2 * reach / 1000), abs=0.4)
    given = first_row(
        Uniformity(roi_radius_mm=6.0, roi_distance_mm=40.0),
        image=turned(image),
        mask=turned(image_of(inside.astype(np.uint8), (spacing[1], spacing[0], 5.0))),
    )
    assert given["piu_acr_percent"] == pytest.approx(row["piu_acr_percent"], rel=1e-9)


def test_automatic_geometry_is_an_eighth_and_three_quarters_of_the_radius():
    array, _ = round_phantom()
    row = first_row(Uniformity(), image=image_of(array))
    assert row["roi_radius_mm"] == pytest.approx(7.5, rel=0.01) and row["roi_distance_mm"] == pytest.approx(
        45, rel=0.01
    )
    assert row["piu_acr_percent"] == pytest.approx(100) and row["cov_percent"] == pytest.approx(0)
    rows = execute(Uniformity(slices="all"), {"image": image_of(array)}).outputs["table"].rows
    assert [r["slice"] for r in rows] == [0, 1, 2]


def test_regions_that_leave_the_phantom_are_undefined():
    array, _ = round_phantom()
    row = first_row(Uniformity(roi_radius_mm=6.0, roi_distance_mm=58.0), image=image_of(array))
    assert math.isnan(row["mean_right"]) and math.isnan(row["ct_nonuniformity_max_abs_dev"])
    assert row["mean_center"] == pytest.approx(1000) and row["status"].startswith("too_small")
    small, _ = round_phantom(radius=5.0)
    assert math.isnan(first_row(Uniformity(), image=image_of(small))["piu_acr_percent"])


def test_signed_values_have_no_ratio_but_a_difference():
    array, inside = round_phantom(slope=2.0, level=0.0)
    row = first_row(Uniformity(), image=image_of(array), mask=image_of(inside.astype(np.uint8)))
    assert row["ct_nonuniformity_max_abs_dev"] == pytest.approx(90, rel=0.03)
    assert math.isnan(row["integral_nonuniformity_5roi"]) and math.isnan(row["piu_acr_percent"])
    assert "negative_values" in row["status"]


def test_nan_is_left_out_of_discs_and_a_constant_image_has_no_phantom():
    array, inside = round_phantom()
    array[1, 60:64, 60:64] = np.nan
    row = first_row(Uniformity(), image=image_of(array), mask=image_of(inside.astype(np.uint8)))
    assert row["n_nonfinite"] == 16 and row["piu_acr_percent"] == pytest.approx(100)
    assert row["warnings"] == "nonfinite_left_out"
    with pytest.raises(InputError, match="constant"):
        execute(Uniformity(), {"image": image_of(np.ones((1, 20, 20)))})


def test_disc_means_are_those_of_the_pixels_in_the_disc():
    plane = np.random.default_rng(1).normal(1e6, 3, (30, 40))
    good = np.ones(plane.shape, bool)
    good[10, 10] = False
    kernel = disc_kernel(3.0, (1.0, 0.7)) > 0
    found = disc_means(plane, good, 3.0, (1.0, 0.7))
    r, c = kernel.shape[0] // 2, kernel.shape[1] // 2
    part = (slice(12 - r, 13 + r), slice(11 - c, 12 + c))
    assert found[12, 11] == pytest.approx(plane[part][kernel & good[part]].mean(), rel=1e-12)


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.7, 1.3), (0.5, 0.25)])
def test_the_pixels_of_a_disc_are_counted_without_drawing_it(spacing):
    for radius in (0.2, 1.0, 2.5, 5.0, 11.0):
        assert disc_pixels(radius, spacing) == disc_kernel(radius, spacing).sum()


def test_a_disc_larger_than_the_picture_holds_all_of_it():
    plane = np.random.default_rng(2).normal(50, 3, (12, 15))
    found = disc_means(plane, np.ones(plane.shape, bool), 9.5, (1e-4, 1e-4))  # whole, it has 3e10 pixels
    np.testing.assert_allclose(found, plane.mean(), rtol=1e-12)


def faint(seed=1, sigma=12.0, contrast=8.0, slices=4, size=200, pixel=0.5):
    """A disk of 7.5 mm radius in white noise, with its mask and that of the surroundings."""
    axis = (np.arange(size) - size / 2 + 0.5) * pixel
    r = np.hypot(axis[:, None], axis[None, :])
    array = 100 + np.random.default_rng(seed).normal(0, sigma, (slices, size, size)) + contrast * (r <= 7.5)
    disk, around = np.broadcast_to(r <= 7.5, array.shape), np.broadcast_to(r > 9, array.shape)
    image = image_of(array, (pixel, pixel, 3.0))
    return image, labels_of(image, disk=disk, background=around), r


def test_contrast_and_detectability_of_a_disk_in_white_noise():
    image, regions, r = faint()
    result = execute(LowContrast(), {"image": image, "regions": regions})
    row = result.outputs["table"].rows[0]
    n = int((r <= 7.5).sum())
    assert row["contrast"] == pytest.approx(8, abs=4 * 12 / math.sqrt(4 * n)) and row["n_obj"] == 4 * n
    assert row["rose_snr"] == pytest.approx(row["cnr_bg"] * math.sqrt(4 * n))
    # d' is for one slice: |C| sqrt(A / NPS0), NPS0 = 144 * 0.25.
    assert row["noise_model"] == "measured"
    assert row["npw_dprime"] == pytest.approx(row["contrast"] * math.sqrt(math.pi * 7.5**2 / 36), rel=0.06)
    limits = result.outputs["limits"].rows
    for limit in limits[:3]:
        pixels = limit["n_pixels"]
        assert limit["limit_white"] == pytest.approx(3.29 * 12 / math.sqrt(pixels), rel=0.02)
        assert limit["limit"] == pytest.approx(limit["limit_white"], rel=5 / math.sqrt(2 * limit["n_rois"]))
    assert result.outputs["curves"].series[0].x.tolist() == [r["diameter_mm"] for r in limits if r["status"] == ""]


def test_detectability_in_white_noise_is_the_closed_form_and_falls_with_low_frequency_noise():
    f = np.linspace(0.01, 4, 200)
    area = math.pi * 7.5**2
    white = disc_dprime(8.0, area, f, np.full(200, 36.0))
    lowered = np.full(200, 36.0)
    lowered[:4] = 18
    assert disc_dprime(8.0, area, f, lowered, biased=4) == pytest.approx(white, rel=1e-12)
    assert disc_dprime(8.0, area, f, lowered) > white
    assert white == pytest.approx(8 * math.sqrt(area / 36), rel=0.01)
    assert disc_dprime(8.0, area, f, 36.0 * np.where(f < 0.1, 4, 0.5)) < white


def test_low_contrast_needs_a_background_and_takes_it_by_name_or_as_the_last():
    image, regions, r = faint(slices=1)
    with pytest.raises(InputError, match="background and at least one object"):
        execute(
            LowContrast(), {"image": image, "regions": labels_of(image, disk=np.broadcast_to(r <= 7, (1, 200, 200)))}
        )
    named = execute(LowContrast(background="disk"), {"image": image, "regions": regions}).outputs["table"].rows
    assert [row["segment"] for row in named] == ["background"]


def test_correlated_noise_is_worse_than_its_pixel_noise_tells():
    from scipy.ndimage import gaussian_filter

    image, regions, _ = faint()
    import SimpleITK as sitk

    smooth = gaussian_filter(sitk.GetArrayFromImage(image), (0, 2, 2))
    row = execute(LowContrast(), {"image": image_of(smooth, (0.5, 0.5, 3.0)), "regions": regions})
    limit = row.outputs["limits"].rows[2]
    assert limit["limit"] > 2 * limit["limit_white"]


def report(subject, image, **more):
    return execute(QualityReport(subject=subject), {"image": image, **more})


def rows_of(result, section):
    return [row for row in result.outputs["table"].rows if row["section"] == section]


def value(result, section, key):
    return next(row["value"] for row in rows_of(result, section) if row.get("key") == key)


def test_the_report_of_a_phantom_has_every_part_by_the_names_of_its_regions():
    size, slices = 128, 4
    array = np.random.default_rng(5).normal(100, 5, (slices, size, 3 * size))
    array[:, :, :size] += edge_image(0.6, size=(size, size), contrast=500.0)
    array[:, :, size : 2 * size] += disk_image(0.6, 12.0, size, contrast=300.0)
    image = image_of(array, (0.5, 0.5, 2.0))
    masks = {name: np.zeros(array.shape, bool) for name in ("Edge", "Rod", "Uniform", "faint", "Background")}
    masks["Edge"][:, :, :size] = True
    masks["Rod"][:, :, size : 2 * size] = True
    masks["Uniform"][:, 4:-4, 2 * size + 4 : -4] = True
    masks["faint"][:, 10:30, -40:-20] = True
    masks["Background"][:, 40:120, -120:-10] = True
    result = report("phantom", image, regions=labels_of(image, **masks))
    assert value(result, "Noise power", "noise_sd") == pytest.approx(5, rel=0.05)
    targets = {
        row["subject"]: row["value"] for row in rows_of(result, "Resolution") if row["key"] == "erf_fit_sigma_total_mm"
    }
    assert targets == {"edge": pytest.approx(0.6, rel=0.02), "disk": pytest.approx(0.6, rel=0.02)}
    assert {row["subject"] for row in rows_of(result, "Low contrast")} >= {"faint", "Diameter 2 mm"}
    assert len(rows_of(result, "Uniformity")) > 10 and len(rows_of(result, "Signal")) > 50
    assert [curve.name for curve in result.outputs["transfer"].series][::2] == ["Edge, measured", "Disk, measured"]
    assert result.outputs["noise"].series[0].name == "Radial"
    assert all(row["status"] for row in result.outputs["table"].rows if math.isnan(row["value"]))


def test_what_cannot_be_measured_has_a_row_that_says_why():
    image = image_of(structure().astype(np.float32))
    result = report("phantom", image, repeat=turned(image))
    left_out = {row["section"]: row for row in result.outputs["table"].rows if row["title"] == "Not measured"}
    assert left_out["Noise power"]["status"] == "refused" and "another grid" in left_out["Noise power"]["description"]
    assert left_out["Resolution"]["status"] == "no_segment"
    assert any("Noise power" in warning for warning in result.warnings)


def test_the_report_of_a_patient_compares_with_a_reference_and_shows_head_and_air():
    image = image_of(structure().astype(np.float32))
    result = report("patient", image, reference=image_of(structure(seed=2).astype(np.float32)))
    assert value(result, "MR quality", "entropy") > 0 and value(result, "Comparison", "ncc") > 0.9
    assert result.outputs["labels"].names == ("Head", "Air")
    assert result.outputs["noise"].series == ()


def test_a_reason_is_found_for_its_key():
    assert reason_of("zero_variance (a, b); identical (psnr)", "psnr") == "identical"
    assert reason_of("too_small", "x") == "too_small"
