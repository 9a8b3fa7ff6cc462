"""Grey morphology, top hat and background against scipy, SimpleITK and what they must do to known shapes."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from MedImgAnalysisLib import blockwise
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.filtering import GreyMorphology, SubtractBackground, TopHat
from MedImgAnalysisLib.kernels import morphology
from MedImgAnalysisLib.kernels.morphology import dilate, erode, footprint
from MedImgAnalysisLib.progress import SILENT
from scipy.ndimage import grey_closing, grey_dilation, grey_erosion, grey_opening

SIZES = st.tuples(st.integers(1, 12), st.integers(1, 14), st.integers(1, 17))
SPACINGS = st.tuples(*[st.floats(0.3, 3)] * 3)
TYPES = st.sampled_from([np.uint8, np.int8, np.int16, np.uint16, np.float32, np.int32, np.uint64, np.float64])


def image_of(array: np.ndarray, spacing=(1.0, 1.0, 1.0)) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing[: image.GetDimension()])
    return image


def result(operation, image: sitk.Image, **inputs) -> np.ndarray:
    return sitk.GetArrayFromImage(execute(operation, {"image": image, **inputs}).outputs["image"])


def random_array(size, dtype) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 120, size).astype(dtype)


@settings(max_examples=40, deadline=None)
@given(SIZES, SPACINGS, st.floats(0.4, 6), TYPES, st.sampled_from(["ball", "box"]), st.integers(1, 400))
def test_equals_scipy_on_random_grids_and_types(size, spacing, radius, dtype, shape, block):
    array = random_array(size, dtype)
    image = image_of(array, spacing)
    voxels = [radius / s for s in spacing[::-1]]
    inside = footprint(voxels) if shape == "ball" else np.ones([2 * int(v + 1e-6) + 1 for v in voxels], bool)
    kept, morphology.BLOCK_VALUES = morphology.BLOCK_VALUES, block
    try:
        for action, peer in (("dilate", grey_dilation), ("erode", grey_erosion)):
            found = result(GreyMorphology(action, radius, shape), image)
            assert found.dtype == array.dtype
            # Values beyond the border do not count: scipy gets the worst value there.
            worst = array.min() if action == "dilate" else array.max()
            expected = peer(array, footprint=inside, mode="constant", cval=worst)
            np.testing.assert_array_equal(found, expected)
    finally:
        morphology.BLOCK_VALUES = kept


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.7, 1.1, 2.5)])
def test_the_ball_is_the_set_of_centres_within_the_radius(spacing):
    array = np.zeros((15, 21, 25), np.uint8)
    array[7, 10, 12] = 1
    k, j, i = np.indices(array.shape)
    distance = np.sqrt(((i - 12) * spacing[0]) ** 2 + ((j - 10) * spacing[1]) ** 2 + ((k - 7) * spacing[2]) ** 2)
    found = result(GreyMorphology("dilate", 5.0), image_of(array, spacing))
    np.testing.assert_array_equal(found == 1, distance <= 5.0 + 1e-6)
    box = result(GreyMorphology("dilate", 5.0, "box"), image_of(array, spacing))
    sides = [np.abs(n - m) * s <= 5 for n, m, s in zip((i, j, k), (12, 10, 7), spacing, strict=True)]
    np.testing.assert_array_equal(box == 1, np.all(sides, axis=0))


def test_opening_and_closing_equal_scipy_and_itk():
    array = random_array((14, 18, 20), np.int16)
    inside = footprint([2, 2, 2])
    inner = (slice(4, -4),) * 3
    for action, scipy_peer in (("open", grey_opening), ("close", grey_closing)):
        found = result(GreyMorphology(action, 2.0), image_of(array))
        np.testing.assert_array_equal(found[inner], scipy_peer(array, footprint=inside)[inner])
    for action, peer in (("open", sitk.GrayscaleMorphologicalOpening), ("close", sitk.GrayscaleMorphologicalClosing)):
        found = result(GreyMorphology(action, 2.0, "box"), image_of(array))
        expected = sitk.GetArrayFromImage(peer(image_of(array), [2, 2, 2], sitk.sitkBox))
        np.testing.assert_array_equal(found[inner], expected[inner])


@settings(max_examples=20, deadline=None)
@given(SIZES, st.floats(0.5, 4), st.sampled_from(["ball", "box"]))
def test_the_laws_of_morphology_hold(size, radius, shape):
    array = random_array(size, np.int16)
    image = image_of(array)
    opened, closed = (result(GreyMorphology(action, radius, shape), image) for action in ("open", "close"))
    assert (opened <= array).all() and (closed >= array).all()
    np.testing.assert_array_equal(result(GreyMorphology("open", radius, shape), image_of(opened)), opened)
    turned = result(GreyMorphology("close", radius, shape), image_of((-array).astype(np.int16)))
    np.testing.assert_array_equal(-turned, opened)


def test_a_radius_larger_than_the_image_gives_its_extremes():
    array = random_array((3, 4, 5), np.int16)
    for shape in ("ball", "box"):
        assert (result(GreyMorphology("dilate", 200.0, shape), image_of(array)) == array.max()).all()
        assert (result(GreyMorphology("erode", 200.0, shape), image_of(array)) == array.min()).all()


def test_the_gradient_does_not_overflow():
    array = np.array([[-32768, 32767, -32768]] * 3, np.int16)[None].repeat(3, axis=0)
    found = result(GreyMorphology("gradient", 1.0), image_of(array))
    assert found.dtype == np.float32 and (found == 65535).all()


def test_a_radius_below_the_spacing_is_said():
    done = execute(GreyMorphology(radius_mm=1.0), {"image": image_of(random_array((5, 5, 5), np.uint8), (0.5, 0.5, 3))})
    assert any("along k" in warning for warning in done.warnings)


def slope_with_spots() -> tuple[np.ndarray, np.ndarray]:
    """A ground that rises slowly, with bright spots of 3 voxels and height 50."""
    _, j, i = np.indices((20, 40, 44))
    ground = (100 + 0.3 * i + 0.2 * j).astype(np.float32)
    spots = np.zeros_like(ground)
    for place in ((5, 10, 10), (10, 25, 30), (14, 12, 33)):
        spots[tuple(slice(p - 1, p + 2) for p in place)] = 50
    return ground, spots


@pytest.mark.parametrize("shape", ["ball", "box"])
def test_the_top_hat_finds_small_structures_on_any_ground(shape):
    ground, spots = slope_with_spots()
    bright = result(TopHat("bright", 4.0, shape), image_of(ground + spots))
    dark = result(TopHat("dark", 4.0, shape), image_of(ground - spots))
    for found in (bright, dark):
        assert found.min() >= 0
        inner = (slice(3, -3), slice(5, -5), slice(5, -5))
        np.testing.assert_allclose(found[inner], spots[inner], atol=3)
    whole = random_array((10, 11, 12), np.uint8)
    peer = sitk.GetArrayFromImage(sitk.WhiteTopHat(image_of(whole), [2, 2, 2], sitk.sitkBox))
    inner = (slice(4, -4),) * 3
    np.testing.assert_array_equal(result(TopHat("bright", 2.0, "box"), image_of(whole))[inner], peer[inner])


@pytest.mark.parametrize("sign", [1, -1])
def test_the_background_is_found_and_spots_keep_their_height(sign):
    ground, spots = slope_with_spots()
    image = image_of(ground + sign * spots)
    operation = SubtractBackground("opening", 6.0, "bright" if sign > 0 else "dark")
    outputs = execute(operation, {"image": image}).outputs
    found, background = (sitk.GetArrayFromImage(outputs[role]) for role in ("image", "background"))
    np.testing.assert_allclose(found + background, ground + sign * spots, rtol=1e-6)
    assert (sign * found >= 0).all()
    inner = (slice(4, -4), slice(10, -10), slice(10, -10))
    np.testing.assert_allclose(sign * found[inner], spots[inner], atol=6)


def test_smoothing_as_background_leaves_the_mean_at_zero():
    ground, spots = slope_with_spots()
    found = result(SubtractBackground("smoothing", 10.0), image_of(ground + spots))
    assert abs(found.mean()) < 1 and found[5, 10, 10] > 40


def test_both_results_are_empty_outside_the_mask():
    ground, spots = slope_with_spots()
    where = np.zeros(ground.shape, np.uint8)
    where[5:15, 10:30, 10:30] = 1
    outputs = execute(SubtractBackground(), {"image": image_of(ground + spots), "mask": image_of(where)}).outputs
    for value in outputs.values():
        assert not sitk.GetArrayFromImage(value)[where == 0].any()


def test_an_impulse_dilated_and_eroded_by_the_same_ball_is_an_impulse():
    array = np.zeros((11, 11, 11), np.float32)
    array[5, 5, 5] = 7
    np.testing.assert_array_equal(erode(dilate(array, (3, 3, 3), "ball"), (3, 3, 3), "ball"), array)


def test_slabs_stay_small_however_wide_the_box(monkeypatch):
    monkeypatch.setattr(blockwise, "SLAB_VALUES", 1 << 13)
    sizes: list[int] = []

    def smaller(*arrays, out=None):
        sizes.extend(one.size for one in arrays)
        return np.minimum(*arrays, out=out)

    array = random_array((150, 40, 30), np.int16)
    found = morphology._extreme(array, [60.0, 7.0, 9.0], "box", smaller, SILENT, "")
    np.testing.assert_array_equal(found, grey_erosion(array, (121, 15, 19)))
    # With what is added at both ends.
    assert max(sizes) < 3 << 13
