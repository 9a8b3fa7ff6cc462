"""Every model of registration comes back from a known transform, on grids that differ in all that grids can."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from medimg_testing import oblique_grid
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.geometry import Grid, image_like
from MedImgAnalysisLib.registration import Register
from MedImgAnalysisLib.registration.models import LINEAR, linear, numbers
from MedImgAnalysisLib.registration.rigid import matrix_of

SPOTS = np.random.default_rng(7).uniform(-45, 45, (40, 3))
SIZES = np.random.default_rng(8).uniform(7, 16, 40)
BRIGHT = np.random.default_rng(9).uniform(30, 120, 40)


def value_at(points: np.ndarray) -> np.ndarray:
    """A scene without symmetry, in closed form: Gaussian spots within 80 mm, at LPS points (N, 3)."""
    total = np.zeros(len(points))
    for spot, size, bright in zip(SPOTS, SIZES, BRIGHT):
        total += bright * np.exp(-((points - spot) ** 2).sum(axis=1) / (2 * size**2))
    return total


def picture(grid: Grid, to_scene: sitk.Transform | None = None) -> sitk.Image:
    """The scene on a grid: the value at a point is that of the scene where `to_scene` takes it."""
    index = np.stack(np.meshgrid(*(np.arange(n) for n in reversed(grid.size)), indexing="ij"), axis=-1)
    points = grid.to_physical(index.reshape(-1, 3)[:, ::-1])
    if to_scene is not None:
        matrix, offset = matrix_of(to_scene)
        points = points @ matrix.T + offset
    return image_like(value_at(points).reshape(index.shape[:-1]).astype(np.float32), grid)


def oblique(size: tuple[int, ...], spacing: tuple[float, ...]) -> Grid:
    """An anisotropic turned grid about (0, 0, 0)."""
    direction = oblique_grid(sitk.Image([2, 2, 2], sitk.sitkUInt8)).GetDirection()
    grid = Grid(size, spacing, (0.0, 0.0, 0.0), direction)
    middle = grid.to_physical(np.array([size]) / 2 - 0.5)[0]
    return Grid(size, spacing, tuple((-middle).tolist()), direction)


FIXED = oblique((56, 40, 30), (2.6, 3.5, 5.0))
MOVING = Grid((50, 50, 42), (3.2, 3.0, 3.6), (-78.0, -74.0, -75.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
MATRICES = {
    "translation": np.eye(3),
    "rigid": np.reshape(sitk.Euler3DTransform((0, 0, 0), 0.12, -0.15, 0.2).GetMatrix(), (3, 3)),
    "similarity": 1.12 * np.reshape(sitk.Euler3DTransform((0, 0, 0), 0.12, -0.15, 0.2).GetMatrix(), (3, 3)),
    "affine": np.array([[1.08, 0.07, -0.03], [-0.05, 0.94, 0.06], [0.02, 0.04, 1.05]]),
}
SHIFT = np.array([7.0, -9.0, 5.0])


def truth_of(model: str) -> sitk.Transform:
    return linear(model, MATRICES[model], SHIFT, np.array([5.0, -4.0, 8.0]))


def pair(model: str) -> tuple[sitk.Image, sitk.Image]:
    """The scene, and the moving image for which the truth maps fixed to moving points."""
    return picture(FIXED), picture(MOVING, truth_of(model).GetInverse())


def error_mm(found: sitk.Transform, truth: sitk.Transform) -> float:
    return float(
        np.mean([np.linalg.norm(np.subtract(found.TransformPoint(p), truth.TransformPoint(p))) for p in SPOTS.tolist()])
    )


@pytest.mark.parametrize("model", LINEAR)
def test_a_known_transform_of_every_model_comes_back_from_oblique_anisotropic_grids(model):
    fixed, moving = pair(model)
    outputs = execute(Register(model=model, finest_mm=2.0), {"fixed": fixed, "moving": moving}).outputs
    assert error_mm(outputs["transform"], truth_of(model)) < 0.3
    row = outputs["table"].rows[0]
    for key, value in numbers(
        truth_of(model), np.array(FIXED.to_physical(np.array([FIXED.size]) / 2 - 0.5)[0])
    ).items():
        assert row[key] == pytest.approx(value, abs=0.3 if "deg" in key or "mm" in key else 0.01)
    assert row["metric"] > row["metric_before"] and row["folded_percent"] == 0


@pytest.mark.parametrize("metric", ["correlation", "mean_squares", "neighbourhood_correlation"])
def test_every_metric_finds_the_rigid_motion(metric):
    fixed, moving = pair("rigid")
    outputs = execute(Register(metric=metric, finest_mm=4.0), {"fixed": fixed, "moving": moving}).outputs
    row = outputs["table"].rows[0]
    assert error_mm(outputs["transform"], truth_of("rigid")) < 0.3 and row["metric_name"] == metric
    assert (row["metric"] < row["metric_before"]) == (metric == "mean_squares")


@pytest.mark.parametrize("model", ["demons", "bspline"])
def test_a_deformable_model_goes_on_where_affine_ends_and_does_not_fold(model):
    fixed = picture(FIXED)
    index = np.stack(np.meshgrid(*(np.arange(n) for n in reversed(MOVING.size)), indexing="ij"), axis=-1)
    points = MOVING.to_physical(index.reshape(-1, 3)[:, ::-1])
    matrix, offset = matrix_of(truth_of("affine").GetInverse())
    bent = points + 4 * np.sin(points[:, [1, 2, 0]] / 20)
    moving = image_like(value_at(bent @ matrix.T + offset).reshape(index.shape[:-1]).astype(np.float32), MOVING)
    result = execute(Register(model=model, finest_mm=3.0), {"fixed": fixed, "moving": moving})
    affine = execute(Register(model="affine", finest_mm=4.0), {"fixed": fixed, "moving": moving}).outputs

    def rest(image: sitk.Image) -> float:
        inside = sitk.GetArrayFromImage(fixed) > 40
        return float(np.abs(sitk.GetArrayFromImage(image)[inside] - sitk.GetArrayFromImage(fixed)[inside]).mean())

    row = result.outputs["table"].rows[0]
    assert rest(result.outputs["image"]) < 0.6 * rest(affine["image"])
    assert row["folded_percent"] == 0 and row["model"] == model and row["scale_x"] == pytest.approx(1.08, abs=0.1)
    assert any(model in series.name for series in result.outputs["curves"].series)
    assert not result.outputs["transform"].IsLinear()


def test_the_transform_takes_a_fixed_point_to_the_moving_one_and_the_image_comes_back():
    """An asymmetric landmark: a spot that is 30 mm left of the middle and is found again after the way through both."""
    fixed, moving = pair("rigid")
    outputs = execute(Register(finest_mm=2.0), {"fixed": fixed, "moving": moving}).outputs
    spot = SPOTS[int(np.argmax(BRIGHT))]
    there = outputs["transform"].TransformPoint(spot.tolist())
    scene = np.array([truth_of("rigid").GetInverse().TransformPoint(there)])
    assert np.linalg.norm(scene[0] - spot) < 0.3
    back = [outputs["transform"].GetInverse().TransformPoint(spot.tolist())]
    assert np.linalg.norm(np.subtract(back[0], there)) > 10
    assert Grid.of(outputs["image"]) == FIXED
    inside = sitk.GetArrayFromImage(fixed) > 40
    gap = sitk.GetArrayFromImage(outputs["image"])[inside] - sitk.GetArrayFromImage(fixed)[inside]
    assert np.abs(gap).mean() < 2


@pytest.mark.parametrize("model", LINEAR)
def test_flat_images_are_aligned_by_every_linear_model(model):
    grid = Grid((90, 80), (1.6, 1.8), (-72.0, -70.0), (1, 0, 0, 1))
    turn = np.array([[np.cos(0.2), -np.sin(0.2)], [np.sin(0.2), np.cos(0.2)]])
    matrix = {"translation": np.eye(2), "rigid": turn, "similarity": 1.1 * turn}.get(
        model, np.array([[1.08, 0.06], [-0.04, 0.93]])
    )
    truth = linear(model, matrix, SHIFT[:2], np.array([3.0, -4.0]))

    def flat(way: sitk.Transform | None) -> sitk.Image:
        index = np.stack(np.meshgrid(*(np.arange(n) for n in reversed(grid.size)), indexing="ij"), axis=-1)
        points = grid.to_physical(index.reshape(-1, 2)[:, ::-1])
        if way is not None:
            a, b = matrix_of(way)
            points = points @ a.T + b
        values = value_at(np.column_stack([points, np.zeros(len(points))]))
        return image_like(values.reshape(index.shape[:-1]).astype(np.float32), grid)

    result = execute(
        Register(model=model, finest_mm=2.0), {"fixed": flat(None), "moving": flat(truth.GetInverse())}
    ).outputs
    gaps = [np.subtract(result["transform"].TransformPoint(p), truth.TransformPoint(p)) for p in SPOTS[:, :2].tolist()]
    assert np.linalg.norm(gaps, axis=1).mean() < 0.3
    row = result["table"].rows[0]
    assert row["status"] == "in_plane_only" and np.isnan(row["shift_z_mm"]) and np.isfinite(row["scale_y"])


def test_a_transform_is_told_in_numbers_that_make_it_again():
    affine = truth_of("affine")
    found = numbers(affine, np.zeros(3))
    euler = sitk.Euler3DTransform()
    euler.SetRotation(*(np.deg2rad(found[f"rotation_{x}_deg"]) for x in "xyz"))
    scales = np.array([found[f"scale_{x}"] for x in "xyz"])
    shears = np.array([[1, found["shear_xy"], found["shear_xz"]], [0, 1, found["shear_yz"]], [0, 0, 1]])
    again = np.reshape(euler.GetMatrix(), (3, 3)) @ (scales[:, None] * shears)
    np.testing.assert_allclose(again, MATRICES["affine"], atol=1e-12)
    mirrored = sitk.AffineTransform(3)
    mirrored.Scale((1.0, 1.0, -1.0))
    assert numbers(mirrored, np.zeros(3))["scale_z"] == pytest.approx(-1)


@pytest.mark.parametrize("model", LINEAR)
def test_a_simpler_model_keeps_the_centre_and_what_it_can_show(model):
    centre = np.array([10.0, -20.0, 30.0])
    made = linear(model, MATRICES["affine"], SHIFT, centre)
    np.testing.assert_allclose(made.TransformPoint(centre.tolist()), MATRICES["affine"] @ centre + SHIFT, atol=1e-9)
    matrix, _ = matrix_of(made)
    scale = np.linalg.det(MATRICES["affine"]) ** (1 / 3)
    expected = {"translation": 1, "rigid": 1, "similarity": scale**3, "affine": scale**3}[model]
    assert np.linalg.det(matrix) == pytest.approx(expected)
