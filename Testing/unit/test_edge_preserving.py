"""Bilateral, non-local means and total variation against their formulas, ITK and scikit-image."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.filtering import Bilateral, NonlocalMeans, TotalVariation
from MedImgAnalysisLib.kernels import neighbours
from MedImgAnalysisLib.kernels.neighbours import bilateral, nonlocal_means
from MedImgAnalysisLib.kernels.total_variation import denoise
from scipy.ndimage import correlate1d

SIZES = st.tuples(st.integers(1, 6), st.integers(1, 9), st.integers(2, 10))


def image_of(array: np.ndarray, spacing=(1.0, 1.0, 1.0)) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing[: image.GetDimension()])
    return image


def result(operation, array: np.ndarray, spacing=(1.0, 1.0, 1.0)) -> np.ndarray:
    return sitk.GetArrayFromImage(execute(operation, {"image": image_of(array, spacing)}).outputs["image"])


def noisy_boxes(size=(24, 40, 44), sigma=10.0) -> tuple[np.ndarray, np.ndarray]:
    clean = np.zeros(size, np.float32)
    clean[size[0] // 4 : 3 * size[0] // 4, 10:30, 8:20] = 100
    clean[:, :8] += 50
    return clean, clean + np.random.default_rng(0).normal(0, sigma, size).astype(np.float32)


def psnr(array: np.ndarray, clean: np.ndarray) -> float:
    return float(10 * np.log10(150**2 / ((array - clean) ** 2).mean()))


def direct_mean(array: np.ndarray, radii, mode: str, weight) -> np.ndarray:
    """sum w(x, t) f(x + t) / sum w(x, t) with everything written out."""
    padded = np.pad(array.astype(float), [(r, r) for r in radii], mode=mode)
    total, weights = np.zeros(array.shape), np.zeros(array.shape)
    for offset in product(*(range(-r, r + 1) for r in radii)):
        part = tuple(slice(r + o, r + o + n) for r, o, n in zip(radii, offset, array.shape, strict=True))
        w = weight(offset, padded[part])
        weights += w
        total += w * padded[part]
    return total / weights


@settings(max_examples=25, deadline=None)
@given(SIZES, st.tuples(*[st.floats(0.3, 3)] * 3), st.floats(0.3, 1.5), st.floats(3, 100), st.integers(4, 200))
def test_bilateral_is_its_formula_in_millimetres(size, spacing, sigma, range_sigma, block):
    array = np.random.default_rng(0).normal(100, 20, size).astype(np.float32)
    radii = [int(np.ceil(2.5 * sigma / s)) if 8 * sigma > s else 0 for s in spacing[::-1]]

    def weight(offset, values):
        distance = sum((o * s) ** 2 for o, s in zip(offset, spacing[::-1], strict=True))
        return np.exp(-distance / (2 * sigma**2) - (values - array) ** 2 / (2 * range_sigma**2))

    kept, neighbours.BLOCK_VALUES = neighbours.BLOCK_VALUES, block
    try:
        found = result(Bilateral(sigma_mm=sigma, range_sigma=range_sigma), array, spacing)
    finally:
        neighbours.BLOCK_VALUES = kept
    np.testing.assert_allclose(found, direct_mean(array, radii, "edge", weight), rtol=1e-4)


@pytest.mark.parametrize("sigma", [0.7, 1.0, 1.5])
def test_bilateral_is_that_of_itk_with_a_fine_table(sigma):
    _, noisy = noisy_boxes((12, 40, 44))
    peer = sitk.GetArrayFromImage(sitk.Bilateral(image_of(noisy), sigma, 30.0, 100_000))
    radii = [int(np.ceil(2.5 * sigma))] * 3
    np.testing.assert_allclose(bilateral(noisy, [sigma] * 3, radii, 30.0), peer, atol=0.03)


@settings(max_examples=20, deadline=None)
@given(SIZES, st.integers(1, 2), st.integers(1, 2), st.floats(0, 12), st.integers(4, 200), st.booleans())
def test_nonlocal_means_is_its_formula(size, patch, search, sigma, block, in_plane):
    array = np.random.default_rng(0).normal(100, 10, size).astype(np.float32)
    depth = [0 if in_plane or size[0] == 1 else 1] + [int(n > 1) for n in size[1:]]
    patches, radii = [patch * d for d in depth], [search * d for d in depth]
    margin = [p + s for p, s in zip(patches, radii, strict=True)]
    padded = np.pad(array.astype(float), [(m, m) for m in margin], mode="symmetric")

    def weight_of_patches(offset, values):
        part = tuple(
            slice(m - p + o, m + p + o + n) for m, p, o, n in zip(margin, patches, offset, array.shape, strict=True)
        )
        own = tuple(slice(m - p, m + p + n) for m, p, n in zip(margin, patches, array.shape, strict=True))
        mean = (padded[part] - padded[own]) ** 2
        for axis, p in enumerate(patches):
            tent = np.convolve(np.ones(p + 1), np.ones(p + 1))
            mean = correlate1d(mean, tent / tent.sum(), axis, mode="constant")
        inner = tuple(slice(p, n + p) for p, n in zip(patches, array.shape, strict=True))
        return np.exp(-np.maximum(mean[inner] - 2 * sigma**2, 0) / (1.4 * 12.0) ** 2)

    first = direct_mean(array, [int(np.ceil(2 * r / 3)) for r in radii], "symmetric", weight_of_patches)
    around = np.pad(first, [(r, r) for r in radii], mode="symmetric")

    def weight(offset, values):
        part = tuple(slice(r + o, r + o + n) for r, o, n in zip(radii, offset, array.shape, strict=True))
        return np.exp(-((around[part] - first) ** 2) / 12.0**2)

    kept, neighbours.BLOCK_VALUES = neighbours.BLOCK_VALUES, block
    try:
        found = nonlocal_means(array, patches, radii, 12.0, sigma)
        if sigma:
            chosen = NonlocalMeans(patch, search, 12.0 / sigma if sigma > 2.5 else 5.0, sigma, in_plane)
            if sigma > 2.5:
                np.testing.assert_allclose(result(chosen, array), found, rtol=1e-5)
    finally:
        neighbours.BLOCK_VALUES = kept
    np.testing.assert_allclose(found, direct_mean(array, radii, "symmetric", weight), rtol=2e-4)


def test_nonlocal_means_beats_scikit_image_on_a_brain(data_dir):
    peer = pytest.importorskip("skimage.restoration")
    image = sitk.ReadImage(str(data_dir / "mr_brain_mni_p19" / "T1.nii.gz"))
    middle = tuple(slice(n // 2 - 20, n // 2 + 20) for n in reversed(image.GetSize()))
    clean = sitk.GetArrayFromImage(image)[middle].astype(np.float32)
    sigma = 0.05 * float(np.percentile(clean, 99))
    noisy = clean + np.random.default_rng(0).normal(0, sigma, clean.shape).astype(np.float32)
    found = result(NonlocalMeans(noise=sigma), noisy)
    for h in (0.6, 0.8, 1.0):
        expected = peer.denoise_nl_means(noisy, 3, 3, h * sigma, True, sigma)
        assert psnr(found, clean) > psnr(expected, clean) + 1
    assert psnr(found, clean) > psnr(noisy, clean) + 3


def test_nonlocal_means_beats_scikit_image_on_ideal_edges():
    peer = pytest.importorskip("skimage.restoration")
    clean, noisy = noisy_boxes((32, 48, 48))
    found = result(NonlocalMeans(noise=10.0), noisy)
    for h in (0.6, 0.8, 1.0):
        assert psnr(found, clean) > psnr(peer.denoise_nl_means(noisy, 3, 3, h * 10, True, 10.0), clean)


@pytest.mark.parametrize("size", [(12, 20, 22), (25, 31)])
@pytest.mark.parametrize("weight", [1.0, 10.0, 40.0])
def test_total_variation_is_that_of_scikit_image(size, weight):
    peer = pytest.importorskip("skimage.restoration")
    array = np.random.default_rng(0).normal(100, 10, size)
    array[4:9] += 50
    stopped = peer.denoise_tv_chambolle(array, weight, eps=2e-4, max_num_iter=200)
    steps = next(n for n in range(2, 201) if np.array_equal(peer.denoise_tv_chambolle(array, weight, 0.0, n), stopped))
    # That of the tolerance is one step further.
    expected = peer.denoise_tv_chambolle(array, weight, eps=0.0, max_num_iter=steps + 1)
    np.testing.assert_allclose(result(TotalVariation(strength=weight, noise=1.0), array), expected, atol=1e-6)
    single = result(TotalVariation(strength=weight, noise=1.0), array.astype(np.float32))
    np.testing.assert_allclose(single, expected, atol=0.02)


@settings(max_examples=25, deadline=None)
@given(SIZES, st.integers(1, 4), st.integers(1, 300), st.sampled_from([np.int16, np.float32, np.float64]))
def test_slabs_and_strips_do_not_change_total_variation(size, layers, strip, dtype):
    from MedImgAnalysisLib.kernels import total_variation

    array = np.random.default_rng(0).normal(100, 10, size).astype(dtype)
    whole = denoise(array, 8.0, (0.5, 1.0, 1.0), 1e-6, 20)
    kept = {name: getattr(total_variation, name) for name in ("LAYERS", "SLAB_VALUES", "STRIP_VALUES")}
    try:
        total_variation.LAYERS, total_variation.SLAB_VALUES, total_variation.STRIP_VALUES = layers, 1, strip
        tolerance = 1e-9 if dtype == np.float64 else 1e-3
        np.testing.assert_allclose(denoise(array, 8.0, (0.5, 1.0, 1.0), 1e-6, 20), whole, atol=tolerance)
    finally:
        for name, value in kept.items():
            setattr(total_variation, name, value)


@settings(max_examples=15, deadline=None)
@given(SIZES, st.sampled_from([np.uint8, np.int16, np.float32]), st.floats(1.0, 30.0))
def test_total_variation_of_any_type_is_that_of_scikit_image_step_for_step(size, dtype, weight):
    peer = pytest.importorskip("skimage.restoration")
    array = np.random.default_rng(1).integers(0, 200, size).astype(dtype)
    scale = [float(n > 1) for n in array.shape]
    expected = peer.denoise_tv_chambolle(np.squeeze(array).astype(np.float64), weight, eps=0.0, max_num_iter=9)
    found = denoise(array, weight, scale, 0.0, 9)
    np.testing.assert_allclose(np.squeeze(found), expected, atol=1e-3)


def test_total_variation_lowers_a_step_by_the_closed_form():
    # A bar of n voxels between lower ground of n on both sides: each edge costs weight / n on its side.
    array = np.zeros((30, 3, 3))
    array[10:20] = 100
    found = denoise(array, 20.0, (1.0, 1.0, 1.0), 1e-9, 5000)
    np.testing.assert_allclose(found[10:20], 100 - 2 * 20 / 10, atol=0.05)
    np.testing.assert_allclose(found[:10], 20 / 10, atol=0.05)


def test_total_variation_weighs_axes_by_their_spacing():
    # A step along an axis of twice the spacing costs half as much variation.
    array = np.zeros((30, 20, 2))
    array[10:20] = 100
    across = np.swapaxes(array, 0, 1).copy()
    for found, cost in (
        (denoise(array, 20.0, (0.5, 1, 1), 1e-8, 2000), 0.5),
        (denoise(across, 20.0, (0.5, 1, 1), 1e-8, 2000), 1),
    ):
        assert found.max() == pytest.approx(100 - cost * 2 * 20 / 10, abs=0.1)
    coarse = result(TotalVariation(20.0, 1.0, 1e-8, 2000), array, (1.0, 1.0, 2.0))
    assert coarse.max() == pytest.approx(98, abs=0.2)


@pytest.mark.parametrize("operation", [Bilateral(), NonlocalMeans(), TotalVariation()], ids=lambda o: o.name)
def test_noise_goes_and_edges_stay(operation):
    clean, noisy = noisy_boxes()
    found = result(operation, noisy)
    assert psnr(found, clean) > psnr(noisy, clean) + 4
    assert found[12, 11:29, 9:19].mean() - found[12, 11:29, 22:40].mean() > 90


@pytest.mark.parametrize("operation", [Bilateral(), NonlocalMeans(), TotalVariation()], ids=lambda o: o.name)
def test_an_image_without_noise_comes_back_with_a_warning(operation):
    array = np.full((6, 7, 8), 5, np.int16)
    done = execute(operation, {"image": image_of(array)})
    np.testing.assert_array_equal(sitk.GetArrayFromImage(done.outputs["image"]), array)
    assert any("No noise was found" in warning for warning in done.warnings)
