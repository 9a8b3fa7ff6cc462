"""Determinant of the Jacobian: closed forms on oblique grids, storage of the field, where it is defined."""

from __future__ import annotations

import math

import numpy as np
import pytest
import SimpleITK as sitk
from medimg_testing import oblique_grid
from MedImgAnalysisLib.geometry import Grid
from MedImgAnalysisLib.progress import SILENT
from MedImgAnalysisLib.registration import jacobian
from MedImgAnalysisLib.registration.definition import defined, lattice, parts
from MedImgAnalysisLib.registration.jacobian import (
    Jacobian,
    jacobian_determinant,
    jacobian_statistics,
    linear_determinant,
)
from registration_testing import field, grid_of

MATRIX = np.array([[1.1, 0.05, -0.02], [0.03, 0.9, 0.04], [-0.06, 0.02, 1.05]])


def affine_field(grid: Grid) -> sitk.DisplacementFieldTransform:
    return field(grid, lambda points: points @ (MATRIX - np.eye(3)).T + (2.0, -1.0, 3.0))


def statistics(transform, grid, inside=None) -> dict[str, float]:
    return jacobian_statistics(jacobian_determinant(transform, grid, SILENT), inside, SILENT)


def test_an_affine_field_on_an_oblique_grid_has_the_determinant_of_its_matrix():
    grid = grid_of()
    found = statistics(affine_field(grid), grid)
    assert found["mean"] == pytest.approx(np.linalg.det(MATRIX), rel=1e-12) and found["sd"] < 1e-12
    assert found["n"] == 12 * 10 * 8, "the rim of one voxel is left out"


@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, -1, 1), (-1, 1, -1), (1, -1, 1)])
def test_expansion_stays_expansion_however_the_axes_are_stored(flips):
    grid = Grid((9, 8, 7), (1.0, 2.0, 3.0), (5.0, 6.0, 7.0), tuple(np.diag(np.float64(flips)).ravel()))
    stretched = field(grid, lambda points: points * (0.3, 0.0, 0.0))
    assert statistics(stretched, grid)["mean"] == pytest.approx(1.3, rel=1e-12)
    folding = field(grid, lambda points: points * (-1.5, 0.0, 0.0))
    assert statistics(folding, grid)["folding_percent"] == 100


def test_a_turn_of_the_whole_lattice_does_not_change_the_determinant():
    plain = Grid((10, 11, 12), (1.0, 1.5, 2.0), (0.0, 0.0, 0.0), tuple(np.eye(3).ravel()))
    turn = sitk.Euler3DTransform((0.0, 0.0, 0.0), 0.4, -0.3, 0.9)
    axes = np.reshape(turn.GetMatrix(), (3, 3))
    turned = Grid(plain.size, plain.spacing, plain.origin, tuple(axes.ravel()))

    def wave(points):
        return np.stack([np.sin(points[:, 1] / 3), 0.2 * points[:, 0] ** 2 / 9, np.cos(points[:, 2] / 4)], axis=1)

    one = jacobian_determinant(field(plain, wave), plain, SILENT)
    two = jacobian_determinant(field(turned, lambda points: wave(points @ axes) @ axes.T), turned, SILENT)
    np.testing.assert_allclose(two.values[1:-1, 1:-1, 1:-1], one.values[1:-1, 1:-1, 1:-1], atol=1e-12)


def test_a_sinusoid_has_its_discrete_closed_form():
    grid = grid_of((40, 5, 5))
    direction = grid.axes[:, 0] / grid.spacing[0]
    h, length, size = grid.spacing[0], 9.0, 0.6
    wave = 2 * math.pi / length

    def along(points):
        s = (points - np.array(grid.origin)) @ direction
        return np.outer(size / wave * np.sin(wave * s), direction)

    found = jacobian_determinant(field(grid, along), grid, SILENT)
    s = np.arange(40) * h
    expected = 1 + size * math.sin(wave * h) / (wave * h) * np.cos(wave * s)
    np.testing.assert_allclose(found.values[2, 2, 1:-1], expected[1:-1], atol=1e-12)


def rough_field(grid: Grid) -> sitk.DisplacementFieldTransform:
    shifts = np.random.default_rng(3).normal(size=(int(np.prod(grid.size)), grid.dimension))
    return field(grid, lambda points: shifts)


@pytest.mark.parametrize("size", [(40, 30, 20), (300, 5, 1), (1, 1, 9), (50, 40)])
def test_determinants_do_not_depend_on_the_parts_in_which_they_are_made(size, monkeypatch):
    grid = Grid(size, (1.5,) * len(size), (0.0,) * len(size), tuple(np.eye(len(size)).ravel()))
    bent = rough_field(grid)
    whole = jacobian_determinant(bent, grid, SILENT)
    for slab, piece in ((1, 1), (3000, 500), (1 << 18, 100)):
        monkeypatch.setattr(jacobian, "SLAB", slab)
        monkeypatch.setattr(jacobian, "PIECE", piece)
        found = jacobian_determinant(bent, grid, SILENT)
        np.testing.assert_allclose(found.values, whole.values, atol=1e-12)
        np.testing.assert_array_equal(found.valid, whole.valid)
        np.testing.assert_array_equal(jacobian.folded(bent, grid, SILENT), found.values <= 0)


def test_each_displacement_is_made_once_however_large_the_layers(monkeypatch):
    asked = []
    made = jacobian.displacement
    monkeypatch.setattr(jacobian, "displacement", lambda one, part: (asked.append(part.size[-1]), made(one, part))[1])
    grid = Grid((520, 512, 6), (1.0,) * 3, (0.0,) * 3, tuple(np.eye(3).ravel()))
    jacobian_determinant(sitk.DisplacementFieldTransform(grid.blank(sitk.sitkVectorFloat64)), grid, SILENT)
    assert sum(asked) == 6 + 2 and max(asked) == 1


