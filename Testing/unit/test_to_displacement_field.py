"""Displacement fields: equal to the transform at the voxels, and the error in between is told."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from MedImgAnalysisLib import files
from MedImgAnalysisLib.errors import InputError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.geometry import Grid
from MedImgAnalysisLib.registration import ToDisplacementField
from registration_testing import field, grid_of

GRID = grid_of((24, 20, 12))
MIDDLE = GRID.corners.mean(axis=0)


def spline() -> sitk.Transform:
    wide = Grid((34, 30, 18), GRID.spacing, tuple(GRID.to_physical(np.array([[-5.0, -5, -3]]))[0]), GRID.direction)
    made = sitk.BSplineTransformInitializer(wide.blank(), [5, 5, 4])
    made.SetParameters(np.random.default_rng(1).normal(0, 1.5, len(made.GetParameters())).tolist())
    return made


def turn() -> sitk.Transform:
    return sitk.Euler3DTransform(MIDDLE.tolist(), 0.1, 0.2, 0.3, (1.0, 2.0, 3.0))


@pytest.mark.parametrize("make", [turn, spline, lambda: sitk.CompositeTransform([turn(), spline()])])
def test_the_field_is_the_transform_at_every_voxel_of_an_oblique_grid(make):
    outputs = execute(ToDisplacementField(), {"transform": make(), "reference": GRID.blank()}).outputs
    found = outputs["transform"]
    assert isinstance(found, sitk.DisplacementFieldTransform)
    assert Grid.of(found.GetDisplacementField()) == GRID
    index = np.random.default_rng(3).integers(1, np.array(GRID.size) - 1, (60, 3))
    for point in GRID.to_physical(index).tolist():
        np.testing.assert_allclose(found.TransformPoint(point), make().TransformPoint(point), atol=1e-9)
    row = outputs["table"].rows[0]
    assert row["n"] == np.prod(GRID.size) and row["n_outside"] == 0


def test_the_error_between_the_voxels_is_told():
    outputs = execute(ToDisplacementField(), {"transform": spline(), "reference": GRID.blank()}).outputs
    row = outputs["table"].rows[0]
    points = GRID.to_physical(np.random.default_rng(4).uniform(0.5, 10.5, (400, 3)))
    apart = [np.subtract(outputs["transform"].TransformPoint(p), spline().TransformPoint(p)) for p in points.tolist()]
    assert 0 < np.linalg.norm(apart, axis=1).max() < 1.2 * row["interpolation_max_mm"]
    assert row["interpolation_mean_mm"] < row["interpolation_p95_mm"] < row["interpolation_max_mm"] < 0.5
    linear = execute(ToDisplacementField(), {"transform": turn(), "reference": GRID.blank()}).outputs["table"].rows[0]
    assert linear["interpolation_max_mm"] < 1e-9
    corners = [np.linalg.norm(np.subtract(turn().TransformPoint(c), c)) for c in GRID.corners.tolist()]
    assert linear["largest_mm"] == pytest.approx(max(corners))


def test_where_the_transform_is_not_defined_is_told():
    small = field(Grid((24, 20, 6), GRID.spacing, GRID.origin, GRID.direction), lambda p: np.ones_like(p))
    result = execute(ToDisplacementField(), {"transform": small, "reference": GRID.blank()})
    assert result.outputs["table"].rows[0]["n_outside"] == 24 * 20 * 6
    assert any("not defined" in warning for warning in result.warnings)
    # Midway between two voxels where it is defined nothing is wrong: cells across the edge do not count.
    assert result.outputs["table"].rows[0]["interpolation_max_mm"] < 1e-9


def test_a_field_written_as_an_image_is_read_back_as_the_same_transform(tmp_path):
    found = execute(ToDisplacementField(), {"transform": spline(), "reference": GRID.blank()}).outputs["transform"]
    for name in ("field.nrrd", "field.nii.gz", "field.h5"):
        back = files.read(files.write(found, tmp_path / name), "transform")
        for point in GRID.to_physical(np.random.default_rng(5).uniform(1, 10, (20, 3))).tolist():
            np.testing.assert_allclose(back.TransformPoint(point), found.TransformPoint(point), atol=1e-5)


def test_flat_ones_and_one_slice_work():
    flat = Grid((20, 16), (0.7, 1.1), (-31.0, 12.5), sitk.Euler2DTransform((0, 0), 0.4).GetMatrix())
    bent = field(flat, lambda p: np.sin(p / 5))
    row = execute(ToDisplacementField(), {"transform": bent, "reference": flat.blank()}).outputs["table"].rows[0]
    assert row["interpolation_max_mm"] < 1e-9
    slice_ = Grid((24, 20, 1), GRID.spacing, GRID.origin, GRID.direction)
    one = execute(ToDisplacementField(), {"transform": turn(), "reference": slice_.blank()}).outputs["table"].rows[0]
    assert one["interpolation_max_mm"] < 1e-9
    with pytest.raises(InputError, match="2-D"):
        execute(ToDisplacementField(), {"transform": turn(), "reference": flat.blank()})
