"""A curve on a slice finds circles and squares, from inside and outside, in millimetres and in the right place."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st
from medimg_testing import oblique_grid
from MedImgAnalysisLib import files
from MedImgAnalysisLib.errors import InputError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.geometry import Grid
from MedImgAnalysisLib.kernels import polygons
from MedImgAnalysisLib.segmentation import Snake2d
from MedImgAnalysisLib.values import Landmarks

RADIUS_MM = 14.0


def cylinder(axis: int) -> tuple[sitk.Image, np.ndarray]:
    """A bright cylinder along a numpy axis on an oblique anisotropic grid, and its middle as an index (k, j, i)."""
    spacing = {0: (0.7, 1.0, 3.0), 1: (0.7, 3.0, 1.0), 2: (3.0, 0.7, 1.0)}[axis]
    size = [round(54 / s) for s in reversed(spacing)]
    index = np.indices(size).astype(float)
    middle = np.array([(n - 1) / 2 for n in size])
    planes = [a for a in range(3) if a != axis]
    squares = sum(((index[a] - middle[a]) * spacing[::-1][a]) ** 2 for a in planes)
    array = 100.0 * (squares < RADIUS_MM**2) + np.random.default_rng(4).normal(0, 5, squares.shape)
    image = oblique_grid(sitk.GetImageFromArray(array.astype(np.float32)))
    image.SetSpacing(spacing)
    return image, middle


def circle(image: sitk.Image, middle: np.ndarray, axis: int, radius: float, count: int = 12) -> Landmarks:
    grid = Grid.of(image)
    angle = 2 * np.pi * np.arange(count) / count
    index = np.tile(middle, (count, 1))
    first, second = (a for a in range(3) if a != axis)
    index[:, axis] = round(middle[axis])
    index[:, first] += radius * np.cos(angle) / grid.spacing_kji[first]
    index[:, second] += radius * np.sin(angle) / grid.spacing_kji[second]
    return Landmarks(tuple(map(str, range(count))), grid.to_physical(index[:, ::-1]), closed=True)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize(("radius", "push"), [(11.0, 0.0), (17.0, 0.0), (6.0, 0.4), (23.0, -0.4)])
def test_a_circle_is_found_on_slices_along_every_axis(axis, radius, push):
    image, middle = cylinder(axis)
    drawn = circle(image, middle, axis, radius)
    outputs = execute(Snake2d(push=push), {"image": image, "curve": drawn}).outputs
    row = outputs["table"].rows[0]
    assert row["area_mm2"] == pytest.approx(np.pi * RADIUS_MM**2, rel=0.05)
    assert row["length_mm"] == pytest.approx(2 * np.pi * RADIUS_MM, rel=0.03)
    assert row["slice"] == round(middle[axis]) and row["edge"] > 0.5
    grid = Grid.of(image)
    index = grid.to_index(outputs["contour"].points)[:, ::-1]
    distance = np.linalg.norm(np.delete((index - middle) * grid.spacing_kji, axis, axis=1), axis=1)
    np.testing.assert_allclose(distance, RADIUS_MM, atol=1.0)
    np.testing.assert_allclose(index[:, axis], round(middle[axis]), atol=1e-6)
    assert outputs["contour"].closed
    inside = sitk.GetArrayFromImage(outputs["labels"].layers[0]) != 0
    voxel_mm2 = grid.voxel_volume_mm3 / grid.spacing_kji[axis]
    assert np.count_nonzero(inside) * voxel_mm2 == pytest.approx(row["area_mm2"], rel=0.04)
    assert set(np.nonzero(inside)[axis]) == {round(middle[axis])}
    moved = outputs["curves"].series[0].y
    assert len(moved) == row["iterations"] and moved[-1] < 0.05 < moved.max()


def test_both_ways_round_and_other_units_fit_the_same_curve():
    image, middle = cylinder(0)
    drawn = circle(image, middle, 0, 11.0)
    turned = Landmarks(drawn.names, drawn.points[::-1], closed=True)
    areas = [
        execute(Snake2d(push=0.2), {"image": one, "curve": curve}).outputs["table"].rows[0]["area_mm2"]
        for one, curve in ((image, drawn), (image, turned), (sitk.ShiftScale(image, 300.0, -0.01), drawn))
    ]
    np.testing.assert_allclose(areas, areas[0], rtol=0.01)


def test_two_dimensional_images_have_snakes():
    j, i = np.indices((60, 80), float)
    array = (100.0 * (np.maximum(abs(i - 40) * 0.5, abs(j - 30)) < 15)).astype(np.float32)
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((0.5, 1.0))
    angle = 2 * np.pi * np.arange(10) / 10
    points = np.stack([20 + 12 * np.cos(angle), 30 + 12 * np.sin(angle), 0 * angle], axis=1)
    outputs = execute(
        Snake2d(push=0.3, smoothness_mm=1.0, sigma_mm=1.0),
        {"image": image, "curve": Landmarks(tuple("0123456789"), points)},
    ).outputs
    inside = sitk.GetArrayFromImage(outputs["labels"].layers[0]) != 0
    truth = array > 0
    assert 2 * np.count_nonzero(inside & truth) / (np.count_nonzero(inside) + np.count_nonzero(truth)) > 0.96


def test_curves_that_cannot_be_fitted_are_explained():
    image, middle = cylinder(0)
    drawn = circle(image, middle, 0, 11.0)
    two = Landmarks(drawn.names[:2], drawn.points[:2])
    tilted = Landmarks(drawn.names, drawn.points + np.linspace(0, 1, 12)[:, None] * Grid.of(image).axes[:, 2] * 4)
    away = Landmarks(drawn.names, drawn.points + Grid.of(image).axes[:, 0] * 70)
    for curve, words in ((two, "at least three points"), (tilted, "not lie on one slice"), (away, "leaves the image")):
        with pytest.raises(InputError, match=words):
            execute(Snake2d(), {"image": image, "curve": curve})
    with pytest.raises(InputError, match="constant"):
        execute(Snake2d(), {"image": sitk.Multiply(image, 0.0), "curve": drawn})
    with pytest.raises(InputError, match="shrank to a point"):
        execute(Snake2d(push=-5.0), {"image": image, "curve": circle(image, middle, 0, 8.0)})


def test_a_slice_of_one_row_of_voxels_is_explained():
    image = sitk.GetImageFromArray(np.arange(20.0, dtype=np.float32).reshape(1, 20))
    curve = Landmarks(tuple("abcd"), np.array([[2.0, 0, 0], [5.0, 0, 0], [5.0, 0.2, 0], [2.0, 0.2, 0]]), closed=True)
    with pytest.raises(InputError, match="1 x 20 voxels"):
        Snake2d().run(image, curve)


@given(st.integers(3, 12), st.integers(0, 10**6))
def test_polygons_have_the_area_of_their_cells_and_even_points(count, seed):
    rng = np.random.default_rng(seed)
    angle = 2 * np.pi * (np.arange(count) + rng.uniform(0, 0.4, count)) / count
    points = 60 + rng.uniform(20, 50, count)[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    area = abs(polygons.area_of(points))
    assert abs(polygons.filled(points, (120, 120)).sum() - area) <= polygons.length_of(points)
    many = polygons.evenly(points, 400)
    steps = np.linalg.norm(np.roll(many, -1, axis=0) - many, axis=1)
    assert steps.max() <= polygons.length_of(points) / 400 + 1e-9


def test_crossing_is_seen():
    square = np.array([[0.0, 0.0], [0.0, 2.0], [2.0, 2.0], [2.0, 0.0]])
    assert not polygons.crosses_itself(square)
    assert polygons.crosses_itself(square[[0, 2, 1, 3]])


@given(st.integers(4, 12), st.integers(0, 10**6))
def test_crossing_is_that_of_every_pair_of_edges(count, seed):
    points = np.random.default_rng(seed).uniform(0, 10, (count, 2))

    def meet(p, q, r, s) -> bool:
        first, second = np.linalg.solve(np.stack([q - p, r - s], axis=1), r - p)
        return 0 < first < 1 and 0 < second < 1

    edges = [(points[n], points[(n + 1) % count]) for n in range(count)]
    pairs = [(a, b) for a in range(count) for b in range(a + 2, count) if (a, b) != (0, count - 1)]
    assert polygons.crosses_itself(points) == any(meet(*edges[a], *edges[b]) for a, b in pairs)


def test_a_curve_of_many_points_is_looked_at_in_little_memory():
    angle = 2 * np.pi * np.arange(4000) / 4000
    tracemalloc.start()
    try:
        assert not polygons.crosses_itself(np.stack([np.cos(angle), np.sin(angle)], axis=1))
        assert tracemalloc.get_traced_memory()[1] < 10e6
    finally:
        tracemalloc.stop()


def test_closed_curves_go_through_files(tmp_path):
    curve = Landmarks(("A", "B", "C"), np.arange(9.0).reshape(3, 3), closed=True)
    files.write(curve, tmp_path / "curve.mrk.json")
    again = files.read(tmp_path / "curve.mrk.json", "landmarks")
    assert again.closed and again.names == curve.names
    np.testing.assert_array_equal(again.points, curve.points)
    files.write(Landmarks(curve.names, curve.points), tmp_path / "points.mrk.json")
    assert not files.read(tmp_path / "points.mrk.json", "landmarks").closed
