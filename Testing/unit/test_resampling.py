"""Resampling against closed forms and ITK: ramps, random grids, types, anti-aliasing, what lies outside."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from medimg_testing import oblique_grid
from MedImgAnalysisLib.errors import GeometryError
from MedImgAnalysisLib.geometry import Grid, image_like
from MedImgAnalysisLib.resampling import INTERPOLATORS, resample


def by_itk(image: sitk.Image, grid: Grid, interpolation: str, outside: float) -> np.ndarray:
    wide = sitk.Cast(image, sitk.sitkFloat64)
    identity = sitk.Transform(grid.dimension, sitk.sitkIdentity)
    moved = sitk.Resample(wide, list(grid.size), identity, INTERPOLATORS[interpolation], grid.origin, grid.spacing,
                          grid.direction, outside)  # fmt: skip
    return sitk.GetArrayFromImage(moved)


def random_image(size, dtype=np.float32, seed=0) -> sitk.Image:
    return oblique_grid(sitk.GetImageFromArray(np.random.default_rng(seed).integers(0, 200, size).astype(dtype)))


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(4, 20), st.integers(4, 20), st.integers(4, 20)),
    st.tuples(*[st.floats(0.3, 4)] * 3),
    st.tuples(*[st.floats(-6, 12)] * 3),
    st.tuples(*[st.integers(1, 30)] * 3),
    st.tuples(*[st.sampled_from([-1.0, 1.0])] * 3),
    st.sampled_from(["linear", "bspline"]),
    st.sampled_from([np.float32, np.float64, np.int16, np.uint8]),
)
def test_parallel_grids_equal_itk_to_a_millionth(size, spacing, start, count, flips, interpolation, dtype):
    image = random_image(size, dtype)
    own = Grid.of(image)
    direction = np.reshape(own.direction, (3, 3)) @ np.diag(flips)
    origin = own.to_physical(np.array([start]))[0]
    grid = Grid(count, spacing, tuple(origin.tolist()), tuple(direction.ravel().tolist()))
    at = own.to_index(grid.to_physical(np.indices(count[::-1]).reshape(3, -1).T[:, ::-1]))
    at_edge = (np.abs(np.abs(at + 0.5 - np.array(own.size) / 2) - np.array(own.size) / 2) < 1e-6).any(axis=1)
    if dtype in (np.float32, np.float64):
        found = sitk.GetArrayFromImage(resample(image, grid, None, interpolation, -77.0))
        difference = np.abs(found - by_itk(image, grid, interpolation, -77.0)).ravel()[~at_edge]
        assert difference.max(initial=0) <= 1e-6 * 300
    else:
        found = sitk.GetArrayFromImage(resample(image, grid, None, interpolation, 3.0))
        limits = np.iinfo(dtype)
        exact = np.clip(by_itk(image, grid, interpolation, 3.0), limits.min, limits.max)
        assert np.abs(found - exact).ravel()[~at_edge].max(initial=0) <= 0.5 + 1e-3


@pytest.mark.parametrize("interpolation", ["linear", "bspline"])
@pytest.mark.parametrize("turn", [0.0, 0.3])
@pytest.mark.parametrize("anti_alias", [False, True])
def test_a_linear_ramp_is_exact_inside(interpolation, turn, anti_alias):
    slope, offset = np.array([0.3, -0.7, 1.1]), 40.0
    source = oblique_grid(sitk.Image([40, 38, 36], sitk.sitkFloat64))
    grid = Grid.of(source)
    points = grid.to_physical(np.indices((36, 38, 40)).reshape(3, -1).T[:, ::-1].astype(float))
    ramp = image_like((points @ slope + offset).reshape(36, 38, 40), grid)
    rotation = sitk.Euler3DTransform((0, 0, 0), turn, 0.0, turn / 2)
    direction = np.reshape(rotation.GetMatrix(), (3, 3)) @ np.reshape(grid.direction, (3, 3))
    middle = grid.to_physical((np.array([grid.size]) - 1) / 2)[0]
    spacing = np.array([1.0, 1.3, 2.9])
    size = (4, 5, 6)
    origin = middle - direction @ (spacing * (np.array(size) - 1) / 2)
    target = Grid(size, tuple(spacing), tuple(origin), tuple(direction.ravel()))
    found = sitk.GetArrayFromImage(resample(ramp, target, None, interpolation, anti_alias=anti_alias))
    there = target.to_physical(np.indices((6, 5, 4)).reshape(3, -1).T[:, ::-1].astype(float))
    np.testing.assert_allclose(found.ravel(), there @ slope + offset, atol=2e-6)


def test_a_cubic_spline_gives_the_voxels_back_where_it_was_fitted():
    image = random_image((7, 9, 11))
    np.testing.assert_allclose(
        sitk.GetArrayFromImage(resample(image, Grid.of(image), None, "bspline")),
        sitk.GetArrayFromImage(image),
        atol=1e-3,
    )


def coarser(image: sitk.Image, factor: float) -> Grid:
    own = Grid.of(image)
    size = tuple(max(1, int(n / factor)) for n in own.size)
    start = own.to_physical(np.full((1, own.dimension), (factor - 1) / 2))[0]
    return Grid(size, tuple(s * factor for s in own.spacing), tuple(start.tolist()), own.direction)


def test_without_anti_aliasing_a_fine_pattern_turns_into_a_coarse_one_and_with_it_disappears():
    stripes = np.zeros((4, 64, 64), np.float32)
    stripes += 100 * np.cos(2 * np.pi * 0.45 * np.arange(64))[None, None]
    image = sitk.GetImageFromArray(stripes)
    grid = coarser(image, 4.0)
    plain = sitk.GetArrayFromImage(resample(image, grid))
    smooth = sitk.GetArrayFromImage(resample(image, grid, anti_alias=True))
    assert np.abs(plain).max() > 10 and np.abs(smooth[..., 2:-2]).max() < 0.5


@pytest.mark.parametrize("turned", [False, True])
def test_anti_aliasing_smooths_by_the_stated_gaussian(turned):
    impulse = np.zeros((41, 41, 41), np.float32)
    impulse[20, 20, 20] = 1
    image = sitk.GetImageFromArray(impulse)
    grid = coarser(image, 3.0)
    sigma = np.sqrt(3**2 - 1) / (2 * np.sqrt(2 * np.log(2)))
    if turned:
        turn = sitk.Euler3DTransform((20, 20, 20), 0, 0, np.pi / 2)
        origin = turn.TransformPoint(grid.origin)
        grid = Grid(grid.size, grid.spacing, origin, turn.GetMatrix())
        # Not quite parallel, so that the general path is taken.
        slightly = sitk.Euler3DTransform((20, 20, 20), 0, 0, 1e-5)
        direction = np.reshape(slightly.GetMatrix(), (3, 3)) @ np.reshape(grid.direction, (3, 3))
        grid = Grid(grid.size, grid.spacing, slightly.TransformPoint(origin), tuple(direction.ravel().tolist()))
    found = sitk.GetArrayFromImage(resample(image, grid, anti_alias=True))
    points = grid.to_physical(np.indices(found.shape).reshape(3, -1).T[:, ::-1].astype(float))
    r2 = ((points - 20) ** 2).sum(axis=1)
    expected = np.exp(-r2 / (2 * sigma**2)) / (2 * np.pi * sigma**2) ** 1.5
    np.testing.assert_allclose(found.ravel(), expected, atol=5e-5)


def test_outside_is_the_smallest_value_of_the_image_unless_another_is_given():
    image = sitk.GetImageFromArray(np.random.default_rng(0).integers(-1000, 500, (5, 6, 7)).astype(np.int16))
    grid = Grid((20, 6, 5), (1.0, 1.0, 1.0), (-6.0, 0.0, 0.0), Grid.of(image).direction)
    low = int(sitk.GetArrayFromImage(image).min())
    for interpolation in INTERPOLATORS:
        found = sitk.GetArrayFromImage(resample(image, grid, None, interpolation))
        assert (found[..., :6] == low).all() and (found[..., 13:] == low).all()
        assert (sitk.GetArrayFromImage(resample(image, grid, None, interpolation, 42.0))[..., :5] == 42).all()


def test_whole_numbers_are_rounded_and_stay_in_their_type():
    array = np.zeros((1, 1, 40), np.uint8)
    array[..., 20:] = 255
    image = sitk.GetImageFromArray(array)
    fine = Grid((80, 1, 1), (0.5, 1.0, 1.0), (0.0, 0.0, 0.0), Grid.of(image).direction)
    spline = sitk.GetArrayFromImage(resample(image, fine, None, "bspline"))
    assert spline.dtype == np.uint8 and spline.min() == 0 and spline.max() == 255
    assert sitk.GetArrayFromImage(resample(image, fine))[0, 0, 39] == 128


def test_vector_images_are_resampled_component_by_component():
    array = np.random.default_rng(0).integers(0, 255, (6, 7, 8, 3)).astype(np.uint8)
    image = sitk.GetImageFromArray(array, isVector=True)
    grid = coarser(image, 1.5)
    found = sitk.GetArrayFromImage(resample(image, grid, None, "bspline", anti_alias=True))
    for c in range(3):
        alone = resample(
            sitk.GetImageFromArray(array[..., c]), grid, None, "bspline", float(array.min()), anti_alias=True
        )
        np.testing.assert_array_equal(found[..., c], sitk.GetArrayFromImage(alone))


def test_nan_stays_where_it_is():
    array = np.ones((5, 20, 20), np.float32)
    array[2, 3, 3] = np.nan
    image = sitk.GetImageFromArray(array)
    found = sitk.GetArrayFromImage(resample(image, coarser(image, 1.25)))
    assert 0 < np.isnan(found).sum() < 10 and np.isfinite(found[:, 6:]).all()


def test_two_and_three_dimensions_do_not_mix():
    with pytest.raises(GeometryError, match=r"2-D image .* 3-D grid"):
        resample(sitk.Image([5, 5], sitk.sitkUInt8), Grid.of(sitk.Image([5, 5, 5], sitk.sitkUInt8)))
