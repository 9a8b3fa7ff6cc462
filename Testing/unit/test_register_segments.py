"""Registration of segments: known transforms come back from masks on awkward grids, odd input gets an explanation."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from medimg_testing import oblique_grid
from MedImgAnalysisLib.errors import Cancelled, InputError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.geometry import Grid, image_like
from MedImgAnalysisLib.progress import SILENT, Progress
from MedImgAnalysisLib.registration import RegisterSegments
from MedImgAnalysisLib.registration.distance_fit import Match, Pose, refined
from MedImgAnalysisLib.registration.rigid import matrix_of
from MedImgAnalysisLib.registration.signed_distance import signed_distance, soft_distance
from MedImgAnalysisLib.values import Labels


def centres(grid: Grid) -> np.ndarray:
    return grid.to_physical(np.indices(grid.size[::-1]).reshape(grid.dimension, -1)[::-1].T.astype(float))


def organ(points: np.ndarray) -> np.ndarray:
    """Two ellipsoids that make a body without symmetry, about 60 mm long, around 0."""
    d = points.shape[1]
    first = np.square(points / np.array([26.0, 15, 11])[:d]).sum(axis=1) < 1
    second = np.square((points - np.array([14.0, 14, 7])[:d]) / np.array([9.0, 14, 10])[:d]).sum(axis=1) < 1
    return first | second


def other_organ(points: np.ndarray) -> np.ndarray:
    return np.square((points - np.array([-22.0, 18, -12])[: points.shape[1]]) / 8).sum(axis=1) < 1


def fixed_grid(dimension: int = 3) -> Grid:
    return Grid.of(oblique_grid(sitk.Image([110, 75, 30][:dimension], sitk.sitkUInt8)))


def moving_grid(dimension: int = 3, around=(60.0, -20.0, 300.0)) -> Grid:
    size = (76, 80, 60)[:dimension]
    spacing = (1.0, 1.0, 1.4)[:dimension]
    origin = np.array(around)[:dimension] - (np.array(size) - 1) * spacing / 2
    return Grid(size, spacing, tuple(origin), tuple(np.eye(dimension).ravel()))


def truth(dimension: int, angle_deg: float, model: str = "rigid"):
    """(A, b) that takes the middle of the fixed grid near the middle of the moving one."""
    if dimension == 3:
        turn = sitk.VersorRigid3DTransform()
        turn.SetRotation((1.0, -2.0, 1.5), np.radians(angle_deg))
        matrix = np.reshape(turn.GetMatrix(), (3, 3))
    else:
        a = np.radians(angle_deg)
        matrix = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    if model == "similarity":
        matrix = matrix * 1.1
    if model == "affine":
        matrix = matrix @ np.diag([1.1, 0.92, 1.05][:dimension])
    middle = fixed_grid(dimension).corners.mean(axis=0)
    target = np.array([62.0, -18.0, 303.0])[:dimension]
    return matrix, target - matrix @ middle


def scene(matrix, offset, shapes=(organ,), names=("organ",), grid=None):
    d = len(offset)
    middle = fixed_grid(d).corners.mean(axis=0)
    sides = []
    there = grid or moving_grid(d)
    for own, points in (
        (fixed_grid(d), centres(fixed_grid(d))),
        (there, (centres(there) - offset) @ np.linalg.inv(matrix).T),
    ):
        masks = [image_like(shape(points - middle).reshape(own.size[::-1]).astype(np.uint8), own) for shape in shapes]
        sides.append(Labels.from_masks(zip(names, masks, strict=True)))
    return sides


def run(fixed, moving, progress=SILENT, **parameters):
    return execute(RegisterSegments(**parameters), {"fixed": fixed, "moving": moving}, progress=progress)


def error_mm(transform: sitk.Transform, matrix: np.ndarray, offset: np.ndarray) -> float:
    """RMS distance to the truth over the organ."""
    points = centres(fixed_grid(len(offset)))
    points = points[organ(points - fixed_grid(len(offset)).corners.mean(axis=0))][::50]
    found = matrix_of(transform)
    return float(np.sqrt(np.square(points @ (found[0] - matrix).T + found[1] - offset).sum(axis=1).mean()))


@pytest.mark.parametrize("angle", [0.0, 35.0, 110.0])
@pytest.mark.parametrize("dimension", [2, 3])
def test_a_rigid_movement_comes_back_from_fixed_to_moving(dimension, angle):
    matrix, offset = truth(dimension, angle)
    result = run(*scene(matrix, offset))
    assert error_mm(result.outputs["transform"], matrix, offset) < 0.15
    line = result.outputs["table"].rows[0]
    assert line["rotation_deg"] == pytest.approx(angle, abs=0.6)
    row = result.outputs["segments"].rows[0]
    assert row["dice"] > 0.95 and row["distance_mm"] < 0.5
    # The asymmetric corner of the organ lands where it is in the moving image, not where the inverse would put it.
    corner = fixed_grid(dimension).corners.mean(axis=0) + np.array([14.0, 26, 7])[:dimension]
    np.testing.assert_allclose(
        result.outputs["transform"].TransformPoint(corner.tolist()), matrix @ corner + offset, atol=0.5
    )


@pytest.mark.parametrize("model", ["similarity", "affine"])
@pytest.mark.parametrize("dimension", [2, 3])
def test_stretches_come_back_without_a_pull_towards_one(model, dimension):
    matrix, offset = truth(dimension, 25.0, model)
    result = run(*scene(matrix, offset), model=model)
    assert error_mm(result.outputs["transform"], matrix, offset) < 0.3
    scale = np.linalg.det(matrix) ** (1 / dimension)
    assert result.outputs["table"].rows[0]["scale"] == pytest.approx(scale, rel=0.01)


def test_the_warped_segments_lie_on_the_fixed_ones_on_their_grid():
    fixed, moving = scene(*truth(3, 35.0), shapes=(organ, other_organ), names=("organ", "other"))
    result = run(fixed, moving)
    labels = result.outputs["labels"]
    assert labels.grid.same_as(fixed.grid) and labels.names == moving.names
    for name, row in zip(fixed.names, result.outputs["segments"].rows, strict=True):
        a, b = (sitk.GetArrayFromImage(side.mask(name)) for side in (fixed, labels))
        assert 2 * (a & b).sum() / (a.sum() + b.sum()) == pytest.approx(row["dice"], abs=1e-9)
        assert row["dice"] > 0.93


def test_segments_pair_by_name_and_the_others_are_left_out_and_named():
    matrix, offset = truth(3, 20.0)
    fixed, moving = scene(matrix, offset, (organ, other_organ), ("organ", "other"))
    renamed = Labels(moving.layers, moving.segments).renamed(Segment_2="ORGAN ", Segment_1="somewhere")
    swapped = Labels(moving.layers, (renamed.segments[0], moving.segments[1]))
    result = run(fixed, swapped)
    assert [row["segment"] for row in result.outputs["segments"].rows] == ["other"]
    assert any("organ" in warning and "somewhere" in warning for warning in result.warnings)
    with pytest.raises(InputError, match="No segment has a partner"):
        run(fixed, moving.renamed(Segment_1="a", Segment_2="b"))


def test_several_segments_break_the_symmetry_of_one():
    def ball(points):
        return np.square(points / np.array([20.0, 12, 12])).sum(axis=1) < 1

    matrix, offset = truth(3, 30.0)
    alone = run(*scene(matrix, offset, (ball,), ("ball",)))
    assert any("symmetric" in warning for warning in alone.warnings)
    assert alone.outputs["segments"].rows[0]["dice"] > 0.95
    both = run(*scene(matrix, offset, (ball, other_organ), ("ball", "other")))
    assert np.linalg.norm(matrix_of(both.outputs["transform"])[0] @ matrix.T - np.eye(3)) < 0.6


def test_a_start_where_things_are_makes_a_small_correction_only():
    matrix, offset = truth(3, 5.0)
    middle = fixed_grid().corners.mean(axis=0)
    offset = middle + np.array([3.0, -2, 4]) - matrix @ middle
    fixed, moving = scene(matrix, offset, grid=moving_grid(around=tuple(middle)))
    for start in ("none", "centroids"):
        result = run(fixed, moving, start=start)
        assert error_mm(result.outputs["transform"], matrix, offset) < 0.15
    assert result.outputs["table"].rows[0]["distance_before_mean_mm"] > 1


def test_a_segment_that_is_cut_by_its_image_is_aligned_by_the_rest_of_its_surface():
    matrix, offset = truth(3, 15.0)
    # The moving image ends within the organ.
    cut = moving_grid(around=(85.0, -20.0, 300.0))
    result = run(*scene(matrix, offset, grid=cut), start="centroids")
    assert any("moving segments reach the border" in warning for warning in result.warnings)
    assert error_mm(result.outputs["transform"], matrix, offset) < 1.0


def test_a_part_that_is_missing_pulls_little():
    matrix, offset = truth(3, 15.0)
    fixed, moving = scene(matrix, offset)
    array = sitk.GetArrayFromImage(moving.layers[0])
    array[:, :, :30] = 0
    result = run(fixed, Labels.from_masks([("organ", image_like(array, moving.grid))]), clip_mm=3.0)
    assert error_mm(result.outputs["transform"], matrix, offset) < 2.5


def test_signed_distance_of_a_ball_is_that_of_its_surface():
    grid = moving_grid()
    middle = grid.corners.mean(axis=0)
    mask = image_like(
        (np.linalg.norm(centres(grid) - middle, axis=1) < 20).reshape(grid.size[::-1]).astype(np.uint8), grid
    )
    distance = signed_distance(mask, 15.0, SILENT)
    np.testing.assert_allclose(distance.centroid, middle, atol=1e-6)
    rng = np.random.default_rng(0)
    way = rng.normal(size=(500, 3))
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    for radius, tolerance in ((12.0, 0.8), (20.0, 0.15), (30.0, 0.8)):
        found = distance.at(middle + radius * way)
        assert abs(found.mean() - (radius - 20)) < tolerance and found.std() < 0.5
    for sigma in (1.5, 3.0):
        soft = soft_distance(mask, sigma, SILENT)
        for radius in (20 - sigma, 20.0, 20 + sigma):
            found = soft.at(middle + radius * way)
            # A blurred ball is smaller by sigma^2 / radius, which is known and the same on all grids.
            assert abs(found.mean() - (radius - 20 + sigma**2 / 20)) < 0.15 and found.std() < 0.25
    slope = distance.slope(middle + 24 * way)
    assert (slope * way).sum(axis=1).mean() == pytest.approx(1.0, abs=0.05)
    coarse = signed_distance(mask, 15.0, SILENT, spacing_mm=3.0)
    assert abs(coarse.at(middle + 20 * way).mean()) < 0.5
    assert (np.array(coarse.grid.spacing) > 2.5).all()


@pytest.mark.parametrize("model", ["rigid", "similarity", "affine"])
@pytest.mark.parametrize("dimension", [2, 3])
def test_the_equations_are_the_slope_of_the_score(model, dimension):
    from MedImgAnalysisLib.registration.distance_fit import _moved

    matrix, offset = truth(dimension, 4.0)
    fixed, moving = scene(matrix, offset)
    maps = [[signed_distance(side.mask("organ"), 25.0, SILENT)] for side in (fixed, moving)]
    match = Match(*maps, 12.0, 3000, 1)
    centre = maps[0][0].centroid
    pose = Pose(matrix, matrix @ centre + offset - centre + 1.0, centre)
    _, right = match.equations(pose, model, 20.0)
    for number in range(len(right)):
        step = np.zeros(len(right))
        step[number] = 0.05
        ahead, behind = (match.score(_moved(pose, sign * step, model, 20.0)) for sign in (1, -1))
        # The score is the mean of squares, so its slope is twice the right side.
        assert (ahead - behind) / 0.1 == pytest.approx(2 * right[number], abs=0.05 * np.abs(2 * right).max())
    assert refined(pose, match, model, 20.0, 20, SILENT).score < 0.3 * match.score(pose)


def test_masks_are_taken_for_segmentations():
    matrix, offset = truth(3, 20.0)
    fixed, moving = (side.mask("organ") for side in scene(matrix, offset))
    assert error_mm(run(fixed, moving).outputs["transform"], matrix, offset) < 0.15


def test_a_repeated_run_gives_the_same_bits():
    sides = scene(*truth(3, 35.0))
    first, again = (run(*sides).outputs["transform"].GetParameters() for _ in range(2))
    assert first == again


def test_what_cannot_be_aligned_is_refused_with_the_reason():
    fixed, moving = scene(*truth(3, 0.0))
    empty = Labels((fixed.grid.blank(),), fixed.segments)
    with pytest.raises(InputError, match="empty on one side"):
        run(empty, moving)
    full = Labels((fixed.grid.blank() + 1,), fixed.segments)
    with pytest.raises(InputError, match="fixed segment 'organ' fills its whole image"):
        run(full, moving)
    with pytest.raises(InputError, match="2-D"):
        run(fixed, scene(*truth(2, 0.0))[1])
    with pytest.raises(InputError, match="no segments"):
        run(Labels((fixed.grid.blank(),), ()), moving)


def test_a_single_voxel_is_a_segment_that_only_a_shift_can_align():
    sides = []
    for grid, at in ((fixed_grid(), (40, 30, 10)), (moving_grid(), (30, 20, 40))):
        mask = grid.blank()
        mask[at] = 1
        sides.append((Labels.from_masks([("dot", mask)]), grid.to_physical(np.array([at], float))[0]))
    result = run(sides[0][0], sides[1][0])
    found = result.outputs["transform"].TransformPoint(sides[0][1].tolist())
    np.testing.assert_allclose(found, sides[1][1], atol=1.0)


def test_a_stop_comes_through():
    seen = []

    def watch(fraction, message):
        seen.append(fraction)
        if fraction > 0.4:
            progress.cancel()

    progress = Progress(watch)
    with pytest.raises(Cancelled):
        run(*scene(*truth(3, 35.0)), progress=progress)
    assert seen[-1] < 0.6
