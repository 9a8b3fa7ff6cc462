"""Inverse consistency: exact inverses, closed forms, points that leave the lattice; percentiles of many numbers."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from medimg_testing import oblique_grid
from MedImgAnalysisLib.errors import Cancelled
from MedImgAnalysisLib.geometry import Grid
from MedImgAnalysisLib.progress import SILENT, Progress
from MedImgAnalysisLib.registration import definition, spread
from MedImgAnalysisLib.registration.inverse_consistency import inverse_errors
from MedImgAnalysisLib.registration.jacobian import jacobian_determinant
from registration_testing import field, grid_of

MATRIX = np.array([[0.05, 0.02, 0.0], [-0.01, 0.03, 0.02], [0.02, 0.0, -0.04]])


def test_a_linear_transform_and_its_inverse_are_consistent():
    turn = sitk.Euler3DTransform((1.0, 2.0, 3.0), 0.3, -0.2, 0.5, (4.0, -5.0, 6.0))
    found = inverse_errors(turn, turn.GetInverse(), grid_of(), SILENT)
    assert found.valid is None and found.values.max() < 1e-11


def test_the_negated_field_of_a_linear_displacement_has_its_closed_form():
    grid = grid_of()
    shift = np.array([0.3, -0.2, 0.4])
    there = field(grid, lambda p: p @ MATRIX.T + shift)
    back = field(grid, lambda p: -(p @ MATRIX.T + shift))
    found = inverse_errors(there, back, grid, SILENT)
    index = np.stack(np.meshgrid(*[np.arange(n) for n in grid.size[::-1]], indexing="ij"), -1)[..., ::-1]
    points = grid.to_physical(index.reshape(-1, 3))
    expected = np.linalg.norm((points @ MATRIX.T + shift) @ MATRIX.T, axis=1).reshape(grid.size[::-1])
    assert found.valid is not None and 0.3 < found.valid.mean() < 1
    np.testing.assert_allclose(found.values[found.valid], expected[found.valid], atol=1e-10)


def test_points_that_leave_the_lattice_of_the_backward_field_do_not_count():
    grid = Grid((10, 8, 6), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), tuple(np.eye(3).ravel()))
    there = field(grid, lambda p: np.tile((2.0, 0.0, 0.0), (len(p), 1)))
    back = field(grid, lambda p: np.tile((-2.0, 0.0, 0.0), (len(p), 1)))
    found = inverse_errors(there, back, grid, SILENT)
    assert found.valid is not None
    assert found.valid[..., :8].all() and not found.valid[..., 8:].any()
    assert (found.values[..., 8:] == 2).all(), "outside its field ITK leaves points in place"
    assert found.values[found.valid].max() == 0


def test_a_field_alone_and_in_a_composite_are_the_same():
    grid = grid_of()
    there = field(grid, lambda p: 1.5 * np.sin(p[:, ::-1] / 6.0))
    back = field(grid, lambda p: -1.4 * np.sin(p[:, ::-1] / 6.0))
    one = inverse_errors(there, back, grid, SILENT)
    two = inverse_errors(there, sitk.CompositeTransform([sitk.AffineTransform(3), back]), grid, SILENT)
    np.testing.assert_array_equal(one.valid, two.valid)
    np.testing.assert_allclose(one.values[one.valid], two.values[one.valid], atol=1e-12)


def test_slabs_leave_no_trace(monkeypatch):
    grid = grid_of()
    bent = field(grid, lambda p: 1.5 * np.sin(p[:, ::-1] / 6.0))
    whole = inverse_errors(bent, bent, grid, SILENT), jacobian_determinant(bent, grid, SILENT)
    monkeypatch.setattr(definition, "SLAB_VOXELS", 200)
    again = inverse_errors(bent, bent, grid, SILENT), jacobian_determinant(bent, grid, SILENT)
    for a, b in zip(whole, again, strict=True):
        np.testing.assert_array_equal(a.valid, b.valid)
        np.testing.assert_allclose(a.values[a.valid], b.values[a.valid], atol=1e-12)


def test_two_dimensions_are_measured():
    grid = Grid.of(oblique_grid(sitk.Image(12, 11, sitk.sitkUInt8)))
    turn = sitk.Euler2DTransform((0.0, 0.0), 0.2, (3.0, 1.0))
    assert inverse_errors(turn, turn.GetInverse(), grid, SILENT).values.max() < 1e-11


def test_percentiles_of_many_numbers_are_exact(monkeypatch):
    values = np.random.default_rng(0).gamma(2.0, size=100_003)
    values[:20_000] = values[0]
    wanted = (0, 1, 5, 50, 95, 99, 100)
    expected = np.percentile(values, wanted)
    monkeypatch.setattr(spread, "SORTED", 10)
    monkeypatch.setattr(spread, "PIECE", 1000)
    np.testing.assert_allclose(spread.percentiles(values, wanted, SILENT), expected, rtol=1e-14)
    assert spread.percentiles(np.full(50, 3.0), (1, 99), SILENT) == [3.0, 3.0]
    found = spread.of_errors(values, SILENT)
    assert found["mean"] == pytest.approx(values.mean(), rel=1e-12)
    assert found["sd"] == pytest.approx(values.std(ddof=1), rel=1e-12)
    assert found["rms"] == pytest.approx(np.sqrt((values**2).mean()), rel=1e-12)
    assert found["p95"] == pytest.approx(expected[4], rel=1e-12)


def test_nothing_and_one_number_have_no_spread():
    assert all(np.isnan(value) for value in spread.of_errors(np.empty(0), SILENT).values())
    one = spread.of_errors(np.array([2.0]), SILENT)
    assert one["mean"] == one["max"] == one["rms"] == 2 and np.isnan(one["sd"])


def test_statistics_stop_when_asked_to():
    progress = Progress()
    progress.cancel()
    with pytest.raises(Cancelled):
        spread.percentiles(np.arange(float(spread.SORTED + 1)), (50,), progress)
