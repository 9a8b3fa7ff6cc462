"""Inverses: exact for matrices, to a stated residual for what bends, refused where there is none."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from MedImgAnalysisLib.errors import InputError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.geometry import Grid
from MedImgAnalysisLib.registration import InvertTransform
from registration_testing import field, grid_of


def wide(size: tuple[int, ...] = (30, 24, 14)) -> Grid:
    return grid_of(size)


def waves(grid: Grid, size: float = 2.0) -> sitk.Transform:
    return field(grid, lambda p: size * np.sin(p[:, ::-1] / 12 + np.arange(p.shape[1])))


def spline(grid: Grid) -> sitk.Transform:
    made = sitk.BSplineTransformInitializer(grid.blank(), [5, 5, 4][: grid.dimension])
    made.SetParameters(np.random.default_rng(1).normal(0, 1.2, len(made.GetParameters())).tolist())
    return made


def inner(grid: Grid, count: int = 200) -> np.ndarray:
    size = np.array(grid.size)
    return grid.to_physical(np.random.default_rng(2).uniform(0.3, 0.7, (count, grid.dimension)) * (size - 1))


def comes_back(transform: sitk.Transform, inverse: sitk.Transform, points: np.ndarray) -> float:
    errors = [np.subtract(transform.TransformPoint(inverse.TransformPoint(p)), p) for p in points.tolist()]
    return float(np.linalg.norm(errors, axis=1).max())


@pytest.mark.parametrize("make", [
    lambda: sitk.Euler3DTransform((1.0, 2.0, 3.0), 0.3, -0.2, 0.1, (10.0, 20.0, 30.0)),
    lambda: sitk.AffineTransform((1.1, 0.2, 0, 0, 0.9, 0.1, 0.3, 0, 1.2), (5.0, -3.0, 1.0)),
    lambda: sitk.CompositeTransform([sitk.TranslationTransform(3, (1, 2, 3)), sitk.ScaleTransform(3, (1.1, 1, 0.9))]),
    lambda: sitk.Transform(3, sitk.sitkIdentity),
])  # fmt: skip
def test_linear_transforms_are_inverted_exactly(make):
    result = execute(InvertTransform(), {"transform": make()})
    assert result.outputs["transform"].IsLinear()
    assert comes_back(make(), result.outputs["transform"], np.random.default_rng(0).normal(0, 100, (50, 3))) < 1e-9
    row = result.outputs["table"].rows[0]
    assert row["kind"] == "linear" and row["residual_max_mm"] < 1e-9 and row["between_max_mm"] < 1e-9


@pytest.mark.parametrize("make", [waves, spline], ids=["field", "spline"])
@pytest.mark.parametrize("with_reference", [False, True])
def test_what_bends_is_inverted_to_the_residual_that_the_table_tells(make, with_reference):
    grid = wide()
    transform = make(grid)
    inputs = {"transform": transform, **({"reference": grid.blank()} if with_reference else {})}
    result = execute(InvertTransform(), inputs)
    row = result.outputs["table"].rows[0]
    assert row["kind"] == "field"
    assert row["residual_max_mm"] <= 0.001
    assert row["n"] > 0.6 * (row["n"] + row["n_outside"])
    assert comes_back(transform, result.outputs["transform"], inner(grid)) < 1.3 * row["between_max_mm"] + 1e-3
    assert 1e-4 < row["between_max_mm"] < 0.5


def test_a_known_inverse_is_found():
    """A field that stretches by 1.25 about a point is undone by one that shrinks by 0.8."""
    grid = wide()
    middle = grid.corners.mean(axis=0)
    stretched = field(grid, lambda p: 0.25 * (p - middle))
    inverse = execute(InvertTransform(), {"transform": stretched}).outputs["transform"]
    for point in inner(grid, 50):
        np.testing.assert_allclose(inverse.TransformPoint(point.tolist()), middle + 0.8 * (point - middle), atol=1e-3)


def test_parts_of_a_composite_are_inverted_in_reverse_order_and_matrices_stay_exact():
    grid = wide()
    turn = sitk.Euler3DTransform(grid.corners.mean(axis=0).tolist(), 0.4, -0.5, 0.3, (80.0, -40.0, 20.0))
    transform = sitk.CompositeTransform([turn, waves(grid)])
    result = execute(InvertTransform(), {"transform": transform})
    row = result.outputs["table"].rows[0]
    assert row["kind"] == "composite" and row["residual_max_mm"] <= 0.0011
    points = np.array([transform.TransformPoint(p) for p in inner(grid).tolist()])
    assert comes_back(transform, result.outputs["transform"], points) < 1.3 * row["between_max_mm"] + 1e-3
    away = execute(InvertTransform(), {"transform": sitk.CompositeTransform([waves(grid), turn])})
    assert away.outputs["table"].rows[0]["residual_max_mm"] <= 0.0011


def test_a_large_turn_inside_a_field_converges_too():
    grid = grid_of((40, 40, 24))
    middle = grid.corners.mean(axis=0)
    turn = sitk.Euler3DTransform(middle.tolist(), 0.2, 0.7, -0.6)
    turned = field(grid, lambda p: np.array([turn.TransformPoint(q) for q in p.tolist()]) - p)
    row = execute(InvertTransform(), {"transform": turned}).outputs["table"].rows[0]
    assert row["residual_max_mm"] <= 0.001 and row["n"] > 0.3 * (row["n"] + row["n_outside"])
    inverse = execute(InvertTransform(), {"transform": turned}).outputs["transform"]
    np.testing.assert_allclose(inverse.TransformPoint(middle.tolist()), middle, atol=1e-2)


def test_two_dimensions_are_inverted():
    grid = Grid((40, 30), (0.7, 1.1), (-31.0, 12.5), sitk.Euler2DTransform((0, 0), 0.4).GetMatrix())
    transform = waves(grid, 1.5)
    result = execute(InvertTransform(), {"transform": transform})
    assert result.outputs["table"].rows[0]["residual_max_mm"] <= 0.001
    assert comes_back(transform, result.outputs["transform"], inner(grid)) < 0.2


def test_a_transform_that_folds_is_refused_or_told():
    grid = wide()
    folding = field(grid, lambda p: np.column_stack([8 * np.sin(p[:, 0] / 3), 0 * p[:, 1], 0 * p[:, 2]]))
    with pytest.raises(InputError, match="folds in"):
        execute(InvertTransform(), {"transform": folding})
    result = execute(InvertTransform(folded="warn"), {"transform": folding})
    assert any("one of several" in warning for warning in result.warnings)
    assert result.outputs["table"].rows[0]["folding_percent"] > 5


def test_singular_matrices_and_references_elsewhere_are_refused():
    flat = sitk.AffineTransform((1, 0, 0, 0, 1, 0, 0, 0, 0), (0.0, 0.0, 0.0))
    with pytest.raises(InputError, match="singular"):
        execute(InvertTransform(), {"transform": flat})
    far = wide().blank()
    far.SetOrigin((5000.0, 0.0, 0.0))
    with pytest.raises(InputError, match="moving image as reference"):
        execute(InvertTransform(), {"transform": waves(wide()), "reference": far})


def test_a_reference_larger_than_the_field_is_filled_and_told():
    grid = wide()
    large = Grid((44, 36, 20), grid.spacing, tuple(grid.to_physical(np.array([[-7.0, -6.0, -3.0]]))[0]), grid.direction)
    result = execute(InvertTransform(), {"transform": waves(grid), "reference": large.blank()})
    assert any("No point leads to" in warning for warning in result.warnings)
    corner = large.to_physical(np.array([[1.0, 1.0, 1.0]]))[0]
    moved = np.array(result.outputs["transform"].TransformPoint(corner.tolist())) - corner
    assert 0.01 < np.linalg.norm(moved) < 5
