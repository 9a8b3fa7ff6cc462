"""N4 bias correction: a known field comes back, and the field is that of ITK's filter."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import SimpleITK as sitk
from medimg_testing import oblique_grid
from MedImgAnalysisLib.errors import Cancelled, InputError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.filtering import CorrectBias
from MedImgAnalysisLib.geometry import Grid, image_like
from MedImgAnalysisLib.kernels.spline_field import Fitter, basis, refined
from MedImgAnalysisLib.progress import Progress


def phantom(size=(40, 60, 56), noise=12.0, seed=0) -> tuple[sitk.Image, np.ndarray, sitk.Image]:
    """Three folded tissues times a smooth field of 0.6 to 1.6; the image, the field and the mask."""
    axes = np.meshgrid(*(np.linspace(-1, 1, n) if n > 1 else np.zeros(1) for n in size), indexing="ij")
    k, j, i = axes if len(size) == 3 else (np.zeros(size), *axes)
    radius = np.sqrt(k**2 + j**2 + i**2)
    tissue = np.select([radius < 0.35, radius < 0.6, radius < 0.85], [300.0, 700.0, 1000.0], 0.0)
    tissue[(np.abs(np.sin(9 * i) * np.sin(8 * j) * np.sin(7 * k + 1)) > 0.35) & (radius < 0.8)] = 500
    field = np.exp(0.25 * i - 0.2 * j * k + 0.15 * k**2 - 0.1 * i * j)
    array = np.maximum(tissue * field + np.random.default_rng(seed).normal(0, noise, size), 0)
    image = oblique_grid(sitk.GetImageFromArray(array.astype(np.float32)))
    return image, field, image_like((radius < 0.85).astype(np.uint8), image)


def relative_error(found: sitk.Image, field: np.ndarray, mask: sitk.Image) -> np.ndarray:
    """Deviation of the field inside the mask; the scale of a field is not determined."""
    inside = sitk.GetArrayFromImage(mask) != 0
    ratio = np.log(sitk.GetArrayFromImage(found)[inside]) - np.log(field[inside])
    return np.exp(ratio - ratio.mean()) - 1


@pytest.mark.parametrize("shrink", [1, 2, 4])
@pytest.mark.parametrize("masked", [True, False])
def test_a_known_field_comes_back_within_two_percent(shrink, masked):
    image, field, mask = phantom()
    given = {"image": image, "mask": mask if masked else None}
    result = execute(CorrectBias(shrink_factor=shrink), given).outputs
    assert np.abs(relative_error(result["field"], field, mask)).max() < 0.02


def test_the_corrected_image_is_the_image_over_the_field_and_tissues_become_uniform():
    image, _, mask = phantom()
    result = execute(CorrectBias(), {"image": image, "mask": mask}).outputs
    array, field, corrected = (sitk.GetArrayFromImage(i) for i in (image, result["field"], result["image"]))
    np.testing.assert_allclose(corrected, array / field, rtol=1e-6)
    inside = sitk.GetArrayFromImage(mask) != 0
    bright = inside & (corrected > 850)
    assert corrected[bright].std() / corrected[bright].mean() < 0.02 < array[bright].std() / array[bright].mean()


def test_the_mean_brightness_stays_and_a_second_run_changes_nothing():
    image, _, mask = phantom()
    first = execute(CorrectBias(shrink_factor=1), {"image": image, "mask": mask}).outputs
    inside = sitk.GetArrayFromImage(mask) != 0
    logs = np.log(sitk.GetArrayFromImage(first["field"])[inside & (sitk.GetArrayFromImage(image) > 0)])
    assert abs(logs.mean()) < 1e-6
    second = execute(CorrectBias(shrink_factor=1), {"image": first["image"], "mask": mask}).outputs
    assert np.abs(sitk.GetArrayFromImage(second["field"])[inside] - 1).max() < 0.01


@pytest.mark.parametrize("size", [(24, 30, 28), (40, 44)])
@pytest.mark.parametrize("levels", [1, 3])
def test_the_field_is_that_of_itk(size, levels):
    image, _, mask = phantom(size)
    peer = sitk.N4BiasFieldCorrectionImageFilter()
    peer.SetMaximumNumberOfIterations([12] * levels)
    peer.SetConvergenceThreshold(1e-4)
    peer.Execute(image, mask)
    expected = sitk.GetArrayFromImage(peer.GetLogBiasFieldAsImage(image))
    own = CorrectBias(shrink_factor=1, levels=levels, iterations=12, convergence=1e-4)
    found = np.log(sitk.GetArrayFromImage(execute(own, {"image": image, "mask": mask}).outputs["field"]))
    inside = sitk.GetArrayFromImage(mask) != 0
    counted = inside & (sitk.GetArrayFromImage(image) > 0)
    difference = found - (expected - expected[counted].mean())
    assert np.ptp(expected[inside]) > 0.08
    assert np.abs(difference[inside]).max() < 1e-4


def test_a_thick_slice_volume_and_a_single_slice_are_corrected():
    image, field, mask = phantom((1, 64, 60))
    result = execute(CorrectBias(shrink_factor=2), {"image": image, "mask": mask}).outputs
    assert Grid.of(result["field"]) == Grid.of(image)
    assert np.percentile(np.abs(relative_error(result["field"], field, mask)), 95) < 0.03


def test_negative_voxels_are_left_out_and_said():
    image, field, mask = phantom()
    array = sitk.GetArrayFromImage(image)
    array[sitk.GetArrayFromImage(mask) == 0] = -1000
    result = execute(CorrectBias(), {"image": image_like(array, image), "mask": mask})
    assert any("negative" in warning for warning in result.warnings)
    assert np.abs(relative_error(result.outputs["field"], field, mask)).max() < 0.02


def test_an_image_without_positive_voxels_is_refused():
    image = sitk.GetImageFromArray(np.random.default_rng(0).normal(-500, 10, (8, 9, 10)).astype(np.float32))
    with pytest.raises(InputError, match="no voxel above 0"):
        execute(CorrectBias(), {"image": image})


def test_a_cancel_at_full_resolution_comes_through():
    image = sitk.GetImageFromArray(np.random.default_rng(0).normal(100, 10, (128, 128, 128)).astype(np.float32))
    progress = Progress()
    asked: list[float] = []
    threading.Timer(1.0, lambda: (asked.append(time.perf_counter()), progress.cancel())).start()
    with pytest.raises(Cancelled):
        execute(CorrectBias(shrink_factor=1, convergence=0.0), {"image": image}, progress=progress)
    assert time.perf_counter() - asked[0] < 0.5


def test_splines_sum_to_one_and_a_refined_lattice_is_the_same_field():
    at = np.linspace(0, 29, 60)
    np.testing.assert_allclose(basis(at, 30, 5).sum(axis=1), 1, rtol=1e-14)
    coarse = np.random.default_rng(0).normal(0, 1, (5, 4, 7))
    lengths, spans = (30, 12, 20), (2, 1, 4)
    fine = refined(coarse, lengths, spans, (4, 2, 8))
    here = [np.linspace(0, n - 1, 9) for n in lengths]

    def field(lattice, pieces):
        matrices = [basis(x, n, s) for x, n, s in zip(here, lengths, pieces)]
        return np.einsum("abc,ka,jb,ic->kji", lattice, *matrices)

    np.testing.assert_allclose(field(fine, (4, 2, 8)), field(coarse, spans), atol=1e-12)


def test_a_fit_to_one_voxel_meets_it_exactly():
    weights = np.zeros((6, 7, 8))
    weights[2, 3, 4] = 1
    fitter = Fitter([basis(np.arange(n), n, 2) for n in weights.shape], weights)
    values = 5.0 * weights
    assert fitter.evaluate(fitter.fit(values))[2, 3, 4] == pytest.approx(5.0, rel=1e-12)
