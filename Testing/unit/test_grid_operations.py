"""Crop, pad, reorient and shrink: every voxel that stays keeps its value and its place in space."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from medimg_testing import oblique_grid
from MedImgAnalysisLib.errors import InputError, ParameterError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.filtering import Crop, Pad, Reorient, Shrink
from MedImgAnalysisLib.filtering.reorient import CODES
from MedImgAnalysisLib.geometry import Grid, image_like


def run(operation, **inputs):
    return execute(operation, inputs)


def numbered(size=(6, 8, 10), dtype=np.int32) -> sitk.Image:
    """Every voxel has another value, so that places can be compared."""
    return oblique_grid(sitk.GetImageFromArray(np.arange(np.prod(size)).reshape(size).astype(dtype)))


def places(image: sitk.Image) -> dict[int, np.ndarray]:
    """LPS position by voxel value."""
    array = sitk.GetArrayFromImage(image)
    points = Grid.of(image).to_physical(np.indices(array.shape).reshape(3, -1).T[:, ::-1].astype(float))
    return dict(zip(array.ravel().tolist(), points))


def box(image: sitk.Image, low, high) -> sitk.Image:
    """A mask of the voxels (i, j, k) from `low` to before `high`."""
    inside = np.zeros(image.GetSize()[::-1], np.uint8)
    inside[tuple(slice(a, b) for a, b in zip(low[::-1], high[::-1]))] = 1
    return image_like(inside, image)


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_cropping_keeps_the_box_the_margin_and_every_place(data):
    image = numbered()
    low = [data.draw(st.integers(0, n - 1)) for n in image.GetSize()]
    high = [data.draw(st.integers(a + 1, n)) for a, n in zip(low, image.GetSize())]
    margin = data.draw(st.sampled_from([0.0, 1.0, 2.6]))
    found = run(Crop(margin_mm=margin), image=image, mask=box(image, low, high)).outputs["image"]
    voxels = [int(np.ceil(margin / s)) for s in image.GetSpacing()]
    first = [max(0, a - v) for a, v in zip(low, voxels)]
    last = [min(n, b + v) for b, v, n in zip(high, voxels, image.GetSize())]
    expected = sitk.GetArrayFromImage(image)[tuple(slice(a, b) for a, b in zip(first[::-1], last[::-1]))]
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found), expected)
    before = places(image)
    assert all(np.abs(point - before[value]).max() < 1e-9 for value, point in places(found).items())


def test_a_margin_beyond_the_image_is_said():
    image = numbered()
    result = run(Crop(margin_mm=3.0), image=image, mask=box(image, (0, 3, 3), (5, 5, 4)))
    assert any("along i" in warning for warning in result.warnings)


@pytest.mark.parametrize("fill", ["constant", "edge", "mirror"])
def test_padding_fills_as_numpy_does_and_keeps_every_place(fill):
    image = numbered()
    result = run(Pad(margin_mm=2.0, fill=fill, value=-7.0 if fill == "constant" else None), image=image)
    found = result.outputs["image"]
    width = [(int(np.ceil(2.0 / s)),) * 2 for s in reversed(image.GetSpacing())]
    how = {"constant": {"constant_values": -7}, "edge": {}, "mirror": {}}[fill]
    mode = {"mirror": "reflect"}.get(fill, fill)
    np.testing.assert_array_equal(
        sitk.GetArrayFromImage(found), np.pad(sitk.GetArrayFromImage(image), width, mode, **how)
    )
    inner = sitk.RegionOfInterest(found, image.GetSize(), [w[0] for w in reversed(width)])
    assert Grid.of(inner).same_as(Grid.of(image))


def test_the_default_fill_is_the_smallest_value():
    image = sitk.GetImageFromArray(np.full((3, 4, 5), -1000, np.int16))
    assert (sitk.GetArrayFromImage(run(Pad(), image=image).outputs["image"]) == -1000).all()


def test_sizes_become_as_asked_and_multiples_split_evenly():
    image = numbered()
    found = run(Pad(margin_mm=0.0, size_voxels=[13, 5, 6], multiple_voxels=4), image=image).outputs["image"]
    assert found.GetSize() == (16, 8, 8)
    array = sitk.GetArrayFromImage(image)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found)[1:7, :, 3:13], array)


def test_mirroring_goes_on_beyond_a_short_axis():
    image = sitk.GetImageFromArray(np.array([[[1, 2, 3]]], np.uint8))
    found = sitk.GetArrayFromImage(run(Pad(margin_mm=5.0, fill="mirror"), image=image).outputs["image"])
    assert found[5, 5].tolist() == np.pad([1, 2, 3], 5, "reflect").tolist()


def test_a_fill_value_that_the_type_cannot_hold_is_refused():
    with pytest.raises(ParameterError, match="0 to 255"):
        run(Pad(value=-1000.0), image=sitk.Image([4, 4, 4], sitk.sitkUInt8))


def test_all_codes_are_there():
    assert len(CODES) == len(set(CODES)) == 48


@pytest.mark.parametrize("code", CODES)
def test_reorienting_equals_itk_and_keeps_every_place(code):
    image = numbered()
    found = run(Reorient(orientation=code), image=image).outputs["image"]
    expected = sitk.DICOMOrient(image, code)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found), sitk.GetArrayFromImage(expected))
    assert Grid.of(found).same_as(Grid.of(expected))
    before = places(image)
    assert all(np.abs(point - before[value]).max() < 1e-9 for value, point in places(found).items())


def test_turning_there_and_back_gives_the_same_image():
    image = numbered()
    there = run(Reorient(orientation="SAR"), image=image).outputs["image"]
    code = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(image.GetDirection())
    back = run(Reorient(orientation=code), image=there).outputs["image"]
    np.testing.assert_array_equal(sitk.GetArrayFromImage(back), sitk.GetArrayFromImage(image))
    assert Grid.of(back).same_as(Grid.of(image))


def test_a_picture_has_no_orientation():
    with pytest.raises(InputError, match="2-D"):
        run(Reorient(), image=sitk.Image([4, 4], sitk.sitkUInt8))


@pytest.mark.parametrize("factor", [[2], [3, 2, 1], [1, 4, 5]])
def test_the_mean_of_blocks_is_the_mean_in_the_middle_of_the_block(factor):
    size = (10, 12, 18)
    array = np.random.default_rng(0).normal(0, 10, size)
    image = oblique_grid(sitk.GetImageFromArray(array))
    found = run(Shrink(factor=factor), image=image).outputs["image"]
    fi, fj, fk = (factor * 3)[:3]
    nk, nj, ni = (n // f for n, f in zip(size, (fk, fj, fi)))
    blocks = array[: nk * fk, : nj * fj, : ni * fi].reshape(nk, fk, nj, fj, ni, fi).mean(axis=(1, 3, 5))
    np.testing.assert_allclose(sitk.GetArrayFromImage(found), blocks, atol=1e-12)
    middle = Grid.of(image).to_physical((np.array([[fi, fj, fk]]) - 1) / 2)[0]
    np.testing.assert_allclose(found.GetOrigin(), middle, atol=1e-9)
    np.testing.assert_allclose(found.GetSpacing(), np.multiply(image.GetSpacing(), (fi, fj, fk)))


@pytest.mark.parametrize("factor", [[2], [3, 2, 1], [1, 4, 5]])
def test_subsampled_voxels_are_where_they_were(factor):
    image = numbered((10, 12, 18))
    found = run(Shrink(factor=factor, method="subsample"), image=image).outputs["image"]
    before = places(image)
    after = places(found)
    assert len(after) == np.prod([n // f for n, f in zip(image.GetSize(), (factor * 3)[:3])])
    assert all(np.abs(point - before[value]).max() < 1e-9 for value, point in after.items())


def test_noise_falls_with_the_root_of_the_block():
    noise = sitk.GetImageFromArray(np.random.default_rng(0).normal(0, 8, (40, 40, 40)))
    assert sitk.GetArrayFromImage(run(Shrink(), image=noise).outputs["image"]).std() == pytest.approx(
        8 / 8**0.5, rel=0.03
    )
    plain = run(Shrink(method="subsample"), image=noise).outputs["image"]
    assert sitk.GetArrayFromImage(plain).std() == pytest.approx(8, rel=0.03)


def test_left_out_voxels_and_factors_beyond_the_size_are_handled():
    result = run(Shrink(factor=[4.0]), image=numbered((3, 9, 10)))
    assert result.outputs["image"].GetSize() == (2, 2, 1)
    assert any("2 along i, 1 along j" in warning for warning in result.warnings)


@pytest.mark.parametrize("factor", [[1.5], [2.0, 2.0], [0.0]])
def test_factors_must_be_whole_and_fit_the_axes(factor):
    with pytest.raises(ParameterError, match="factor"):
        Shrink(factor=factor)
