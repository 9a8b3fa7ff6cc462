"""Evidence on phantoms whose truth is known: removing noise alone is clean, removing detail is not."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from medimg_testing import oblique_grid
from MedImgAnalysisLib import catalog
from MedImgAnalysisLib.errors import GeometryError, InputError, RecipeError
from MedImgAnalysisLib.evidence import compared_roles, with_evidence
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.filtering import FilterEvidence, Gaussian, GradientDiffusion, Median
from MedImgAnalysisLib.filtering.edge_evidence import autocorrelation
from MedImgAnalysisLib.filtering.flat_blocks import flat_blocks
from MedImgAnalysisLib.geometry import image_like
from MedImgAnalysisLib.progress import SILENT
from MedImgAnalysisLib.recipe import Recipe, Step
from MedImgAnalysisLib.values import Labels
from scipy.special import erf

SIGMA = 10.0
WIDTH = 1.2
"""Sharpness of the edges of the phantom in voxels (SD of the Gaussian that made them)."""


def centres() -> list[np.ndarray]:
    k, j, i = np.meshgrid(*(np.arange(float(n)) for n in (48, 72, 72)), indexing="ij")
    return [np.sqrt((k - c[0]) ** 2 + (j - c[1]) ** 2 + (i - c[2]) ** 2) for c in ((24, 24, 24), (24, 50, 50))]


def truth(width=WIDTH) -> np.ndarray:
    """Two balls of 100 and 60 above a ground of 100, with edges blurred by `width` voxels."""
    return 100 + sum(
        height * (1 - erf((distance - radius) / (width * np.sqrt(2)))) / 2
        for distance, radius, height in zip(centres(), (15, 11), (100, 60))
    )


def noise(seed=0, shape=(48, 72, 72)) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, SIGMA, shape)


def image(array, dtype=np.float32) -> sitk.Image:
    return sitk.GetImageFromArray(np.asarray(array, dtype))


def evidence(before, after, **more):
    given = {"before": image(before), "after": after if isinstance(after, sitk.Image) else image(after), **more}
    return execute(FilterEvidence(), given).outputs


def numbers(before, after, **more) -> dict:
    return dict(evidence(before, after, **more)["table"].rows[0])


@pytest.fixture(scope="module")
def noisy() -> np.ndarray:
    return truth() + noise()


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.7])
def test_a_filter_that_removes_noise_alone_is_clean(noisy, kept):
    row = numbers(noisy, truth() + kept * noise())
    assert row["warnings"] == ""
    assert row["residual_edge_ratio"] == pytest.approx(1, abs=0.04)
    assert row["edge_slope_ratio"] == pytest.approx(1, abs=0.03)
    assert row["residual_sd"] == pytest.approx((1 - kept) * SIGMA, rel=0.01)
    assert abs(row["residual_mean"]) < 0.1 and row["residual_autocorrelation"] < 0.01
    assert row["noise_before"] == pytest.approx(SIGMA, rel=0.01)
    assert row["noise_after"] == pytest.approx(kept * SIGMA, rel=0.02, abs=0.6)


@pytest.mark.parametrize("blur", [1.0, 2.0])
def test_a_filter_that_blurs_is_not_and_the_slope_falls_as_the_formula_says(noisy, blur):
    row = numbers(noisy, Gaussian(sigma_mm=blur).run(image(noisy)))
    assert {"detail_removed", "edges_blurred"} <= set(row["warnings"].split(", "))
    assert row["residual_edge_ratio"] > 1.1 and row["noise_ratio"] < 0.2
    # Mean square of the two error functions' slopes up to where the gradient, blurred by 1.5 voxels, is half its peak.
    wider, reach = np.hypot(WIDTH, blur), np.sqrt(2 * np.log(2)) * np.hypot(WIDTH, 1.5)
    expected = np.sqrt(WIDTH / wider * erf(reach / wider) / erf(reach / WIDTH))
    assert row["edge_slope_ratio"] == pytest.approx(expected, abs=0.03)
    assert expected < (WIDTH**2 / wider**2) ** 0.25


def test_removed_detail_counts_without_any_noise_removed():
    row = numbers(truth() + noise(), truth(2.5) + noise())
    assert "edges_blurred" in row["warnings"] and row["noise_ratio"] == pytest.approx(1, abs=0.03)
    assert row["residual_autocorrelation"] > 0.5


def test_an_edge_preserving_filter_is_better_than_a_gaussian_of_the_same_noise(noisy):
    keeps = numbers(noisy, GradientDiffusion().run(image(noisy)))
    blurs = numbers(noisy, Gaussian(sigma_mm=0.85).run(image(noisy)))
    assert keeps["noise_ratio"] == pytest.approx(blurs["noise_ratio"], abs=0.05)
    assert keeps["edge_slope_ratio"] > blurs["edge_slope_ratio"] + 0.1
    assert keeps["residual_edge_ratio"] < 1 < blurs["residual_edge_ratio"]
    assert keeps["warnings"] == ""


def test_sharpening_and_a_shift_of_brightness_have_their_own_words(noisy):
    sharp = noisy + 1.5 * (noisy - sitk.GetArrayFromImage(Gaussian(sigma_mm=1.0).run(image(noisy))))
    assert {"edges_sharpened", "noise_raised", "detail_added"} <= set(numbers(noisy, sharp)["warnings"].split(", "))
    shifted = numbers(noisy, truth() + 5)
    assert shifted["warnings"] == "brightness_changed" and shifted["residual_mean"] == pytest.approx(-5, abs=0.1)


def test_an_image_that_was_not_changed_has_no_residual(noisy):
    row = numbers(noisy, noisy)
    assert row["warnings"] == "" and row["edge_slope_ratio"] == 1 and row["noise_ratio"] == 1
    assert np.isnan(row["residual_autocorrelation"]) and "zero_variance" in row["status"]


def test_pure_noise_has_no_edges_and_says_so():
    row = numbers(noise(), 0.5 * noise())
    assert np.isnan(row["edge_slope_ratio"]) and "no_edge" in row["status"] and row["warnings"] == ""
    assert row["noise_ratio"] == pytest.approx(0.5, rel=0.01)


def test_contrast_and_cnr_of_two_regions(noisy):
    first, second = (image(d < r, np.uint8) for d, r in zip(centres(), (8, 6)))
    regions = Labels.from_masks([("Big", first), ("Small", second)])
    row = numbers(noisy, truth() + 0.5 * noise(), regions=regions)
    assert row["contrast_before"] == pytest.approx(40, abs=1) and row["contrast_after"] == pytest.approx(40, abs=0.5)
    assert row["cnr_after"] == pytest.approx(2 * row["cnr_before"], rel=0.03)
    assert row["cnr_before"] == pytest.approx(40 / SIGMA, rel=0.05)
    lost = numbers(noisy, 150 + 0.5 * (truth() - 150), regions=regions)
    assert "contrast_lost" in lost["warnings"] and lost["contrast_after"] == pytest.approx(20, abs=0.5)
    with pytest.raises(InputError, match="has 1"):
        numbers(noisy, noisy, regions=Labels.from_masks([("Big", first)]))


def test_a_mask_says_where_to_look(noisy):
    ruined = truth() + 0.0
    ruined[:, :, 40:] = 100
    mask = np.zeros(noisy.shape, np.uint8)
    mask[:, :44, :40] = 1
    assert "detail_removed" in numbers(noisy, ruined)["warnings"]
    row = numbers(noisy, ruined, mask=image_like(mask, image(noisy)))
    assert row["warnings"] == "" and row["n"] == mask.sum()


def test_the_residual_is_before_minus_after_on_the_grid(noisy):
    before = oblique_grid(image(np.rint(noisy), np.int16))
    after = oblique_grid(image(truth()))
    outputs = execute(FilterEvidence(), {"before": before, "after": after}).outputs
    expected = sitk.GetArrayFromImage(before).astype(float) - sitk.GetArrayFromImage(after)
    np.testing.assert_allclose(sitk.GetArrayFromImage(outputs["residual"]), expected, atol=1e-4)
    assert outputs["residual"].GetOrigin() == before.GetOrigin()
    none = execute(FilterEvidence(residual_image=False), {"before": before, "after": after}).outputs
    assert none["residual"] is None and none["table"].rows == outputs["table"].rows


def test_spectra_and_histograms_show_what_was_removed(noisy):
    outputs = evidence(noisy, Gaussian(sigma_mm=1.5).run(image(noisy)))
    lines = {curve.name: curve for curve in outputs["spectra"].series}
    assert set(lines) == {"Before", "After", "Residual"}
    # White noise of SD 10 has a power of SD^2 times the pixel area at every frequency; structure is below it there.
    high = lines["Before"].x > 0.35
    assert lines["Before"].y[high].mean() == pytest.approx(SIGMA**2, rel=0.1)
    assert lines["After"].y[high].mean() < 0.05 * SIGMA**2
    assert lines["Residual"].y[high].mean() == pytest.approx(SIGMA**2, rel=0.1)
    bars = {curve.name: curve for curve in outputs["histogram"].series}
    for curve in bars.values():
        assert curve.y.sum() == pytest.approx(100)
    assert bars["Residual"].x @ bars["Residual"].y / 100 == pytest.approx(0, abs=0.5)
    assert bars["Before"].x @ bars["Before"].y / 100 == pytest.approx(noisy.mean(), abs=0.5)


def test_another_grid_is_refused(noisy):
    with pytest.raises(GeometryError, match="another grid"):
        evidence(noisy, image(noisy[:-1]))


@pytest.mark.parametrize("shape", [(40, 48, 56), (1, 200, 200), (200, 200), (6, 100, 100)])
def test_the_noise_of_flat_blocks_is_exact_for_noise_on_a_slope(shape):
    grids = np.meshgrid(*(np.arange(float(n)) for n in shape), indexing="ij")
    array = sum((n + 1) * g for n, g in enumerate(grids)) + noise(3, shape)
    found = flat_blocks((array, 2 * array), None, (1.0,) * array.ndim, SILENT)
    assert found is not None
    assert found.noise[0] == pytest.approx(SIGMA, rel=0.02) and found.noise[1] == pytest.approx(2 * found.noise[0])
    assert found.voxels.mean() > 0.8


def test_blocks_at_edges_are_not_flat(noisy):
    found = flat_blocks((noisy,), None, (1.0,) * noisy.ndim, SILENT)
    assert found is not None and found.noise[0] == pytest.approx(SIGMA, rel=0.02)
    at_edge = np.abs(centres()[0] - 15) < 0.5
    assert found.voxels[at_edge].mean() < 0.1 < 0.7 < found.voxels.mean()


def test_autocorrelation_of_known_signals():
    white = noise(5, (40, 50, 60))
    assert autocorrelation(white, None, 0.0, 5, SILENT) < 0.01
    wave = np.cos(2 * np.pi * np.arange(60) / 12)[None, None] + np.zeros((40, 50, 60))
    lags = np.arange(1, 6)
    pairs = [np.mean(wave[0, 0, :-n] * wave[0, 0, n:]) / np.mean(wave[0, 0] ** 2) for n in lags]
    expected = np.sqrt((np.mean(np.square(pairs)) + 2) / 3)
    assert autocorrelation(wave, None, 0.0, 5, SILENT) == pytest.approx(expected, abs=1e-3)
    inside = np.random.default_rng(0).random(white.shape) < 0.3
    assert autocorrelation(white + 50 * ~inside, inside, 0.0, 5, SILENT) < 0.02


def test_every_filter_that_keeps_quantity_and_grid_can_have_evidence():
    able = {name for name, operation in catalog.OPERATIONS.items() if compared_roles(operation)}
    assert {"gaussian", "median", "correct_bias"} <= able
    assert not able & {"resample", "crop", "normalise_zscore", "fill_missing", "compare_images", "register"}


def test_a_recipe_with_evidence_runs_and_names_its_outputs(noisy):
    recipe = Recipe(
        "Two filters",
        {"t1": "image", "brain": "mask"},
        (
            Step("smooth", "median", {}, {"image": "t1", "mask": "brain"}, {"image": "smoothed"}),
            Step("scale", "normalise_zscore", {}, {"image": "smoothed"}, {"image": "scaled"}),
        ),
        ("scaled",),
    )
    longer = with_evidence(recipe, residual=True)
    assert [step.id for step in longer.steps] == ["smooth", "smooth_evidence", "scale"]
    assert longer.outputs == (
        "scaled",
        "smoothed_evidence",
        "smoothed_residual",
        "smoothed_spectra",
        "smoothed_histogram",
    )
    assert Recipe.from_json(longer.as_json()) == longer
    mask = np.ones(noisy.shape, np.uint8)
    mask[:, :, :4] = 0
    result = longer.run({"t1": image(noisy), "brain": image(mask, np.uint8)})
    assert result.outputs["smoothed_evidence"].rows[0]["n"] == mask.sum()
    direct = numbers(noisy, execute(Median(), {"image": image(noisy), "mask": image(mask, np.uint8)}).outputs["image"],
                     mask=image(mask, np.uint8))  # fmt: skip
    assert dict(result.outputs["smoothed_evidence"].rows[0]) == direct
    assert "cnr_before" not in direct


def test_evidence_where_there_can_be_none_is_refused():
    recipe = Recipe.single(catalog.find("normalise_zscore")(), {"image": "t1"})
    assert with_evidence(recipe) == recipe
    with pytest.raises(RecipeError, match="no result that can be compared"):
        with_evidence(recipe, ["normalise_zscore"])
    with pytest.raises(RecipeError, match="no step wrong"):
        with_evidence(recipe, ["wrong"])


def test_thick_slices_with_other_anatomy_do_not_count_as_noise():
    rng = np.random.default_rng(0)
    clean = np.repeat(np.repeat(rng.normal(500, 100, (24, 6, 6)), 12, axis=1), 12, axis=2)
    noisy = clean + rng.normal(0, 5, clean.shape)
    found = flat_blocks((noisy,), None, (4.0, 0.7, 0.7), SILENT)
    assert found is not None and found.noise[0] == pytest.approx(5, rel=0.05)
    assert flat_blocks((noisy,), None, (1.0, 1.0, 1.0), SILENT).noise[0] > 20


@pytest.mark.parametrize("air", ["rayleigh", "cut"])
def test_the_noise_is_that_of_the_body_where_the_air_has_less(air):
    rng = np.random.default_rng(1)
    far = np.sqrt(sum((axis - n / 2) ** 2 for axis, n in zip(np.indices((48, 72, 72)), (48, 72, 72), strict=True)))
    body = np.where(far < 20, 300.0, 0.0)
    inside = body > 0
    parts = rng.normal(0, SIGMA, (2, *body.shape))
    before = np.hypot(body + parts[0], parts[1])
    if air == "cut":
        before[~inside] = np.where(rng.random(int((~inside).sum())) < 0.8, 0, 1)
    after = np.where(inside, np.hypot(body, SIGMA), before)
    row = numbers(before, after)
    assert row["noise_before"] == pytest.approx(SIGMA, rel=0.1) and row["noise_ratio"] < 0.1
    assert "detail_removed" not in row["warnings"]
