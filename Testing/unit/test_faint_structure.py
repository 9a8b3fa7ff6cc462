"""Structure as faint as the noise: found in the residual where it was taken, and not found in noise."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from medimg_testing import find_data, oblique_grid
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.filtering import (
    Bilateral,
    CurvatureDiffusion,
    FilterEvidence,
    Gaussian,
    GradientDiffusion,
    Median,
    NonlocalMeans,
    TotalVariation,
    Wavelet,
)
from MedImgAnalysisLib.filtering.faint_structure import chance_limit, faint_structure
from MedImgAnalysisLib.progress import SILENT
from scipy.ndimage import gaussian_filter

SHAPE = (48, 72, 72)
SIGMA = 10.0
K, J, I = np.indices(SHAPE, dtype=float)  # noqa: E741
SMOOTH = 200 + 60 * np.sin(K / 30) * np.cos(I / 35)
MIDDLE = (24, 36, 36)


def ball(radius: float) -> np.ndarray:
    return (K - MIDDLE[0]) ** 2 + (J - MIDDLE[1]) ** 2 + (I - MIDDLE[2]) ** 2 < radius**2


def noise(seed: int = 0, shape=SHAPE) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, SIGMA, shape)


def image(array, dtype=np.float32) -> sitk.Image:
    return sitk.GetImageFromArray(np.asarray(array, dtype))


def evidence(before: sitk.Image, after: sitk.Image, **more) -> dict:
    outputs = execute(FilterEvidence(residual_image=False), {"before": before, "after": after, **more}).outputs
    return dict(outputs["table"].rows[0])


def score(residual: np.ndarray, spacing=(1.0, 1.0, 1.0)) -> float:
    found = faint_structure(np.asarray(residual, np.float32), None, None, None, 0.0, spacing, SILENT)
    assert found is not None
    return found.score


def coloured(width: float, seed: int = 4) -> np.ndarray:
    values = gaussian_filter(noise(seed), width, mode="wrap")
    return values * SIGMA / values.std()


UNEVEN = np.where(J < 36, 20.0, 400.0)
NOISES = {
    "white": lambda rng: rng.normal(0, SIGMA, SHAPE),
    "of changing strength": lambda rng: rng.normal(0, np.sqrt(UNEVEN), SHAPE),
    "Poisson": lambda rng: rng.poisson(UNEVEN) - UNEVEN,
    "salt": lambda rng: 100.0 * (rng.random(SHAPE) < 0.02),
    "salt and pepper": lambda rng: 100.0 * (rng.random(SHAPE) < 0.02) - 100.0 * (rng.random(SHAPE) < 0.02),
    "heavy-tailed": lambda rng: rng.standard_t(3, SHAPE),
    "Rician": lambda rng: np.hypot(30 + rng.normal(0, SIGMA, SHAPE), rng.normal(0, SIGMA, SHAPE)) - 31.6,
    "half a voxel wide": lambda rng: coloured(0.6),
    "a voxel wide": lambda rng: coloured(1.0),
}


@pytest.mark.parametrize("kind", NOISES)
def test_taking_noise_of_any_kind_is_clean(kind):
    assert 0.2 < score(NOISES[kind](np.random.default_rng(8))) < 1


def test_white_noise_passes_the_limit_in_one_image_of_a_hundred():
    found = [score(noise(seed, (32, 32, 32))) for seed in range(60)]
    assert sum(s > 1 for s in found) <= 2 and 0.6 < np.median(found) < 0.95


def test_the_limit_is_that_of_a_normal_field():
    # 3-D, 1000 resels: expected Euler characteristic (4 ln 2)^1.5 / (2 pi)^2 (t^2 - 1) exp(-t^2 / 2) of both signs.
    t = chance_limit(1000, 3)
    assert 2 * 1000 * (4 * np.log(2)) ** 1.5 / (2 * np.pi) ** 2 * (t * t - 1) * np.exp(-t * t / 2) == pytest.approx(
        0.002, rel=1e-4
    )
    assert chance_limit(10, 2) < chance_limit(1000, 2) < chance_limit(1000, 3) < 6


@pytest.mark.parametrize("made", [
    Gaussian(sigma_mm=1.0), Gaussian(sigma_mm=2.0), Median(), NonlocalMeans(), TotalVariation(), Wavelet(),
    Bilateral(), GradientDiffusion(), CurvatureDiffusion(),
], ids=lambda made: f"{made.name} {next(iter(made.values().values()))}")  # fmt: skip
def test_filters_that_take_noise_from_a_smooth_object_are_clean(made):
    before = image(SMOOTH + noise(5))
    row = evidence(before, made.run(before))
    assert row["structure_score"] < 1 and row["structure_percent"] == 0 and row["warnings"] == ""


@pytest.mark.parametrize("made", [Gaussian(sigma_mm=3.0), NonlocalMeans()], ids=["gaussian", "nonlocal_means"])
@pytest.mark.parametrize(("radius", "contrast"), [(2.5, 2.0), (4, 1.0), (5, 1.0), (8, 1.0)])
def test_a_faint_lesion_that_is_smoothed_away_is_found_without_regions(made, radius, contrast):
    before = image(200 + contrast * SIGMA * ball(radius) + noise(7))
    after = made.run(before)
    row = evidence(before, after)
    assert row["structure_score"] > 1 and "structure_removed" in row["warnings"]
    place = [row[f"structure_{axis}_mm"] for axis in "spl"]
    assert np.abs(np.subtract(place, MIDDLE)).max() <= radius
    assert 0.1 * contrast * SIGMA < row["structure_taken"] < 1.1 * contrast * SIGMA


@pytest.mark.parametrize("seed", range(3))
def test_the_detection_limit_is_contrast_times_the_root_of_the_voxels(seed):
    for radius in (3, 5, 8):
        root = np.sqrt(ball(radius).sum())
        residual = noise(seed)
        assert score(residual + 11 / root * SIGMA * ball(radius)) > 1
        assert score(residual + 4 / root * SIGMA * ball(radius)) < 1


def test_filters_of_a_slice_of_noise_are_clean():
    for seed in range(4):
        ground = 200 + 60 * np.sin(np.arange(128) / 30)[:, None] * np.cos(np.arange(128) / 35)
        before = image(ground + noise(seed, (128, 128)))
        for made in (Gaussian(sigma_mm=1.0), Median(), TotalVariation(), Bilateral()):
            assert evidence(before, made.run(before))["structure_score"] < 1


def test_a_lesion_that_is_kept_is_clean():
    lesion = 2 * SIGMA * ball(6)
    row = evidence(image(200 + lesion + noise(2)), image(200 + lesion + 0.2 * noise(2)))
    assert row["warnings"] == "" and row["structure_score"] < 1


def test_structure_that_is_everywhere_is_found_too():
    folds = 1.5 * SIGMA * np.sin(K / 2.5) * np.sin(J / 2.5) * np.sin(I / 2.5) * (J > 24)
    before = image(200 + folds + noise(3))
    row = evidence(before, Gaussian(sigma_mm=4.0).run(before))
    assert row["structure_score"] > 1 and row["structure_percent"] > 1


def test_a_change_of_brightness_and_rounding_are_no_structure():
    before = 200 + noise(1)
    assert score(noise(1) + 30) < 1
    rounding = evidence(image(before), image(before + 1e-4 * np.sin(I / 5)))
    assert rounding["structure_score"] < 0.01
    background = np.where(J < 36, 0, SMOOTH + noise(1))
    assert evidence(image(background), image(np.where(J < 36, 0, SMOOTH)))["structure_score"] < 1


def test_the_place_is_in_patient_coordinates_and_the_size_in_millimetres():
    shape = (24, 72, 72)
    k, j, i = np.indices(shape, dtype=float)
    lesion = ((k - 12) * 2.5) ** 2 + ((j - 40) * 1.1) ** 2 + ((i - 30) * 0.7) ** 2 < 8**2
    before = oblique_grid(image(200 + 15.0 * lesion + noise(6, shape)))
    after = oblique_grid(image(np.full(shape, 200.0)))
    row = evidence(before, after)
    found = [row[f"structure_{axis}_mm"] for axis in "lps"]
    assert np.linalg.norm(np.subtract(found, before.TransformContinuousIndexToPhysicalPoint((30, 40, 12)))) < 3
    assert 7 < row["structure_width_mm"] < 17 and row["structure_taken"] == pytest.approx(11, abs=4)


def test_slices_have_structure_as_well_and_tiny_images_say_that_they_have_none():
    flat = np.random.default_rng(0).normal(0, SIGMA, (96, 96))
    lesion = 10.0 * ((np.indices((96, 96))[0] - 48) ** 2 + (np.indices((96, 96))[1] - 40) ** 2 < 49)
    assert score(flat, (1.0, 1.0)) < 1 < score(flat + lesion, (1.0, 1.0))
    row = evidence(image(flat + lesion + 100), image(np.full((96, 96), 100.0)))
    assert row["structure_score"] > 1 and "structure_s_mm" not in row
    assert faint_structure(np.ones((3, 3, 3), np.float32), None, None, None, 0.0, (1, 1, 1), SILENT) is None
    small = evidence(image(noise(0, (2, 2, 2))), image(np.zeros((2, 2, 2))))
    assert np.isnan(small["structure_score"]) and "too_small" in small["status"]


@pytest.mark.skipif(find_data() is None, reason="the test data folder is not here")
@pytest.mark.parametrize("path", ["mr_brain_ms_p01/study1_FLAIR.nii.gz", "ct_abdomen/ct_sm.nii.gz"])
def test_strong_smoothing_of_real_images_takes_structure_and_no_change_takes_none(path):
    before = sitk.ReadImage(str(find_data() / path), sitk.sitkFloat32)
    strong = evidence(before, Gaussian(sigma_mm=3.0).run(before))
    assert strong["structure_score"] > 1 and "structure_removed" in strong["warnings"]
    gentle = evidence(before, NonlocalMeans(strength=0.3).run(before))
    assert gentle["structure_score"] < strong["structure_score"]
