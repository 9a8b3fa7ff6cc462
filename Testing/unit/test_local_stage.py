"""The last linear stage by local correlation: exact where the relation of the images holds within a few voxels only."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from medimg_testing import oblique_grid
from MedImgAnalysisLib.errors import Cancelled
from MedImgAnalysisLib.geometry import Grid, image_like
from MedImgAnalysisLib.progress import SILENT, Progress
from MedImgAnalysisLib.registration import Register
from MedImgAnalysisLib.registration.local_stage import refine_locally
from MedImgAnalysisLib.registration.models import nearest_rotation
from MedImgAnalysisLib.registration.rigid import matrix_of
from scipy import ndimage

NONE = (None, None)


def texture(grid: Grid, seed: int = 1) -> sitk.Image:
    """Random blobs of 4 mm."""
    noise = np.random.default_rng(seed).normal(size=grid.size[::-1])
    blobs = ndimage.gaussian_filter(noise, [4.0 / s for s in grid.spacing_kji])
    return image_like((100 * blobs / blobs.std()).astype(np.float32), grid)


def volume_grid() -> Grid:
    return Grid.of(oblique_grid(sitk.Image((64, 48, 30), sitk.sitkUInt8)))


def plane_grid() -> Grid:
    return Grid.of(oblique_grid(sitk.Image((96, 80), sitk.sitkUInt8)))


def moved(grid: Grid, model: str) -> sitk.Transform:
    """About a voxel away, within what the model can do."""
    d = grid.dimension
    centre = grid.to_physical((np.array(grid.size) - 1)[None] / 2)[0].tolist()
    affine = sitk.AffineTransform(d)
    affine.SetCenter(centre)
    affine.SetTranslation([0.9, -0.7, 1.1][:d])
    matrix = np.eye(d)
    if model != "translation":
        matrix[0, 1], matrix[1, 0] = 0.02, -0.02
        matrix = nearest_rotation(matrix)
    if model == "similarity":
        matrix *= 1.02
    if model == "affine":
        matrix[0, 0] += 0.03
        matrix[1, 0] += 0.02
    affine.SetMatrix(matrix.ravel().tolist())
    return affine


def two_sided(image: sitk.Image) -> sitk.Image:
    """The image with inverse contrast in one half."""
    values = sitk.GetArrayFromImage(image)
    values[..., values.shape[-1] // 2 :] *= -1
    return image_like(values, image)


def corner_error(grid: Grid, found: tuple[np.ndarray, np.ndarray], truth: sitk.Transform) -> float:
    matrix, offset = matrix_of(truth)
    apart = grid.corners @ (found[0] - matrix).T + found[1] - offset
    return float(np.linalg.norm(apart, axis=1).max())


@pytest.mark.parametrize("make", [volume_grid, plane_grid])
@pytest.mark.parametrize("model", ["translation", "rigid", "similarity", "affine"])
def test_every_model_is_found_although_one_half_has_inverse_contrast(make, model):
    grid = make()
    truth = moved(grid, model)
    moving = texture(grid)
    fixed = two_sided(sitk.Resample(moving, grid.blank(sitk.sitkFloat32), truth, sitk.sitkBSpline, 0.0))
    start = (np.eye(grid.dimension), np.zeros(grid.dimension))
    found = refine_locally((fixed, moving), NONE, start, model, 1.0, SILENT)
    assert corner_error(grid, start, truth) > 1
    assert corner_error(grid, found.linear, truth) < 0.3
    assert max(found.measures) > found.measures[0]


def test_a_model_does_only_what_it_can():
    grid = volume_grid()
    moving = texture(grid)
    fixed = sitk.Resample(moving, grid.blank(sitk.sitkFloat32), moved(grid, "affine"), sitk.sitkBSpline, 0.0)
    start = (np.eye(3), np.zeros(3))
    shifted, turned, scaled = (
        refine_locally((fixed, moving), NONE, start, model, 1.0, SILENT).linear[0]
        for model in ("translation", "rigid", "similarity")
    )
    np.testing.assert_allclose(shifted, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(turned @ turned.T, np.eye(3), atol=1e-9)
    product = scaled @ scaled.T
    np.testing.assert_allclose(product, product[0, 0] * np.eye(3), atol=1e-9)


def test_what_is_outside_the_mask_has_no_say():
    grid = plane_grid()
    truth, moving = moved(grid, "rigid"), texture(grid)
    values = sitk.GetArrayFromImage(sitk.Resample(moving, grid.blank(sitk.sitkFloat32), truth, sitk.sitkBSpline, 0.0))
    inside = np.zeros(values.shape, np.uint8)
    inside[:, :55] = 1
    values[:, 60:] = sitk.GetArrayFromImage(texture(grid, 2))[:, 60:]
    start = (np.eye(2), np.zeros(2))
    mask = image_like(inside, grid)
    found = refine_locally((image_like(values, grid), moving), (mask, None), start, "rigid", 1.0, SILENT)
    assert corner_error(grid, found.linear, truth) < 0.2


def test_images_with_nothing_to_see_leave_the_start_as_it_is():
    grid = plane_grid()
    flat = image_like(np.full(grid.size[::-1], 5, np.float32), grid)
    start = (np.eye(2), np.array([0.3, 0.2]))
    found = refine_locally((flat, flat), NONE, start, "affine", 1.0, SILENT)
    np.testing.assert_allclose(found.linear[0], start[0], atol=1e-6)
    np.testing.assert_allclose(found.linear[1], start[1], atol=1e-6)


def test_it_stops_when_asked_to():
    progress = Progress()
    progress.cancel()
    moving = texture(plane_grid())
    with pytest.raises(Cancelled):
        refine_locally((moving, moving), NONE, (np.eye(2), np.zeros(2)), "rigid", 1.0, progress)


def test_register_ends_with_it_and_shows_it_as_a_curve():
    grid = volume_grid()
    truth, moving = moved(grid, "rigid"), texture(grid)
    fixed = -sitk.Resample(moving, grid.blank(sitk.sitkFloat32), truth, sitk.sitkBSpline, 0.0)
    result = Register(metric="neighbourhood_correlation", start="none", samples=5000).run(fixed, moving)
    assert corner_error(grid, matrix_of(result.transform), truth) < 0.15
    assert result.curves.series[-1].name.endswith("local correlation")
    assert result.table.rows[0]["metric"] > result.table.rows[0]["metric_before"]
