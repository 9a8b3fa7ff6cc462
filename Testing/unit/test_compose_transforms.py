"""Two transforms as one: a point goes through the first one first."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from MedImgAnalysisLib.errors import InputError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.registration import ComposeTransforms
from MedImgAnalysisLib.registration.definition import parts
from registration_testing import field, grid_of

GRID = grid_of((24, 20, 12))
MIDDLE = GRID.corners.mean(axis=0)


def turn() -> sitk.Transform:
    return sitk.Euler3DTransform(MIDDLE.tolist(), 0.1, 0.2, 0.3, (1.0, 2.0, 3.0))


def stretch() -> sitk.Transform:
    return sitk.AffineTransform((1.2, 0, 0, 0.1, 1, 0, 0, 0, 0.9), (1.0, 0.0, 0.0))


def waves() -> sitk.Transform:
    return field(GRID, lambda p: np.sin(p / 9))


@pytest.mark.parametrize("first", [turn, stretch, waves, lambda: sitk.CompositeTransform([turn(), waves()])])
@pytest.mark.parametrize("second", [turn, stretch, waves, lambda: sitk.CompositeTransform([waves(), stretch()])])
def test_a_point_goes_through_the_first_one_first(first, second):
    composed = execute(ComposeTransforms(), {"first": first(), "second": second()}).outputs["transform"]
    for point in GRID.to_physical(np.random.default_rng(0).uniform(6, 8, (20, 3))).tolist():
        expected = second().TransformPoint(first().TransformPoint(point))
        np.testing.assert_allclose(composed.TransformPoint(point), expected, atol=1e-9)


def test_matrices_become_one_matrix_and_neighbours_inside_composites_too():
    linear = execute(ComposeTransforms(), {"first": turn(), "second": stretch()}).outputs["transform"]
    assert isinstance(linear, sitk.AffineTransform)
    bent = sitk.CompositeTransform([turn(), waves()])
    whole = execute(ComposeTransforms(), {"first": bent, "second": stretch()}).outputs["transform"]
    assert [type(part) for part in parts(whole)] == [sitk.DisplacementFieldTransform, sitk.AffineTransform]


def test_the_order_is_not_arbitrary():
    one = ComposeTransforms().run(turn(), stretch()).TransformPoint((10.0, 20.0, 30.0))
    other = ComposeTransforms().run(stretch(), turn()).TransformPoint((10.0, 20.0, 30.0))
    assert np.linalg.norm(np.subtract(one, other)) > 1


def test_two_dimensions_and_three_do_not_go_together():
    flat = sitk.Euler2DTransform((0.0, 0.0), 0.2, (1.0, 2.0))
    twice = ComposeTransforms().run(flat, flat)
    np.testing.assert_allclose(twice.TransformPoint((3.0, 4.0)), flat.TransformPoint(flat.TransformPoint((3.0, 4.0))))
    with pytest.raises(InputError, match="2-D and the second 3-D"):
        execute(ComposeTransforms(), {"first": flat, "second": turn()})