def test_linear_transforms_and_their_composites_have_one_value():
    affine = sitk.AffineTransform(MATRIX.ravel().tolist(), (1.0, 2.0, 3.0))
    twice = sitk.CompositeTransform([affine, affine])
    assert linear_determinant(affine) == pytest.approx(np.linalg.det(MATRIX))
    found = statistics(twice, grid_of())
    assert found["mean"] == pytest.approx(np.linalg.det(MATRIX) ** 2) and found["n"] == 14 * 12 * 10
    assert found["sd_log_jac"] == pytest.approx(0, abs=1e-12)


def test_a_bspline_is_judged_where_it_is_defined():
    grid = grid_of((24, 20, 16))
    bspline = sitk.BSplineTransformInitializer(grid.blank(), [3, 3, 3])
    rng = np.random.default_rng(2)
    bspline.SetParameters(rng.normal(0, 1.0, len(bspline.GetParameters())).tolist())
    found = jacobian_determinant(bspline, grid, SILENT)
    probe = np.array([[12.0, 9.0, 7.0], [5.0, 14.0, 3.0]])
    for index in probe:
        i, j, k = index.astype(int)
        point, step = grid.to_physical(index[None])[0], 1e-3
        slopes = [
            np.subtract(bspline.TransformPoint((point + d).tolist()), bspline.TransformPoint((point - d).tolist()))
            for d in np.eye(3) * step
        ]
        exact = np.linalg.det(np.array(slopes).T / (2 * step))
        assert found.values[k, j, i] == pytest.approx(exact, abs=5e-3)
    assert found.valid is not None
    inner = found.valid[1:-1, 1:-1, 1:-1]
    assert inner.mean() > 0.8
    # Beyond its domain ITK leaves points in place; a jump there would look like folding.
    assert jacobian_statistics(found, None, SILENT)["folding_percent"] == 0
    far = Grid(grid.size, grid.spacing, tuple(np.add(grid.origin, 500.0)), grid.direction)
    nothing = jacobian_determinant(bspline, far, SILENT)
    assert jacobian_statistics(nothing, None, SILENT)["n"] == 0 and (nothing.values == 1).all()


def test_on_a_larger_fixed_grid_only_voxels_inside_the_field_count():
    small = grid_of((8, 8, 8))
    start = small.to_physical(np.array([[-3.0, -3.0, -3.0]]))[0]
    large = Grid((14, 14, 14), small.spacing, tuple(start), small.direction)
    found = jacobian_determinant(affine_field(small), large, SILENT)
    assert found.valid is not None and found.valid.sum() == 6**3
    assert found.valid[4:10, 4:10, 4:10].all()
    np.testing.assert_allclose(found.values[found.valid], np.linalg.det(MATRIX), rtol=1e-10)
    assert (found.values[0] == 1).all(), "nothing moves outside the field"


def test_a_field_after_an_affine_is_asked_where_the_affine_leads():
    grid = grid_of((8, 8, 8))
    shift = sitk.TranslationTransform(3, (grid.axes[:, 0] * 3).tolist())
    both = sitk.CompositeTransform([affine_field(grid), shift])
    assert [type(part).__name__ for part in parts(both)] == ["TranslationTransform", "DisplacementFieldTransform"]
    known = defined(both, grid)
    assert known is not None and known[:, :, :5].all() and not known[:, :, 5:].any()
    assert lattice(both) == grid


def test_an_affine_and_its_field_agree_in_two_dimensions():
    grid = Grid.of(oblique_grid(sitk.Image(12, 11, sitk.sitkUInt8)))
    matrix = np.array([[1.2, 0.1], [-0.2, 0.8]])
    found = statistics(field(grid, lambda points: points @ (matrix - np.eye(2)).T), grid)
    assert found["mean"] == pytest.approx(np.linalg.det(matrix), rel=1e-12) and found["n"] == 90


def test_one_slice_of_a_field_is_judged_with_the_slices_beside_it():
    grid = grid_of()
    start = grid.to_physical(np.array([[0.0, 0.0, 4.0]]))[0]
    slice_ = Grid((14, 12, 1), grid.spacing, tuple(start), grid.direction)
    found = statistics(affine_field(grid), slice_)
    assert found["mean"] == pytest.approx(np.linalg.det(MATRIX)) and found["n"] == 120


def test_statistics_of_folding_and_of_a_mask():
    values = np.array([[0.5, 1.0, 2.0], [-0.5, 0.0, 4.0]])
    whole = jacobian_statistics(Jacobian(values, None), None, SILENT)
    assert whole["folding_percent"] == pytest.approx(100 * 2 / 6) and math.isnan(whole["sd_log_jac"])
    clipped = np.log(np.maximum(values, 1e-9))
    assert whole["sd_log_jac_clipped"] == pytest.approx(clipped.std())
    top = jacobian_statistics(Jacobian(values, None), np.array([[True] * 3, [False] * 3]), SILENT)
    assert top["n"] == 3 and top["sd_log_jac"] == pytest.approx(np.log([0.5, 1.0, 2.0]).std())
    assert values[0, 0] == 0.5, "the determinants are left as they are"
    none = jacobian_statistics(Jacobian(values, np.zeros((2, 3), bool)), None, SILENT)
    assert none["n"] == 0 and math.isnan(none["mean"]) and math.isnan(none["folding_percent"])
