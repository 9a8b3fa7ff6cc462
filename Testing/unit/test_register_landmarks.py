"""Registration of landmarks: known transforms come back, errors follow their formulas, bad landmarks are refused."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from medimg_testing import oblique_grid
from MedImgAnalysisLib import files
from MedImgAnalysisLib.errors import InputError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.geometry import Grid
from MedImgAnalysisLib.registration import RegisterLandmarks
from MedImgAnalysisLib.registration.point_fit import fit_points, linear_transform
from MedImgAnalysisLib.registration.rigid import matrix_of
from MedImgAnalysisLib.registration.thin_plate import ThinPlate, field_grid, meet
from MedImgAnalysisLib.values import Landmarks

RNG = np.random.default_rng(5)
POINTS = RNG.uniform(-60, 60, (9, 3)) + np.array([10.0, -40, 900])
MODELS = ("rigid", "similarity", "affine")


def turned(angle_deg: float, axis: tuple[float, float, float]) -> np.ndarray:
    transform = sitk.VersorRigid3DTransform()
    transform.SetRotation(axis, np.radians(angle_deg))
    return np.reshape(transform.GetMatrix(), (3, 3))


def truth(model: str, dimension: int = 3) -> tuple[np.ndarray, np.ndarray]:
    matrix = turned(70, (1, 2, -3)) if dimension == 3 else turned(130, (0, 0, 1))[:2, :2]
    if model == "similarity":
        matrix = 1.3 * matrix
    if model == "affine":
        matrix = matrix @ (np.eye(dimension) + RNG.uniform(-0.2, 0.2, (dimension, dimension)))
    return matrix, np.array([30.0, -12.0, 400.0])[:dimension]


def named(points: np.ndarray, names: str = "") -> Landmarks:
    full = np.concatenate([points, np.zeros((len(points), 3 - points.shape[1]))], axis=1)
    return Landmarks(tuple(names or (f"P{n}" for n in range(len(points)))), full)


def run(fixed: np.ndarray | Landmarks, moving: np.ndarray | Landmarks, reference=None, **parameters):
    given = {"fixed": fixed, "moving": moving}
    inputs = {role: value if isinstance(value, Landmarks) else named(value) for role, value in given.items()}
    return execute(RegisterLandmarks(**parameters), {**inputs, "reference": reference})


def row(*args, **parameters) -> dict:
    return dict(run(*args, **parameters).outputs["table"].rows[0])


def mapped(transform: sitk.Transform, points: np.ndarray) -> np.ndarray:
    return np.array([transform.TransformPoint(p) for p in points.tolist()])


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("model", MODELS)
def test_a_known_transform_comes_back_exactly_from_fixed_to_moving(model, dimension):
    matrix, offset = truth(model, dimension)
    fixed = POINTS[:, :dimension]
    result = run(fixed, fixed @ matrix.T + offset, model=model, planar=dimension == 2)
    found = matrix_of(result.outputs["transform"])
    np.testing.assert_allclose(found[0], matrix, atol=1e-10)
    np.testing.assert_allclose(found[1], offset, atol=1e-7)
    line = result.outputs["table"].rows[0]
    assert line["fre_max_mm"] < 1e-9 and line["loo_max_mm"] < 1e-9
    assert line["scale"] == pytest.approx(abs(np.linalg.det(matrix)) ** (1 / dimension), rel=1e-9)
    assert not result.warnings


def test_the_direction_is_that_of_resampling_after_a_file(tmp_path):
    matrix, offset = truth("rigid")
    corner = np.array([[13.0, -57.0, 871.0]])
    transform = run(POINTS, POINTS @ matrix.T + offset).outputs["transform"]
    again = files.read(files.write(transform, tmp_path / "t.h5"), "transform")
    np.testing.assert_allclose(mapped(again, corner), corner @ matrix.T + offset, atol=1e-6)
    assert np.linalg.norm(mapped(again.GetInverse(), corner) - (corner @ matrix.T + offset)) > 100


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(4, 12), st.sampled_from([2, 3]))
def test_no_nearby_transform_has_a_smaller_error(seed, count, dimension):
    rng = np.random.default_rng(seed)
    fixed, moving = rng.normal(0, 30, (2, count, dimension))
    for model in MODELS:
        matrix, offset = fit_points(fixed, moving, model)
        least = np.square(fixed @ matrix.T + offset - moving).sum()
        for _ in range(8):
            angle = rng.normal(0, 3)
            turn = turned(angle, tuple(rng.normal(size=3)) if dimension == 3 else (0, 0, 1))[:dimension, :dimension]
            near = turn @ matrix * (1 if model == "rigid" else 1 + rng.normal(0, 0.02))
            other = np.square(fixed @ near.T + offset + rng.normal(0, 0.2, dimension) - moving).sum()
            assert other >= least * (1 - 1e-9)
        assert model == "affine" or np.linalg.det(matrix) > 0


def test_many_sets_at_once_are_fitted_as_one_by_one():
    fixed, moving = RNG.normal(0, 30, (2, 6, 5, 3))
    for model in MODELS:
        matrices, offsets = fit_points(fixed, moving, model)
        for number in range(6):
            matrix, offset = fit_points(fixed[number], moving[number], model)
            np.testing.assert_allclose(matrices[number], matrix, atol=1e-10)
            np.testing.assert_allclose(offsets[number], offset, atol=1e-8)


def test_the_fit_agrees_with_that_of_itk():
    moving = POINTS @ truth("rigid")[0].T + RNG.normal(0, 2, POINTS.shape)
    for model, other in (("rigid", sitk.VersorRigid3DTransform()), ("affine", sitk.AffineTransform(3))):
        peer = sitk.LandmarkBasedTransformInitializer(other, POINTS.ravel().tolist(), moving.ravel().tolist())
        ours = run(POINTS, moving, model=model).outputs["transform"]
        np.testing.assert_allclose(mapped(ours, POINTS), mapped(peer, POINTS), atol=1e-6)


@pytest.mark.parametrize("model", [*MODELS, "thin_plate_spline"])
def test_leave_one_out_errors_are_those_of_fits_without_the_landmark(model):
    moving = POINTS * 1.1 + RNG.normal(0, 3, POINTS.shape)
    parameters = {"model": model, "field_spacing_mm": 2.0}
    rows = run(POINTS, moving, **parameters).outputs["landmarks"].rows
    for number in range(len(POINTS)):
        others = np.arange(len(POINTS)) != number
        if model == "thin_plate_spline":
            there = ThinPlate(POINTS[others], moving[others])(POINTS[number : number + 1])[0]
        else:
            matrix, offset = fit_points(POINTS[others], moving[others], model)
            there = matrix @ POINTS[number] + offset
        assert rows[number]["loo_mm"] == pytest.approx(np.linalg.norm(there - moving[number]), rel=1e-6)


def test_leave_one_out_errors_of_an_affine_fit_follow_from_the_leverage():
    moving = POINTS + RNG.normal(0, 3, POINTS.shape)
    design = np.column_stack([POINTS - POINTS.mean(axis=0), np.ones(len(POINTS))])
    hat = design @ np.linalg.pinv(design)
    expected = np.linalg.norm((moving - hat @ moving) / (1 - np.diag(hat))[:, None], axis=1)
    rows = run(POINTS, moving, model="affine").outputs["landmarks"].rows
    np.testing.assert_allclose([r["loo_mm"] for r in rows], expected, rtol=1e-9)


def test_summary_is_that_of_the_rows_and_their_errors_are_vectors():
    moving = POINTS + RNG.normal(0, 3, POINTS.shape)
    outputs = run(POINTS, moving).outputs
    line, rows = outputs["table"].rows[0], outputs["landmarks"].rows
    fre = np.array([r["fre_mm"] for r in rows])
    assert line["fre_rms_mm"] == pytest.approx(np.sqrt((fre**2).mean()))
    assert line["fre_mean_mm"] == pytest.approx(fre.mean()) and line["fre_max_mm"] == fre.max()
    vectors = np.array([[r[f"error_{a}_mm"] for a in "lps"] for r in rows])
    np.testing.assert_allclose(vectors, mapped(outputs["transform"], POINTS) - moving, atol=1e-9)
    np.testing.assert_allclose(outputs["landmarks"].place(2), POINTS[2])
    # Fitzpatrick 1998: FRE^2 = (1 - 2 / N) FLE^2 for rigid fits in 3-D.
    assert line["fle_mm"] == pytest.approx(line["fre_rms_mm"] / np.sqrt(1 - 2 / len(POINTS)))


def test_the_localisation_error_is_found_on_average():
    squares = []
    for _ in range(300):
        fixed = RNG.normal(0, 40, (6, 3))
        moving = fixed + RNG.normal(0, 1.0, fixed.shape)
        matrix, offset = fit_points(fixed, moving, "rigid")
        squares.append(np.square(fixed @ matrix.T + offset - moving).sum(axis=1).mean() * 6 * 3 / (6 * 3 - 6))
    assert np.mean(squares) == pytest.approx(3.0, rel=0.1)


@pytest.mark.parametrize("dimension", [2, 3])
def test_a_thin_plate_spline_meets_its_points_and_reproduces_affine_transforms(dimension):
    fixed = POINTS[:, :dimension]
    moving = fixed + RNG.normal(0, 4, fixed.shape)
    np.testing.assert_allclose(ThinPlate(fixed, moving)(fixed), moving, atol=1e-9)
    matrix, offset = truth("affine", dimension)
    spline = ThinPlate(fixed, fixed @ matrix.T + offset)
    elsewhere = RNG.uniform(-300, 300, (50, dimension))
    np.testing.assert_allclose(spline(elsewhere), elsewhere @ matrix.T + offset, atol=1e-6)


def test_a_thin_plate_spline_agrees_with_scipy():
    from scipy.interpolate import RBFInterpolator

    elsewhere = POINTS[:1] + RNG.uniform(-50, 50, (40, 3))
    for dimension, kernel in ((2, "thin_plate_spline"), (3, "linear")):
        fixed = POINTS[:, :dimension]
        moving = fixed + RNG.normal(0, 4, fixed.shape)
        peer = RBFInterpolator(fixed, moving, kernel=kernel, degree=1)
        where = elsewhere[:, :dimension]
        np.testing.assert_allclose(ThinPlate(fixed, moving)(where), peer(where), atol=1e-6)


def test_much_regularisation_gives_the_affine_fit_and_more_of_it_a_larger_error():
    moving = POINTS + RNG.normal(0, 4, POINTS.shape)
    matrix, offset = fit_points(POINTS, moving, "affine")
    np.testing.assert_allclose(ThinPlate(POINTS, moving, 1e7)(POINTS), POINTS @ matrix.T + offset, atol=1e-4)
    errors = [row(POINTS, moving, model="thin_plate_spline", regularisation=r)["fre_rms_mm"] for r in (0, 0.05, 1, 50)]
    assert errors == sorted(errors)


def test_the_field_meets_the_landmarks_and_its_error_falls_with_its_spacing():
    moving = POINTS + RNG.normal(0, 4, POINTS.shape)
    exact = ThinPlate(POINTS, moving)
    near = POINTS + RNG.normal(0, 5, POINTS.shape)
    told, true = [], []
    for spacing in (8.0, 4.0, 2.0):
        result = run(POINTS, moving, model="thin_plate_spline", field_spacing_mm=spacing)
        line = result.outputs["table"].rows[0]
        assert line["fre_max_mm"] < 1e-6
        told.append(line["field_error_max_mm"])
        true.append(np.linalg.norm(mapped(result.outputs["transform"], near) - exact(near), axis=1).max())
        assert true[-1] < 2 * told[-1] < spacing / 2
    assert told == sorted(told, reverse=True) and true == sorted(true, reverse=True)


def test_a_field_is_changed_at_the_lattice_points_around_the_landmarks_only():
    grid = field_grid(POINTS, None, 10.0, 20.0)
    field = np.zeros((np.prod(grid.size), 3))
    missed = meet(field, grid, POINTS[:2], np.array([[1.0, 2, 3], [0, 0, 1]]))
    np.testing.assert_allclose(missed, [[-1, -2, -3], [0, 0, -1]])
    assert np.count_nonzero(field.any(axis=1)) <= 16
    assert np.abs(field).max() <= 3 * 8


def test_the_field_covers_an_oblique_reference_and_landmarks_beyond_it():
    reference = oblique_grid(sitk.Image(24, 20, 16, sitk.sitkUInt8))
    points = Grid.of(reference).to_physical(RNG.uniform(-6, 22, (8, 3)))
    moving = points + RNG.normal(0, 1, points.shape)
    transform = run(points, moving, reference, model="thin_plate_spline", field_spacing_mm=1.0).outputs["transform"]
    exact = ThinPlate(points, moving)
    corners = Grid.of(reference).corners
    np.testing.assert_allclose(mapped(transform, corners), exact(corners), atol=0.05)
    np.testing.assert_allclose(mapped(transform, points), moving, atol=1e-6)
    field = transform.Downcast().GetDisplacementField()
    np.testing.assert_allclose(field.GetDirection(), reference.GetDirection())


def test_a_field_for_one_slice_has_voxels_on_both_sides():
    flat = oblique_grid(sitk.Image(24, 20, 1, sitk.sitkUInt8))
    grid = field_grid(Grid.of(flat).to_physical(RNG.uniform(0, 15, (5, 3)) * [1, 1, 0]), Grid.of(flat), 4.0, 0.0)
    assert min(grid.size) >= 3
    index = grid.to_index(Grid.of(flat).corners)
    assert (index > 0.99).all() and (index < np.array(grid.size) - 1.99).all()


def test_folding_is_told():
    moving = POINTS.copy()
    near = np.argmin(np.linalg.norm(POINTS[1:] - POINTS[0], axis=1)) + 1
    moving[[0, near]] = moving[[near, 0]]
    result = run(POINTS, moving, model="thin_plate_spline")
    assert result.outputs["table"].rows[0]["folding_percent"] > 0
    assert any("folds" in warning for warning in result.warnings)


def test_names_decide_and_order_is_said():
    moving = POINTS @ truth("rigid")[0].T
    shuffled = RNG.permutation(len(POINTS))
    other = Landmarks(tuple(f"P{n}" for n in shuffled), moving[shuffled])
    assert row(POINTS, other)["fre_max_mm"] < 1e-9
    result = run(POINTS, Landmarks(tuple("abcdefghi"), moving))
    assert result.outputs["table"].rows[0]["fre_max_mm"] < 1e-9
    assert any("order" in warning for warning in result.warnings)
    with pytest.raises(InputError, match="no partner of the same name"):
        run(POINTS, Landmarks((*(f"P{n}" for n in range(8)), "Q"), moving))


def test_mirrored_landmarks_and_odd_ones_are_named():
    result = run(POINTS, POINTS * [-1, 1, 1])
    assert any("mirrored" in warning for warning in result.warnings)
    assert np.linalg.det(matrix_of(result.outputs["transform"])[0]) == pytest.approx(1)
    assert any("mirrors" in w for w in run(POINTS, POINTS * [-1, 1, 1], model="affine").warnings)
    odd = POINTS.copy()
    odd[4] += [25, 0, 0]
    assert any("'P4'" in warning for warning in run(POINTS, odd).warnings)


def test_too_few_landmarks_for_leaving_out_is_a_reason_and_not_a_number():
    three = POINTS[:3]
    result = run(three, three + 5)
    line = result.outputs["table"].rows[0]
    assert line["loo_n"] == 0 and np.isnan(line["loo_rms_mm"]) and "too_few_landmarks" in line["status"]
    assert all("too_few_landmarks" in r["status"] for r in result.outputs["landmarks"].rows)
    four = run(POINTS[:4], POINTS[:4], model="affine").outputs["table"].rows[0]
    assert np.isnan(four["fle_mm"]) and np.isnan(four["loo_mean_mm"])


LINE = POINTS[:1] + np.arange(6)[:, None] * np.array([[3.0, 4.0, 1.0]])
PLANE = np.column_stack([RNG.uniform(-30, 30, (6, 2)), np.full(6, 7.0)])


@pytest.mark.parametrize(
    ("fixed", "moving", "model", "words"),
    [
        (POINTS[:2], POINTS[:2], "rigid", "at least 3 pairs of landmarks, there are 2"),
        (POINTS[:3], POINTS[:3], "affine", "at least 4 pairs"),
        (POINTS[:3], POINTS[:3], "thin_plate_spline", "thin plate spline transform in 3-D needs at least 4"),
        (LINE, LINE, "rigid", "fixed landmarks lie on a line"),
        (POINTS[:6], LINE, "similarity", "moving landmarks lie on a line"),
        (PLANE, PLANE, "affine", "lie in a plane.*rigid"),
        (PLANE, PLANE, "thin_plate_spline", "lie in a plane"),
        (POINTS[[0, 1, 2, 3, 3]], POINTS[:5], "rigid", "'P3' and 'P4' are at the same place"),
        (POINTS[:5], POINTS[:4], "rigid", "no partner"),
        (POINTS[:0], POINTS[:4], "rigid", "no fixed landmarks"),
    ],
)
def test_degenerate_landmarks_are_refused_with_the_reason(fixed, moving, model, words):
    with pytest.raises(InputError, match=words):
        run(fixed, moving, model=model)


def test_landmarks_in_a_plane_determine_a_rigid_transform():
    matrix, offset = truth("rigid")
    found = matrix_of(run(PLANE, PLANE @ matrix.T + offset).outputs["transform"])
    np.testing.assert_allclose(found[0], matrix, atol=1e-10)


def test_a_flat_reference_makes_a_flat_transform_and_says_what_is_lost():
    flat = oblique_grid(sitk.Image(24, 20, sitk.sitkUInt8))
    result = run(POINTS, POINTS + np.array([1, 2, 3]), flat, model="thin_plate_spline")
    assert result.outputs["transform"].GetDimension() == 2
    assert any("third coordinate" in warning for warning in result.warnings)
    with pytest.raises(InputError, match="2-D"):
        run(POINTS, POINTS, oblique_grid(sitk.Image(8, 8, 8, sitk.sitkUInt8)), planar=True)


def test_a_landmark_far_away_does_not_fill_the_memory():
    far = POINTS.copy()
    far[:3] += 1e6 * np.eye(3)
    with pytest.raises(InputError, match="field_spacing_mm"):
        run(far, far, model="thin_plate_spline")


def test_linear_transforms_keep_their_matrix_near_the_poles_of_euler_angles():
    for angle in (89.9999, 90.0, 180.0, -90.0):
        matrix = turned(angle, (1, 0, 0)) @ turned(33, (0, 0, 1))
        found = matrix_of(linear_transform(matrix, np.array([1.0, 2, 3]), "rigid", POINTS.mean(axis=0)))
        np.testing.assert_allclose(found[0], matrix, atol=1e-6)
