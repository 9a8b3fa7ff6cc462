"""Diffusion filters against ITK, the heat equation, shrinking balls and the maximum principle."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from MedImgAnalysisLib.errors import ParameterError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.filtering import CurvatureDiffusion, CurvatureFlow, GradientDiffusion
from MedImgAnalysisLib.kernels.diffusion import diffuse_curvature, diffuse_gradient, flow_by_curvature, scales
from scipy.ndimage import gaussian_filter

SIZES = st.tuples(st.integers(3, 9), st.integers(3, 14), st.integers(3, 16))
SPACINGS = st.tuples(*[st.floats(0.5, 3)] * 3)
TYPES = st.sampled_from([np.uint8, np.int16, np.float32, np.float64])
EACH = pytest.mark.parametrize(
    "operation", [GradientDiffusion, CurvatureDiffusion, CurvatureFlow], ids=lambda o: o.name
)


def smooth_noise(size, dtype=np.float32) -> np.ndarray:
    noise = gaussian_filter(np.random.default_rng(0).normal(0, 1, size), 1.0)
    return np.clip(100 + 300 * noise, 0, 250).astype(dtype)


def image_of(array: np.ndarray, spacing=(1.0, 1.0, 1.0)) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing[: image.GetDimension()])
    return image


def result(operation, image: sitk.Image, **inputs) -> np.ndarray:
    return sitk.GetArrayFromImage(execute(operation, {"image": image, **inputs}).outputs["image"])


@settings(max_examples=15, deadline=None)
@given(SIZES, SPACINGS, st.integers(1, 6), st.floats(0.5, 4))
def test_the_kernels_equal_itk_on_random_grids(size, spacing, iterations, conductance):
    array = smooth_noise(size, np.float64)
    image, step = image_of(array, spacing), 0.8 * min(spacing) / 16
    kji = spacing[::-1]
    pairs = [
        (
            diffuse_gradient(array, scales(kji, per_voxel=True), iterations, step, conductance),
            sitk.GradientAnisotropicDiffusion(image, step, conductance, 1, iterations),
        ),
        (
            diffuse_curvature(array, scales(kji, per_voxel=True), iterations, step, conductance),
            sitk.CurvatureAnisotropicDiffusion(image, step, conductance, 1, iterations),
        ),
        (flow_by_curvature(array, scales(kji), iterations, step), sitk.CurvatureFlow(image, step, iterations)),
    ]
    for found, peer in pairs:
        np.testing.assert_allclose(found, sitk.GetArrayFromImage(peer), atol=1e-6)


@settings(max_examples=15, deadline=None)
@given(SIZES, TYPES)
def test_the_operations_equal_itk_on_a_grid_of_one_millimetre(size, dtype):
    image = image_of(smooth_noise(size, dtype))
    real = sitk.Cast(image, sitk.sitkFloat64)
    pairs = [
        (GradientDiffusion(4, 1.5, 0.06), sitk.GradientAnisotropicDiffusion(real, 0.06, 1.5, 1, 4)),
        (CurvatureDiffusion(4, 1.5, 0.06), sitk.CurvatureAnisotropicDiffusion(real, 0.06, 1.5, 1, 4)),
        (CurvatureFlow(4, 0.06), sitk.CurvatureFlow(real, 0.06, 4)),
    ]
    for operation, peer in pairs:
        np.testing.assert_allclose(result(operation, image), sitk.GetArrayFromImage(peer), rtol=1e-5, atol=1e-2)


def test_two_dimensions_equal_itk_too():
    image = image_of(smooth_noise((30, 33)))
    pairs = [
        (GradientDiffusion(5, 1.5, 0.12), sitk.GradientAnisotropicDiffusion(image, 0.12, 1.5, 1, 5)),
        (CurvatureDiffusion(5, 1.5, 0.12), sitk.CurvatureAnisotropicDiffusion(image, 0.12, 1.5, 1, 5)),
        (CurvatureFlow(5, 0.12), sitk.CurvatureFlow(image, 0.12, 5)),
    ]
    for operation, peer in pairs:
        np.testing.assert_allclose(result(operation, image), sitk.GetArrayFromImage(peer), rtol=1e-5, atol=1e-3)


def test_without_edges_it_is_the_heat_equation_in_millimetres():
    array = np.zeros((25, 41, 49), np.float32)
    array[12, 20, 24] = 1000.0
    spacing = np.array([0.5, 0.8, 2.0])
    found = result(GradientDiffusion(iterations=20, conductance=1000.0), image_of(array, spacing.tolist()))
    time = 20 * 0.5 / (2 * (spacing**-2).sum())
    k, j, i = np.indices(array.shape)
    assert found.sum(dtype=float) == pytest.approx(1000, rel=1e-4)
    for axis, index in enumerate((i - 24, j - 20, k - 12)):
        variance = (found * (index * spacing[axis]) ** 2).sum(dtype=float) / 1000
        assert variance == pytest.approx(2 * time, rel=0.01)


def test_a_ball_shrinks_by_its_curvature_in_millimetres():
    spacing = (0.5, 0.5, 1.0)
    k, j, i = np.indices((31, 61, 61))
    radius = np.sqrt(((i - 30) * 0.5) ** 2 + ((j - 30) * 0.5) ** 2 + (k - 15.0) ** 2)
    array = (100 - 10 * radius).astype(np.float32)
    found = result(CurvatureFlow(iterations=60, time_step_mm2=0.02), image_of(array, spacing))
    # Where the level of radius 8 was, there is now the level of radius sqrt(64 - 4 t).
    time = 60 * 0.02
    along = found[15, 30]
    x = (np.arange(61) - 30) * 0.5
    expected = np.sqrt(64 - 4 * time)
    crossing = np.interp(-20, -along[30:], x[30:])
    assert crossing == pytest.approx(expected, abs=0.05)


@EACH
@settings(max_examples=15, deadline=None)
@given(size=SIZES, spacing=st.tuples(*[st.floats(0.3, 5)] * 3))
def test_the_default_step_makes_no_new_extremes(operation, size, spacing):
    array = np.random.default_rng(0).choice([0.0, 1000.0], size).astype(np.float64)
    found = result(operation(iterations=20), image_of(array, spacing))
    slack = 120 if operation is CurvatureFlow else 1e-6  # cross differences overshoot at single voxels, as in ITK
    assert found.min() >= -slack and found.max() <= 1000 + slack


@EACH
def test_an_unstable_step_is_refused_with_the_limit(operation):
    image = image_of(smooth_noise((8, 8, 8)), (1.0, 1.0, 3.0))
    with pytest.raises(ParameterError, match=r"time_step_mm2 is 0.3; on this grid it is stable up to 0\.") as error:
        execute(operation(time_step_mm2=0.3), {"image": image})
    result(operation(time_step_mm2=error.value.limit), image)


def test_an_axis_of_one_voxel_does_not_tighten_the_limit():
    plane = smooth_noise((20, 22))
    flat = image_of(plane[None], (1.0, 1.0, 0.01))
    found = result(GradientDiffusion(5, 1.5, 0.2), flat)
    np.testing.assert_allclose(found[0], result(GradientDiffusion(5, 1.5, 0.2), image_of(plane)), rtol=1e-6)


def test_an_edge_stays_where_noise_goes():
    rng = np.random.default_rng(2)
    clean = np.zeros((20, 40, 40), np.float32)
    clean[..., 20:] = 100
    image = image_of(clean + rng.normal(0, 5, clean.shape).astype(np.float32))
    for operation in (GradientDiffusion(iterations=10), CurvatureDiffusion(iterations=10)):
        found = result(operation, image)
        assert found[3:-3, 3:-3, 3:15].std() < 2.5
        assert (found[..., 21].mean() - found[..., 18].mean()) > 90
