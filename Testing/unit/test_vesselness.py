"""Vesselness on tubes of known width, and its parts against numpy and scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from MedImgAnalysisLib.errors import ParameterError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.filtering import Vesselness
from MedImgAnalysisLib.kernels import hessian
from MedImgAnalysisLib.kernels.hessian import eigenvalues, hessians
from MedImgAnalysisLib.progress import SILENT
from scipy.ndimage import gaussian_filter


def image_of(array: np.ndarray, spacing=(1.0, 1.0, 1.0)) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing[: image.GetDimension()])
    return image


def result(operation, image: sitk.Image) -> np.ndarray:
    return sitk.GetArrayFromImage(execute(operation, {"image": image}).outputs["image"])


def tube(radius=2.0, spacing=(0.5, 0.7, 1.2), height=100.0) -> tuple[sitk.Image, np.ndarray]:
    """A Gaussian ridge of SD `radius` along a slanted line, and the distance from it in millimetres."""
    k, j, i = np.indices((31, 53, 71))
    points = np.stack([(i - 35) * spacing[0], (j - 26) * spacing[1], (k - 15) * spacing[2]], axis=-1)
    along = np.array([0.6, 0.3, 0.74])
    along /= np.linalg.norm(along)
    distance = np.linalg.norm(points - (points @ along)[..., None] * along, axis=-1)
    return image_of((height * np.exp(-(distance**2) / (2 * radius**2))).astype(np.float32), spacing), distance


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 3), st.sampled_from(["random", "tube", "plate", "ball", "zero"]))
def test_eigenvalues_are_those_of_numpy(seed, n, form):
    rng = np.random.default_rng(seed)
    diagonal = {"random": rng.normal(0, 10, 3), "tube": [0, 5, 5], "plate": [0, 0, 5], "ball": [5] * 3, "zero": [0] * 3}
    turn = np.linalg.qr(rng.normal(0, 1, (n, n)))[0]
    matrix = turn @ np.diag(np.array(diagonal[form], float)[:n]) @ turn.T
    parts = [np.array([matrix[a, b]]) for a in range(n) for b in range(a, n)]
    found = np.array(eigenvalues(parts))[:, 0]
    np.testing.assert_allclose(found, np.linalg.eigvalsh(matrix)[::-1], atol=1e-6)


def test_blocks_do_not_change_the_hessian(monkeypatch):
    array = np.random.default_rng(0).normal(0, 1, (40, 9, 10)).astype(np.float32)
    arguments = (array, [1.5, 1.0, 2.0], [2.0, 1.0, 0.5], SILENT)
    ((_, whole),) = hessians(*arguments)
    monkeypatch.setattr(hessian, "BLOCK_VALUES", 100)
    blocks = list(hessians(*arguments))
    assert len(blocks) > 2
    for n in range(6):
        np.testing.assert_allclose(np.concatenate([parts[n] for _, parts in blocks]), whole[n], atol=1e-6)


def test_the_hessian_of_a_parabola_is_exact_in_millimetres():
    spacing = (0.5, 0.8, 2.0)
    k, j, i = np.indices((25, 41, 61))
    x, y, z = (i - 30) * 0.5, (j - 20) * 0.8, (k - 12) * 2.0
    array = 1.5 * x**2 - 0.5 * y**2 + 0.25 * z**2 + 2 * x * y - 0.3 * y * z
    ((_, parts),) = hessians(array, [1.0, 2.0, 3.0], spacing[::-1], SILENT)
    centre = [part[12, 20, 30] for part in parts]
    np.testing.assert_allclose(centre, [0.5, -0.3, 0.0, -1.0, 2.0, 3.0], atol=1e-6)


@pytest.mark.parametrize("measure", ["frangi", "sato"])
def test_a_tube_answers_on_its_axis_and_a_plate_less(measure):
    image, distance = tube()
    operation = Vesselness(measure=measure, smallest_mm=1.5, largest_mm=3.0, scales=3)
    found = result(operation, image)
    middle = (slice(8, -8), slice(12, -12), slice(16, -16))
    near, far = distance[middle] < 0.5, distance[middle] > 5
    assert found[middle][near].min() > 5 * max(found[middle][far].max(), 1e-6)
    plate = np.broadcast_to(100 * np.exp(-((np.arange(71) - 35) ** 2) * 0.25 / 8), (31, 53, 71)).astype(np.float32)
    assert result(operation, image_of(plate, (0.5, 0.7, 1.2)))[middle].max() < 0.2 * found[middle].max()


def test_sato_of_a_gaussian_tube_is_the_closed_form():
    image, distance = tube(radius=2.0)
    sigma = 1.5
    found = result(Vesselness(measure="sato", smallest_mm=sigma, largest_mm=sigma, scales=1), image)
    wide = 2.0**2 + sigma**2
    # The blurred ridge has height R^2 / wide and the curvature 1 / wide of it across.
    expected = sigma**2 * 100 * 2.0**2 / wide / wide
    middle = (slice(8, -8), slice(12, -12), slice(16, -16))
    on_axis = distance[middle] < 0.3
    np.testing.assert_allclose(found[middle][on_axis].max(), expected, rtol=0.03)


def test_the_best_sigma_is_that_of_the_docstring():
    _, j, i = np.indices((9, 81, 81))
    radius = 6.0
    cylinder = np.clip(radius - np.hypot(i - 40, j - 40) + 0.5, 0, 1).astype(np.float32) * 100
    answers = {}
    for sigma in (3.2, 3.7, radius / np.sqrt(2), 4.8, 5.5):
        one = Vesselness(measure="sato", smallest_mm=sigma, largest_mm=sigma, scales=1)
        answers[sigma] = result(one, image_of(np.repeat(cylinder[:1], 9, axis=0)))[4, 40, 40]
    assert max(answers, key=answers.get) == radius / np.sqrt(2)


def test_dark_tubes_answer_when_asked_for_only():
    image, distance = tube()
    inverted = image * -1
    bright, dark = (result(Vesselness(structures=s, contrast=5.0), inverted) for s in ("bright", "dark"))
    on_axis = distance < 0.3
    np.testing.assert_allclose(dark, result(Vesselness(contrast=5.0), image), atol=1e-5)
    assert bright[on_axis].max() < 0.01 < dark[on_axis].max()


def eigenvalues_of_scipy(array: np.ndarray, sigma: float) -> np.ndarray:
    """Eigenvalues times -sigma^2 in rising order of size (tubes of bright values have two large positive ones)."""
    n = array.ndim
    matrices = np.empty((*array.shape, n, n))
    for a in range(n):
        for b in range(n):
            orders = np.eye(n, dtype=int)[a] + np.eye(n, dtype=int)[b]
            matrices[..., a, b] = gaussian_filter(array, sigma, order=orders.tolist(), mode="reflect", truncate=4)
    values = -(sigma**2) * np.moveaxis(np.linalg.eigvalsh(matrices), -1, 0)
    return np.take_along_axis(values, np.argsort(np.abs(values), axis=0), axis=0)


@pytest.mark.parametrize("size", [(24, 26, 28), (40, 44)])
def test_sato_is_its_formula_with_the_eigenvalues_of_scipy(size):
    array = np.random.default_rng(0).normal(0, 100, size)
    expected = np.zeros(size)
    for sigma in (2.0, 3.0):
        largest = np.maximum(np.sort(eigenvalues_of_scipy(array, sigma), axis=0)[1:], 0)
        expected = np.maximum(expected, largest.prod(axis=0) ** (1 / len(largest)))
    found = result(Vesselness(measure="sato", smallest_mm=2.0, largest_mm=3.0, scales=2), image_of(array))
    np.testing.assert_allclose(found, expected, atol=0.02 * expected.max())


@pytest.mark.parametrize("contrast", [20.0, None])
def test_frangi_is_its_formula_with_the_eigenvalues_of_scipy(contrast):
    array = np.random.default_rng(0).normal(0, 100, (24, 26, 28))
    first, second, third = eigenvalues_of_scipy(array, 2.0)
    strength = np.sqrt(first**2 + second**2 + third**2)
    limit = contrast or strength.max() / 2
    with np.errstate(all="ignore"):
        expected = (1 - np.exp(-((second / third) ** 2) / 0.5)) * np.exp(-(first**2) / np.abs(second * third) / 0.5)
        expected *= 1 - np.exp(-(strength**2) / (2 * limit**2))
    expected[(second <= 0) | (third <= 0)] = 0
    found = result(Vesselness(smallest_mm=2.0, largest_mm=2.0, scales=1, contrast=contrast), image_of(array))
    # Near a change of sign small differences of the derivatives decide.
    assert (np.abs(found - expected) > 0.03).mean() < 0.02


def test_a_line_answers_in_two_dimensions():
    array = np.zeros((40, 50), np.float32)
    array[19:22] = 100
    found = result(Vesselness(), image_of(array))
    assert found[20, 10:40].min() > 10 * found[5:12].max() and found[20, 25] > 0.5


def test_the_order_of_the_sigmas_is_checked():
    with pytest.raises(ParameterError, match="at most largest_mm"):
        Vesselness(smallest_mm=5.0)


@pytest.mark.parametrize("measure", ["frangi", "sato"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_volume_of_one_slice_answers_as_the_slice(measure, axis):
    rng = np.random.default_rng(3)
    array = rng.normal(0, 5, (30, 34)).astype(np.float32)
    array[14:16] += 100
    flat = image_of(array, (0.8, 1.1))
    spacing = [1.1, 0.8]
    spacing.insert(axis, 3.0)
    solid = image_of(np.expand_dims(array, axis), spacing[::-1])
    operation = Vesselness(measure=measure)
    expected = result(operation, flat)
    assert expected[14:16, 8:-8].min() > 0.5
    np.testing.assert_allclose(result(operation, solid).reshape(array.shape), expected, rtol=1e-4, atol=1e-5)
