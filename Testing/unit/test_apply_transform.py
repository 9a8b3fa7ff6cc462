"""Transforms applied to images, segments and points: one asymmetric landmark goes the same way through all of them."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from medimg_testing import oblique_grid
from MedImgAnalysisLib.errors import GeometryError, InputError, ParameterError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.geometry import Grid, image_like
from MedImgAnalysisLib.registration import ApplyTransform, ApplyTransformLabels, ApplyTransformLandmarks
from MedImgAnalysisLib.values import Labels, Landmarks, Segment
from registration_testing import bent, field, fixed_grid, moving_grid, rigid, spline, spot, weighted_middle

MARK = (17, 6, 3)
"""Voxel (i, j, k) off every middle and diagonal."""


TRANSFORMS = {
    "rigid": rigid,
    "field": bent,
    "spline": spline,
    "composite": lambda: sitk.CompositeTransform([rigid(), bent()]),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_image_segment_and_point_of_the_moving_side_arrive_at_the_same_place(name):
    transform = TRANSFORMS[name]()
    fixed = fixed_grid()
    target = fixed.to_physical(np.array([MARK], float))[0]
    source = np.array(transform.TransformPoint(target.tolist()))
    moving = moving_grid()
    image = image_like((1000 * spot(moving, source)).astype(np.float32), moving)
    mask = image_like((spot(moving, source, 3.0) > 0.6).astype(np.uint8), moving)
    inputs = {"transform": transform, "reference": fixed.blank()}
    moved = execute(ApplyTransform(), {"image": image, **inputs}).outputs["image"]
    assert Grid.of(moved) == fixed
    assert np.linalg.norm(weighted_middle(moved) - target) < 0.4
    for interpolation in ("nearest", "linear"):
        labels = Labels.from_masks([("Mark", mask)])
        found = execute(ApplyTransformLabels(interpolation=interpolation), {"labels": labels, **inputs}).outputs[
            "labels"
        ]
        assert found.grid == fixed
        assert np.linalg.norm(weighted_middle(found.mask("Mark")) - target) < 0.6
    points = Landmarks(("mark",), source[None])
    outputs = execute(ApplyTransformLandmarks(), {"landmarks": points, "transform": transform}).outputs
    assert np.linalg.norm(outputs["landmarks"].points[0] - target) < 1e-4
    assert outputs["table"].rows[0]["residual_mm"] < 1e-4
    back = execute(
        ApplyTransformLandmarks(marked_in="fixed"), {"landmarks": outputs["landmarks"], "transform": transform}
    )
    assert np.linalg.norm(back.outputs["landmarks"].points[0] - source) < 1e-4


def test_an_identity_changes_no_voxel_and_values_outside_are_the_smallest_not_zero():
    image = oblique_grid(sitk.GetImageFromArray(np.random.default_rng(0).integers(-1000, 500, (8, 9, 10), np.int16)))
    identity = sitk.Transform(3, sitk.sitkIdentity)
    same = execute(ApplyTransform(), {"image": image, "transform": identity}).outputs["image"]
    np.testing.assert_array_equal(sitk.GetArrayFromImage(same), sitk.GetArrayFromImage(image))
    assert same.GetPixelID() == sitk.sitkInt16
    shift = sitk.TranslationTransform(
        3, (image.GetDirection()[0] * 2.1, image.GetDirection()[3] * 2.1, image.GetDirection()[6] * 2.1)
    )
    moved = sitk.GetArrayFromImage(execute(ApplyTransform(), {"image": image, "transform": shift}).outputs["image"])
    array = sitk.GetArrayFromImage(image)
    np.testing.assert_array_equal(moved[:, :, :-3], array[:, :, 3:])
    assert (moved[:, :, -2:] == array.min()).all() and array.min() < -900
    other = execute(ApplyTransform(outside_value=-5.0), {"image": image, "transform": shift}).outputs["image"]
    assert (sitk.GetArrayFromImage(other)[:, :, -2:] == -5).all()
    with pytest.raises(ParameterError, match="whole numbers"):
        execute(ApplyTransform(outside_value=0.5), {"image": image, "transform": shift})


def test_two_dimensions_work_in_their_plane():
    image = oblique_grid(
        sitk.GetImageFromArray(
            spot(Grid((30, 26), (1.0, 1.0), (0.0, 0.0), (1.0, 0.0, 0.0, 1.0)), np.array([12.0, 9.0]))
        )
    )
    turn = sitk.Euler2DTransform(Grid.of(image).corners.mean(axis=0).tolist(), 0.3, (2.0, -1.0))
    source = weighted_middle(image)
    moved = execute(ApplyTransform(), {"image": image, "transform": turn}).outputs["image"]
    assert np.linalg.norm(np.array(turn.TransformPoint(weighted_middle(moved).tolist())) - source) < 0.1
    with pytest.raises(InputError, match="3-D and the transform 2-D"):
        execute(ApplyTransform(), {"image": fixed_grid().blank(), "transform": turn})
    with pytest.raises(InputError, match="3-D and the transform 2-D"):
        execute(ApplyTransformLandmarks(), {"landmarks": Landmarks(("a",), np.zeros((1, 3))), "transform": turn})


def test_a_transform_that_leads_nowhere_is_refused_and_the_other_direction_is_named():
    image = image_like(
        np.ones((8, 9, 10), np.uint8), Grid((10, 9, 8), (1.0,) * 3, (0.0,) * 3, tuple(np.eye(3).ravel()))
    )
    reference = sitk.Image(image)
    reference.SetOrigin((300.0, 0.0, 0.0))
    right = sitk.TranslationTransform(3, (-300.0, 0.0, 0.0))
    assert sitk.GetArrayFromImage(ApplyTransform().run(image, right, reference)).all()
    with pytest.raises(GeometryError, match="but its inverse does"):
        execute(ApplyTransform(), {"image": image, "transform": right.GetInverse(), "reference": reference})
    with pytest.raises(GeometryError, match="no voxel of the reference grid"):
        execute(ApplyTransformLabels(), {"labels": image, "transform": bent(), "reference": reference})


def test_a_field_that_covers_half_the_reference_is_told():
    grid = fixed_grid()
    half = field(Grid((24, 20, 6), grid.spacing, grid.origin, grid.direction), lambda p: np.ones_like(p))
    image = image_like(np.ones(grid.size[::-1], np.float32), grid)
    result = execute(ApplyTransform(), {"image": image, "transform": half})
    assert any("not defined in about 50%" in warning for warning in result.warnings)
    point = Landmarks(("far",), grid.to_physical(np.array([[5.0, 5.0, 11.0]])))
    moved = execute(ApplyTransformLandmarks(marked_in="fixed"), {"landmarks": point, "transform": half})
    assert moved.outputs["table"].rows[0]["status"] == "outside" and "far" in moved.warnings[0]


def test_segments_keep_ids_names_colours_tags_and_overlap():
    grid = fixed_grid()
    first, second = np.zeros(grid.size[::-1], np.uint8), np.zeros(grid.size[::-1], np.uint8)
    first[2:8, 4:14, 4:16], second[4:10, 8:18, 10:22] = 1, 1
    made = Labels.from_masks([("Liver", image_like(first, grid)), ("Tumour", image_like(second, grid))])
    segments = tuple(
        Segment(f"id{n}", s.name, (0.1 * n, 0.5, 0.9), s.layer, s.value, {"Rater": "A"})
        for n, s in enumerate(made.segments)
    )
    labels = Labels(made.layers, segments)
    for interpolation in ("nearest", "linear"):
        found = ApplyTransformLabels(interpolation=interpolation).run(labels, sitk.Transform(3, sitk.sitkIdentity))
        assert found.segments == segments
        for name in labels.names:
            np.testing.assert_array_equal(
                sitk.GetArrayFromImage(found.mask(name)), sitk.GetArrayFromImage(labels.mask(name))
            )


def test_linear_shares_leave_no_gaps_between_neighbours():
    grid = Grid((20, 20, 20), (1.0,) * 3, (0.0,) * 3, tuple(np.eye(3).ravel()))
    array = np.ones(grid.size[::-1], np.uint8)
    array[:, 8:, :] = 2
    array[:, :, 12:] = 3
    labels = Labels.from_labelmap(image_like(array, grid))
    turn = sitk.Euler3DTransform((9.5, 9.5, 9.5), 0.3, 0.2, 0.1)
    found = sitk.GetArrayFromImage(ApplyTransformLabels(interpolation="linear").run(labels, turn).layers[0])
    assert found[4:-4, 4:-4, 4:-4].all()


def test_points_that_the_transform_reaches_from_nowhere_are_named():
    grid = fixed_grid()
    folded = field(grid, lambda p: -p + grid.corners.mean(axis=0))
    inside = grid.to_physical(np.array([[3.0, 3.0, 3.0]]))
    with pytest.raises(InputError, match="lost"):
        execute(ApplyTransformLandmarks(), {"landmarks": Landmarks(("lost",), inside), "transform": folded})
