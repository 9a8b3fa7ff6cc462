"""Target registration error: pairs of landmarks, both spaces, points that a transform leads back to."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from MedImgAnalysisLib.errors import InputError
from MedImgAnalysisLib.progress import SILENT, Recorder
from MedImgAnalysisLib.registration.evaluate_registration import EvaluateRegistration
from MedImgAnalysisLib.registration.landmark_error import inverse_point, landmark_errors, paired
from MedImgAnalysisLib.values import Landmarks
from registration_testing import field, grid_of

POINTS = np.random.default_rng(0).normal(0, 30, (7, 3))
NAMES = tuple(f"P{n}" for n in range(7))


def test_a_known_offset_is_the_error():
    turn = sitk.Euler3DTransform((1.0, 2.0, 3.0), 0.2, -0.1, 0.3, (4.0, 5.0, 6.0))
    moving = np.array([turn.TransformPoint(p) for p in POINTS.tolist()]) - (0.0, 3.0, 4.0)
    found = landmark_errors(turn, Landmarks(NAMES, POINTS), Landmarks(NAMES, moving), SILENT)
    np.testing.assert_allclose(found.after, np.tile((0.0, 3.0, 4.0), (7, 1)), atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(found.fixed_space, axis=1), 5.0, atol=1e-9)
    np.testing.assert_allclose(found.before, POINTS - moving)


def test_a_scaling_gives_other_errors_in_the_fixed_space():
    scale = sitk.AffineTransform(3)
    scale.Scale(2.0)
    found = landmark_errors(scale, Landmarks(NAMES, POINTS), Landmarks(NAMES, 2 * POINTS + (0, 0, 1)), SILENT)
    np.testing.assert_allclose(np.linalg.norm(found.after, axis=1), 1.0)
    np.testing.assert_allclose(np.linalg.norm(found.fixed_space, axis=1), 0.5, atol=1e-9)


def test_points_pair_by_name_whatever_their_order():
    points = paired(Landmarks(NAMES, POINTS), Landmarks(NAMES[::-1], POINTS[::-1]), SILENT)
    np.testing.assert_array_equal(points[0], points[1])


def test_points_without_a_partner_are_named():
    with pytest.raises(InputError, match="no partner of the same name: P0, X"):
        paired(Landmarks(NAMES, POINTS), Landmarks(("X", *NAMES[1:]), POINTS), SILENT)
    with pytest.raises(InputError, match="no partner of the same name: P6"):
        paired(Landmarks(NAMES, POINTS), Landmarks(NAMES[:-1], POINTS[:-1]), SILENT)
    with pytest.raises(InputError, match="7 points against 2"):
        paired(Landmarks(NAMES, POINTS), Landmarks(("A", "B"), POINTS[:2]), SILENT)
    with pytest.raises(InputError, match="no moving landmarks"):
        paired(Landmarks(NAMES, POINTS), Landmarks((), np.zeros((0, 3))), SILENT)


def test_other_names_pair_by_order_with_a_warning():
    seen = Recorder(SILENT)
    points = paired(Landmarks(NAMES, POINTS), Landmarks(tuple("ABCDEFG"), POINTS + 1), seen)
    np.testing.assert_array_equal(points[1], POINTS + 1)
    assert "paired by their order" in seen.warnings[0]


def test_a_point_is_led_back_through_a_bent_field():
    grid = grid_of((20, 18, 16))
    bent = field(grid, lambda p: 1.5 * np.sin(p[:, ::-1] / 6.0))
    middle = grid.to_physical(np.array([[9.0, 8.0, 7.0], [4.0, 12.0, 9.0]]))
    for start in middle:
        target = np.array(bent.TransformPoint(start.tolist()))
        back = inverse_point(bent, target, target)
        np.testing.assert_allclose(bent.TransformPoint(back.tolist()), target, atol=1e-6)


def test_a_point_that_nothing_leads_to_is_undefined():
    grid = grid_of()
    middle, beside = grid.to_physical(np.array([[6.0, 5.0, 4.0], [3.0, 4.0, 5.0]]))
    collapsed = field(grid, lambda points: middle - points)
    assert np.isnan(inverse_point(collapsed, beside, beside)).all()
    np.testing.assert_allclose(collapsed.TransformPoint(beside.tolist()), middle)


def test_a_landmark_where_the_transform_is_not_defined_has_no_error():
    """ITK leaves it in place, which would be the error before with the look of a result."""
    grid = grid_of((20, 18, 16))
    shifted = field(grid, lambda points: np.full_like(points, 2.0))
    fixed = grid.to_physical(np.array([[9.0, 8.0, 7.0], [40.0, 8.0, 7.0], [4.0, 3.0, 2.0]]))
    seen = Recorder(SILENT)
    found = landmark_errors(shifted, Landmarks(NAMES[:3], fixed), Landmarks(NAMES[:3], fixed + 1), seen)
    assert found.known.tolist() == [True, False, True] and f"1 of 3 landmarks ({NAMES[1]})" in seen.warnings[0]
    np.testing.assert_allclose(found.after[[0, 2]], 1.0)
    np.testing.assert_allclose(found.fixed_space[[0, 2]], 1.0, atol=1e-6)
    assert np.isnan(found.after[1]).all() and np.isnan(found.fixed_space[1]).all()
    outputs = EvaluateRegistration().run(
        shifted, fixed_landmarks=Landmarks(NAMES[:3], fixed), moving_landmarks=Landmarks(NAMES[:3], fixed + 1)
    )
    assert outputs.landmarks is not None
    row = outputs.table.rows[0]
    assert (row["n_landmarks"], row["n_landmarks_outside"]) == (3, 1)
    assert row["tre_mean_mm"] == pytest.approx(3**0.5) and row["tre_bias_p_mm"] == pytest.approx(1.0)
    assert outputs.landmarks.column("verdict") == ["pass", "not_measured", "pass"]


def test_two_dimensional_transforms_are_refused():
    with pytest.raises(InputError, match="2-D"):
        landmark_errors(sitk.Euler2DTransform(), Landmarks(NAMES, POINTS), Landmarks(NAMES, POINTS), SILENT)
