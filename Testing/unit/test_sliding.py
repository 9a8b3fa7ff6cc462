"""Answers that slide along smooth surfaces are known by it."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from MedImgAnalysisLib.errors import InputError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.geometry import Grid, image_like
from MedImgAnalysisLib.progress import SILENT
from MedImgAnalysisLib.registration import RegisterFeatures
from MedImgAnalysisLib.registration.robust_fit import robust_fit
from MedImgAnalysisLib.registration.sliding import block_tensors, slide_mm
from scipy.ndimage import gaussian_filter


def places(n: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Points of a sphere about the origin, and their normals."""
    normals = np.random.default_rng(1).normal(size=(n, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return 50 * normals, normals


def turned(degrees: float) -> np.ndarray:
    a = np.deg2rad(degrees)
    return np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1.0]])


def test_pairs_that_are_certain_in_all_directions_do_not_slide():
    fixed, _ = places()
    moving = fixed @ turned(20).T + (1.0, 2.0, 3.0) + np.random.default_rng(2).normal(0, 0.1, fixed.shape)
    fit = robust_fit(fixed, moving, "rigid", 3.0, 1, SILENT)
    assert slide_mm(fixed, moving, np.tile(np.eye(3) / 3, (len(fixed), 1, 1)), fit, "rigid") < 1e-6


def test_pairs_that_are_certain_across_an_ellipsoid_only_slide_by_what_they_hide():
    """Half of a turn is hidden: each partner lies where the surface has moved to, not where the point has."""
    sphere, _ = places()
    axes = np.array([1.0, 0.7, 0.5])
    fixed = sphere * axes
    normals = sphere / axes
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    there = fixed @ turned(6).T
    moving = fixed + ((there - fixed) * normals).sum(axis=1, keepdims=True) * normals
    fit = robust_fit(fixed, moving, "rigid", 6.0, 1, SILENT)
    missed = float(np.linalg.norm(fixed @ fit.matrix.T + fit.offset - there, axis=1).mean())
    tensors = normals[:, :, None] * normals[:, None, :]
    assert missed > 1.5
    assert slide_mm(fixed, moving, tensors, fit, "rigid") == pytest.approx(missed, rel=0.3)


def test_the_tensor_of_a_surface_points_across_it_in_the_frame_of_the_image():
    k = np.arange(20)[:, None, None] * np.ones((20, 20, 20))
    axes = turned(30) @ np.array([[0, 0, 1.0], [0, 1, 0], [-1, 0, 0]])
    found = block_tensors(k.astype(np.float32), np.array([[10, 10, 10]]), 5, axes)[0]
    np.testing.assert_allclose(found, np.outer(axes[:, 2], axes[:, 2]), atol=1e-6)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_smooth_body_is_found_or_called_doubtful(seed):
    random = np.random.default_rng(seed)
    grid = Grid((50, 44, 40), (3.5, 3.5, 3.5), (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
    at = np.meshgrid(*(np.linspace(-1, 1, n) for n in grid.size[::-1]), indexing="ij")
    inside = sum((a / s) ** 2 for a, s in zip(at, random.uniform(0.45, 0.8, 3), strict=True)) < 1
    body = image_like((100 * gaussian_filter(inside.astype(float), 1.2)).astype(np.float32), grid)
    truth = sitk.Euler3DTransform()
    truth.SetCenter(grid.corners.mean(axis=0).tolist())
    truth.SetRotation(*np.deg2rad(random.uniform(-20, 20, 3)).tolist())
    moving = sitk.Resample(body, body, truth.GetInverse(), sitk.sitkLinear, 0.0)
    noise = random.normal(0, 3, grid.size[::-1]).astype(np.float32)
    moving = image_like(sitk.GetArrayFromImage(moving) + noise, grid)
    try:
        result = execute(RegisterFeatures(), {"fixed": body, "moving": moving})
    except InputError:
        return
    points = grid.to_physical(np.argwhere(inside)[::97, ::-1].astype(float)).tolist()
    found = result.outputs["transform"]
    apart = [np.subtract(found.TransformPoint(p), truth.TransformPoint(p)) for p in points]
    row = result.outputs["table"].rows[0]
    if row["verdict"] == "sure":
        assert np.linalg.norm(apart, axis=1).mean() < row["tolerance_mm"]
    else:
        assert any("doubtful" in sentence for sentence in result.warnings)
