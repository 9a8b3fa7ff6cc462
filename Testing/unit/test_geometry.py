"""Grids: the one rule for sameness, overlap of oblique boxes, and the union lattice."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from medimg_testing import oblique_grid
from MedImgAnalysisLib.errors import GeometryError
from MedImgAnalysisLib.geometry import Grid, check_orthonormal, image_like, union_grid
from MedImgAnalysisLib.progress import Progress
from MedImgAnalysisLib.resampling import on_grid, resample


@pytest.fixture
def oblique() -> sitk.Image:
    return oblique_grid(sitk.Image([24, 20, 16], sitk.sitkInt16))


def test_index_and_position_agree_with_simpleitk(oblique):
    index = np.array([[0, 0, 0], [3.25, 7.5, 2.0], [23, 19, 15]])
    grid = Grid.of(oblique)
    expected = [oblique.TransformContinuousIndexToPhysicalPoint(i) for i in index.tolist()]
    np.testing.assert_allclose(grid.to_physical(index), expected, atol=1e-9)
    np.testing.assert_allclose(grid.to_index(np.array(expected)), index, atol=1e-9)
    assert grid.voxel_volume_mm3 == pytest.approx(0.7 * 1.1 * 2.5)


def test_a_canonical_grid_survives_the_way_through_a_matrix(oblique):
    grid = Grid.of(oblique).canonical()
    assert grid.same_as(Grid.of(oblique)) and grid.canonical() == grid
    axes = grid.axes
    spacing = np.linalg.norm(axes, axis=0)
    back = Grid(grid.size, tuple(spacing.tolist()), grid.origin, tuple((axes / spacing).ravel().tolist()))
    assert back.canonical() == grid


def test_rounding_of_a_header_is_the_same_grid_and_a_flip_is_not(oblique):
    grid = Grid.of(oblique)
    single = Grid(
        grid.size, *(tuple(float(np.float32(v)) for v in part) for part in (grid.spacing, grid.origin, grid.direction))
    )
    assert grid.same_as(single)
    assert not grid.same_as(Grid.of(sitk.Flip(oblique, [True, False, False], False)))
    assert not grid.same_as(Grid.of(oblique[:, :, 1:]))
    flat = Grid.of(sitk.Image([4, 4], sitk.sitkUInt8))
    assert not flat.same_as(grid) and not flat.overlaps(grid)


@settings(max_examples=50, deadline=None)
@given(st.tuples(*[st.floats(-1, 1)] * 3), st.tuples(*[st.floats(-40, 40)] * 3))
def test_overlap_of_oblique_boxes_agrees_with_sampled_points(angles, shift):
    turn = sitk.Euler3DTransform()
    turn.SetRotation(*angles)
    a = Grid((10, 12, 8), (1.0, 1.5, 2.0), (0.0, 0.0, 0.0), tuple(np.eye(3).ravel()))
    b = Grid((9, 9, 9), (1.2, 1.2, 1.2), shift, turn.GetMatrix())
    axes = [np.linspace(-0.5, n - 0.5, 25) for n in b.size]
    points = b.to_physical(np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3))
    index = a.to_index(points)
    touched = np.all((index >= -0.5) & (index <= np.array(a.size) - 0.5), axis=1).any()
    assert a.overlaps(b) == b.overlaps(a)
    if touched:
        assert a.overlaps(b)


def test_boxes_that_only_seem_to_overlap_along_the_axes_do_not():
    turn = sitk.Euler3DTransform()
    turn.SetRotation(0.0, 0.0, np.pi / 4)
    a = Grid((10, 10, 10), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), tuple(np.eye(3).ravel()))
    diamond = Grid((10, 10, 10), (1.0, 1.0, 1.0), (16.0, 9.5, 0.0), turn.GetMatrix())
    assert diamond.corners[:, 0].min() < 10 and not a.overlaps(diamond)


def test_the_union_covers_both_and_keeps_the_lattice(oblique):
    other = oblique[4:30, 2:, :]
    other.SetOrigin(tuple(np.add(other.GetOrigin(), (5.3, -2.2, 7.7)).tolist()))
    grid = Grid.of(oblique)
    union = union_grid(grid, Grid.of(other))
    index = union.to_index(np.vstack([grid.corners, Grid.of(other).corners]))
    assert index.min() > -1e-6 and (index <= np.array(union.size) - 1 + 1e-6).all()
    offset = grid.to_index(np.array([union.origin]))
    np.testing.assert_allclose(offset, np.rint(offset), atol=1e-9)
    assert union_grid(grid, grid).same_as(grid)


def test_the_same_grid_is_used_as_it_is_and_another_one_is_resampled_and_said(oblique):
    said: list[str] = []
    progress = Progress(on_warning=said.append)
    assert on_grid(oblique, Grid.of(oblique), progress=progress) is oblique and not said
    finer = sitk.Expand(oblique, [2, 2, 2])
    assert Grid.of(on_grid(finer, Grid.of(oblique), progress=progress)) == Grid.of(oblique)
    assert len(said) == 1 and "24 x 20 x 16" in said[0]
    far = sitk.Image(oblique)
    far.SetOrigin((900.0, 0.0, 0.0))
    with pytest.raises(GeometryError, match="does not overlap"):
        on_grid(far, Grid.of(oblique))


def test_a_linear_ramp_is_resampled_exactly_inside_and_outside_is_the_smallest_value(oblique):
    grid = Grid.of(oblique)
    index = np.stack(np.meshgrid(*(np.arange(n) for n in grid.size), indexing="ij"), -1).reshape(-1, 3)
    normal = np.array([1.5, -2.0, 0.5])
    values = (grid.to_physical(index) @ normal).reshape(grid.size).T
    ramp = image_like(values.astype(np.float64), oblique)
    target = Grid((9, 8, 7), (0.9, 0.8, 1.7), tuple(grid.to_physical(np.array([[5.2, 4.1, 3.3]]))[0]), grid.direction)
    result = sitk.GetArrayFromImage(resample(ramp, target))
    inner = np.stack(np.meshgrid(*(np.arange(n) for n in target.size), indexing="ij"), -1).reshape(-1, 3)
    np.testing.assert_allclose(result, (target.to_physical(inner) @ normal).reshape(target.size).T, atol=1e-9)
    beyond = resample(ramp, Grid((2, 2, 2), (1.0, 1.0, 1.0), (500.0, 0.0, 0.0), grid.direction))
    assert (sitk.GetArrayFromImage(beyond) == values.min()).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.int64, np.uint64])
def test_the_extremes_of_whole_number_types_do_not_wrap(dtype):
    limits = np.iinfo(dtype)
    array = np.full((6, 6, 6), limits.max, dtype)
    array[:3] = limits.min
    image = sitk.GetImageFromArray(array)
    values = sitk.GetArrayFromImage(resample(image, Grid.of(image), sitk.TranslationTransform(3, (0.0, 0.0, 0.01))))
    step = 4096 if np.dtype(dtype).itemsize == 8 else 1
    assert int(values[4].min()) >= limits.max - step and int(values[0].max()) <= limits.min + step


def test_sheared_axes_are_refused():
    check_orthonormal(tuple(np.eye(3).ravel()), "image")
    check_orthonormal((-1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0), "image")
    with pytest.raises(GeometryError, match="right angles"):
        check_orthonormal((1.0, 0.17, 0.0, 0.0, 0.985, 0.0, 0.0, 0.0, 1.0), "image")
