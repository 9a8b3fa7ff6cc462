"""Edge filters against closed forms in millimetres, SimpleITK, scipy and scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from MedImgAnalysisLib.errors import ParameterError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.filtering import Canny, GradientMagnitude, LaplacianOfGaussian, Sobel, ZeroCrossings
from MedImgAnalysisLib.kernels.canny import connected_to
from MedImgAnalysisLib.kernels.differences import laplacian
from scipy.ndimage import binary_erosion, gaussian_laplace, label

SIZES = st.tuples(st.integers(1, 12), st.integers(1, 14), st.integers(2, 16))
SPACINGS = st.tuples(*[st.floats(0.3, 4)] * 3)
TYPES = st.sampled_from([np.uint8, np.int16, np.float32, np.int32, np.float64])


def image_of(array: np.ndarray, spacing=(1.0, 1.0, 1.0)) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing[: image.GetDimension()])
    return image


def result(operation, image: sitk.Image, **inputs) -> np.ndarray:
    (output,) = execute(operation, {"image": image, **inputs}).outputs.values()
    return sitk.GetArrayFromImage(output)


def ramp(size=(12, 20, 30), spacing=(0.5, 0.8, 2.5), slope=(3.0, -2.0, 4.0), offset=-700.0) -> sitk.Image:
    """Values that rise by `slope` per millimetre along i, j, k."""
    k, j, i = np.indices(size)
    x = [i * spacing[0], j * spacing[1], k * spacing[2]]
    return image_of((offset + sum(s * p for s, p in zip(slope, x, strict=True))).astype(np.float32), spacing)


def ball(radius=9.0, spacing=(0.6, 0.8, 1.5), height=100.0, size=(21, 37, 49)) -> tuple[sitk.Image, np.ndarray]:
    """A ball whose rim has partial volume, and the distance of each voxel from its centre in millimetres."""
    k, j, i = np.indices(size)
    distance = np.sqrt(sum(((n - m // 2) * s) ** 2 for n, m, s in zip((i, j, k), reversed(size), spacing, strict=True)))
    return image_of((height * np.clip(radius - distance + 0.5, 0, 1)).astype(np.float32), spacing), distance


@pytest.mark.parametrize("operation", [GradientMagnitude(), GradientMagnitude(1.2), Sobel()], ids=repr)
def test_a_ramp_has_its_slope_per_millimetre(operation):
    found = result(operation, ramp())
    inner = tuple(slice(n, -n) for n in (4, 8, 12)) if isinstance(operation, GradientMagnitude) else (slice(1, -1),) * 3
    np.testing.assert_allclose(found[inner], np.sqrt(9 + 4 + 16), rtol=1e-4)


def test_a_blurred_step_has_the_peak_that_the_docstring_says():
    array = np.zeros((3, 3, 200), np.float32)
    array[..., 100:] = 500
    found = result(GradientMagnitude(sigma_mm=2.0), image_of(array, (0.25, 1, 1)))
    assert found.max() == pytest.approx(500 / (np.sqrt(2 * np.pi) * 2), rel=0.01)


@settings(max_examples=30, deadline=None)
@given(SIZES, SPACINGS, TYPES)
def test_gradient_and_laplacian_equal_itk(size, spacing, dtype):
    array = np.random.default_rng(0).integers(0, 250, size).astype(dtype)
    image = image_of(array, spacing)
    real = sitk.Cast(image, sitk.sitkFloat64)
    np.testing.assert_allclose(
        result(GradientMagnitude(), image), sitk.GetArrayFromImage(sitk.GradientMagnitude(real)), rtol=1e-5, atol=1e-3
    )
    np.testing.assert_allclose(
        laplacian(array, spacing[::-1]), sitk.GetArrayFromImage(sitk.Laplacian(real)), rtol=1e-4, atol=0.1
    )


@settings(max_examples=20, deadline=None)
@given(st.tuples(*[st.integers(2, 14)] * 3), st.booleans())
def test_sobel_is_that_of_scikit_image_but_for_its_factor(size, flat):
    peer = pytest.importorskip("skimage.filters")
    array = np.random.default_rng(0).normal(0, 10, size[1:] if flat else size)
    expected = peer.sobel(array) * np.sqrt(array.ndim) / 2
    np.testing.assert_allclose(result(Sobel(), image_of(array)), expected, atol=1e-3)


def test_a_gaussian_blob_has_the_laplacian_of_the_wider_blob():
    spacing, own, sigma = np.array([0.5, 0.8, 1.2]), 3.0, 2.0
    size = (31, 45, 71)
    k, j, i = np.indices(size)
    squared = sum(((n - m // 2) * s) ** 2 for n, m, s in zip((i, j, k), reversed(size), spacing, strict=True))
    blob = (1000 * np.exp(-squared / (2 * own**2))).astype(np.float32)
    wide = own**2 + sigma**2
    expected = 1000 * (own**2 / wide) ** 1.5 * (squared / wide**2 - 3 / wide) * np.exp(-squared / (2 * wide))
    found = result(LaplacianOfGaussian(sigma, normalise=False), image_of(blob, spacing.tolist()))
    inner = (slice(8, -8),) * 3
    np.testing.assert_allclose(found[inner], expected[inner], atol=0.003 * np.abs(expected).max())
    scaled = result(LaplacianOfGaussian(sigma, normalise=True), image_of(blob, spacing.tolist()))
    np.testing.assert_allclose(scaled, found * 4, rtol=1e-6)


@settings(max_examples=15, deadline=None)
@given(st.tuples(*[st.integers(2, 16)] * 3), st.floats(1.5, 4))
def test_laplacian_of_gaussian_is_near_that_of_scipy(size, sigma):
    array = np.random.default_rng(0).normal(0, 100, size)
    expected = gaussian_laplace(array, sigma, mode="reflect", truncate=4)
    found = result(LaplacianOfGaussian(sigma, normalise=False), image_of(array))
    np.testing.assert_allclose(found, expected, atol=0.02 * np.abs(expected).max() + 0.05)


def test_the_scale_of_the_strongest_answer_is_that_of_the_blob():
    image, distance = ball(radius=6.0)
    centre = np.unravel_index(distance.argmin(), distance.shape)
    answers = {s: result(LaplacianOfGaussian(s), image)[centre] for s in (2.5, 3.0, 3.5, 4.0, 4.5)}
    assert min(answers, key=answers.get) == 3.5  # 6 / sqrt(3)


@pytest.mark.parametrize("operation", [Canny(sigma_mm=1.0), ZeroCrossings(sigma_mm=1.0, min_gradient=10.0)], ids=repr)
def test_the_edge_of_a_ball_is_found_where_it_is_and_is_thin(operation):
    image, distance = ball()
    edges = result(operation, image)
    assert edges.dtype == np.uint8 and set(np.unique(edges)) == {0, 1}
    off = np.abs(distance[edges == 1] - 9.0)
    assert off.max() < 1.5 and off.mean() < 0.5  # largest spacing 1.5 mm
    assert not binary_erosion(edges, np.ones((2, 2, 2))).any()
    # The surface is closed: from the centre nothing gets out.
    _, count = label(edges == 0)
    assert count == 2


def test_canny_keeps_weak_edges_only_when_they_hang_on_strong_ones():
    array = np.zeros((1, 40, 60), np.float32)
    array[0, 20:, :] = np.linspace(100, 30, 60)  # an edge that grows weaker
    array[0, 3:6, 3:6] = 40  # a weak one alone
    image = image_of(array)
    low = result(Canny(0.7, 5.0, 5.0, "values"), image)[0]
    linked = result(Canny(0.7, 5.0, 25.0, "values"), image)[0]
    high = result(Canny(0.7, 25.0, 25.0, "values"), image)[0]
    assert low[2:7, 2:7].any() and not linked[2:7, 2:7].any()
    assert linked[18:22].any(axis=0)[2:-2].all() and not high[18:22].any(axis=0)[50:].any()


def test_canny_agrees_with_scikit_image_in_the_plane():
    peer = pytest.importorskip("skimage.feature")
    image, _ = ball(spacing=(1.0, 1.0, 1.0), size=(3, 60, 60), radius=18)
    plane = sitk.GetArrayFromImage(image)[1] + np.random.default_rng(0).normal(0, 3, (60, 60)).astype(np.float32)
    expected = peer.canny(plane, 1.5, low_threshold=5, high_threshold=15)
    found = result(Canny(1.5, 5.0 / 2, 15.0 / 2, "values"), image_of(plane)) == 1
    near = np.pad(expected, 1)
    near = sum(near[1 + a : 61 + a, 1 + b : 61 + b].astype(int) for a in (-1, 0, 1) for b in (-1, 0, 1)) > 0
    assert near[found].mean() > 0.95 and abs(int(found.sum()) - int(expected.sum())) < 0.2 * expected.sum()


def test_percentiles_are_those_inside_the_mask():
    image, distance = ball()
    noise = np.random.default_rng(0).normal(0, 10, distance.shape).astype(np.float32)
    image = image_of(sitk.GetArrayFromImage(image) + noise, (0.6, 0.8, 1.5))
    where = image_of((distance < 11).astype(np.uint8), (0.6, 0.8, 1.5))
    wide, inside = (result(Canny(1.0, 60.0, 60.0), image, **more) for more in ({}, {"mask": where}))
    assert 0 < inside.sum() < wide.sum() and not inside[distance >= 11].any()


def test_zero_crossings_follow_the_rule_of_itk():
    array = np.random.default_rng(0).normal(0, 10, (10, 12, 14)).astype(np.float32)
    smooth = result(LaplacianOfGaussian(2.0, normalise=False), image_of(array))
    expected = sitk.GetArrayFromImage(sitk.ZeroCrossing(sitk.GetImageFromArray(smooth)))
    found = result(ZeroCrossings(2.0), image_of(array))
    assert (found != expected).mean() < 0.005


@pytest.mark.parametrize("offset", [0, 12345])
def test_flat_parts_of_an_image_have_no_zero_crossings(offset):
    image, distance = ball()
    shifted = sitk.GetImageFromArray(sitk.GetArrayFromImage(image) + np.float32(offset))
    shifted.CopyInformation(image)
    edges = result(ZeroCrossings(sigma_mm=0.5), shifted)
    assert edges.any() and not edges[np.abs(distance - 9) > 4].any()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [({"high": 101.0}, "at most 100"), ({"low": 96.0}, "above high"), ({"sigma_mm": -1.0}, "0 to 50 mm")],
)
def test_thresholds_that_make_no_sense_are_refused(parameters, message):
    with pytest.raises(ParameterError, match=message):
        Canny(**parameters)


def test_components_connect_over_corners():
    weak = np.zeros((3, 4, 5), bool)
    weak[0, 0, 0] = weak[1, 1, 1] = weak[2, 3, 4] = True
    strong = np.zeros_like(weak)
    strong[1, 1, 1] = True
    assert np.argwhere(connected_to(weak, strong)).tolist() == [[0, 0, 0], [1, 1, 1]]
