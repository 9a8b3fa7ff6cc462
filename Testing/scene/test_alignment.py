"""What a registration leaves in the scene: the aligned volume is what the moving one shows under the transform."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from MedImgAnalysisLib import files
from MedImgAnalysisLib.filtering import Augment
from MedImgAnalysisLib.geometry import Grid, image_like
from MedImgAnalysisLib.progress import Progress
from MedImgAnalysisLib.provenance import ATTRIBUTE
from MedImgAnalysisLib.registration import (
    ApplyTransform,
    ApplyTransformLandmarks,
    ComposeTransforms,
    InvertTransform,
    Register,
    ToDisplacementField,
)
from MedImgAnalysisLib.resampling import resample
from MedImgAnalysisLib.scene import alignment, bridge, frames, volumes
from MedImgAnalysisLib.scene.run import SceneRun, run_in_scene, single_step
from MedImgAnalysisLib.values import Landmarks
from registration_testing import bent, field, fixed_grid, moving_grid, rigid, spline, spot, weighted_middle
from scene_helpers import add_transform, put_under, rigid_matrix

MARK = (17, 6, 3)
TRANSFORMS = {"rigid": rigid, "field": bent, "spline": spline}
CLASSES = {"rigid": "LinearTransform", "field": "GridTransform", "spline": "BSplineTransform"}


def mark_mm() -> np.ndarray:
    """LPS position of the mark in the fixed image; off every middle and diagonal."""
    return fixed_grid().to_physical(np.array([MARK], float))[0]


def moving_image(transform: sitk.Transform) -> sitk.Image:
    """A volume with a bright spot where the transform leads the mark to, on a smooth ramp."""
    grid = moving_grid()
    source = np.array(transform.TransformPoint(mark_mm().tolist()))
    k, j, i = np.indices(grid.size[::-1])
    return image_like((1000 * spot(grid, source, 3.0) + i + 2 * j + 3 * k - 500).astype(np.float32), grid)


def hardened(volume, transform_node) -> sitk.Image:
    """A copy of a volume, put under a transform node and hardened by Slicer itself."""
    copy = bridge.add_node(bridge.value_of(volume, "image", world=False), "Copy", kind="image")
    put_under(copy, transform_node)
    copy.HardenTransform()
    return bridge.value_of(copy, "image")


def apply(transform: sitk.Transform, parents: tuple = (None, None)) -> tuple:
    """Nodes of the moving volume, the transform and the aligned volume."""
    moving = bridge.add_node(moving_image(transform), "Moving", kind="image")
    fixed = bridge.add_node(fixed_grid().blank(sitk.sitkFloat32), "Fixed", kind="image")
    node = bridge.add_node(transform, "T", kind="transform")
    for volume, parent in zip((moving, fixed), parents):
        put_under(volume, parent)
    made = run_in_scene(ApplyTransform(), {"image": moving, "transform": node, "reference": fixed})
    return moving, node, made["image"]


def warnings_of(node) -> list[str]:
    return json.loads(node.GetAttribute(ATTRIBUTE))["warnings"]


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_mark_arrives_at_the_same_place_in_file_scene_and_hardened_volume(name, tmp_path):
    transform = TRANSFORMS[name]()
    moving, node, aligned = apply(transform)
    assert node.GetClassName() == f"vtkMRML{CLASSES[name]}Node"
    # In the scene: a point of the moving volume, put under the node, is shown at the mark.
    source = np.array(transform.TransformPoint(mark_mm().tolist()))
    shown = frames.map_points(frames.to_world(node), source[None] * (-1, -1, 1))[0] * (-1, -1, 1)
    assert np.linalg.norm(shown - mark_mm()) < 1e-3
    # In the file that is written from the node, read by ITK.
    back = files.read(files.write(bridge.value_of(node, "transform"), tmp_path / "t.h5"), "transform")
    assert np.linalg.norm(np.array(back.TransformPoint(mark_mm().tolist())) - source) < 1e-6
    # In the aligned volume, and in the moving one hardened by Slicer.
    for image in (bridge.value_of(aligned, "image"), hardened(moving, node)):
        near = sitk.GetArrayFromImage(resample(image, fixed_grid(), outside=-500.0))
        found = np.unravel_index(near.argmax(), near.shape)[::-1]
        assert np.abs(np.subtract(found, MARK)).max() <= 1
    assert warnings_of(aligned) == []


@pytest.mark.parametrize("name", TRANSFORMS)
def test_the_aligned_volume_equals_the_hardened_one(name):
    transform = TRANSFORMS[name]()
    moving, node, aligned = apply(transform)
    assert alignment.difference(moving, node, aligned, "linear", True) == ""
    # Slicer hardens onto a grid of its own: there, resampling gives the same voxels.
    theirs = hardened(moving, node)
    ours = resample(bridge.value_of(moving, "image"), Grid.of(theirs), transform, outside=-999.0)
    a, b = (sitk.GetArrayFromImage(image) for image in (ours, theirs))
    away = name != "rigid" and sitk.GetArrayFromImage(
        resample(fixed_grid().blank() + 1, Grid.of(theirs), interpolation="nearest", outside=0)
    )
    inside = (a > -499) & (b > -499) & (away if name != "rigid" else True)
    assert inside.sum() > 1000
    assert np.percentile(np.abs(a - b)[inside > 0], 99) < 1e-3 * np.ptp(b)


@pytest.mark.parametrize("parents", ["moving", "fixed", "both", "different", "nested"])
def test_parent_transforms_of_both_volumes_are_honoured(parents):
    one = add_transform(rigid_matrix(), "P")
    other = add_transform(rigid_matrix(0.2, (3.0, 4.0, -6.0)), "Q")
    inner = add_transform(rigid_matrix(-0.3, (1.0, -2.0, 5.0)), "Inner", one)
    above = {"moving": (one, None), "fixed": (None, one), "both": (one, one), "different": (one, other),
             "nested": (inner, other)}[parents]  # fmt: skip
    local = rigid()
    moving = bridge.add_node(moving_image(local), "Moving", kind="image")
    fixed = bridge.add_node(moving_image(sitk.Transform(3, sitk.sitkIdentity)), "Fixed", kind="image")
    put_under(moving, above[0])
    put_under(fixed, above[1])
    made = run_in_scene(Register(start="moments", finest_mm=2.0), {"fixed": fixed, "moving": moving})
    assert warnings_of(made["image"]) == warnings_of(made["transform"])
    assert not any("is not what" in warning for warning in warnings_of(made["image"]))
    # The spot of the moving volume, seen through its own parents and then the result, is at that of the fixed one.
    spots = [weighted_middle(_spot(bridge.value_of(node, "image"))) for node in (moving, fixed, made["image"])]
    if parents == "both":
        assert frames.parent_of(made["transform"]) is one and frames.parent_of(made["image"]) is one
    transform = bridge.value_of(made["transform"], "transform")
    assert np.linalg.norm(np.array(transform.TransformPoint(spots[1].tolist())) - spots[0]) < 1.5
    assert np.linalg.norm(spots[2] - spots[1]) < 1.5


def _spot(image: sitk.Image) -> sitk.Image:
    return sitk.Maximum(sitk.Cast(image, sitk.sitkFloat32) - 400, 0)


def test_a_volume_that_differs_is_told_in_the_log_and_the_record():
    moving, node, aligned = apply(rigid())
    node.SetMatrixTransformFromParent(frames.to_matrix(rigid_matrix()))
    sentence = alignment.difference(moving, node, aligned, "linear", True)
    assert "is not what 'Moving' shows under the transform 'T'" in sentence
    wrong = bridge.add_node(rigid().GetInverse(), "Back", kind="transform")
    assert alignment.difference(moving, wrong, aligned, "linear", True)
    assert alignment.difference(moving, wrong, aligned, "nearest", True)
    assert alignment.difference(moving, wrong, aligned, "bspline", True)


def test_a_wrong_node_is_found_by_the_run_itself(monkeypatch):
    from MedImgAnalysisLib.scene import transforms

    right = transforms.put_transform
    monkeypatch.setattr(transforms, "put_transform", lambda transform, node: right(transform.GetInverse(), node))
    moving = bridge.add_node(moving_image(rigid()), "Moving", kind="image")
    fixed = bridge.add_node(moving_image(sitk.Transform(3, sitk.sitkIdentity)), "Fixed", kind="image")
    said: list[str] = []
    run = SceneRun(*single_step(Register(start="moments", finest_mm=4.0), {"fixed": fixed, "moving": moving}))
    made = run.run(Progress(on_warning=said.append))
    sentence = next(warning for warning in said if "is not what" in warning)
    for node in made.values():
        assert sentence in warnings_of(node)


@pytest.mark.parametrize("interpolation", ["nearest", "bspline"])
@pytest.mark.parametrize("kind", [np.int16, np.float32])
def test_other_interpolators_and_whole_numbers_agree_too(interpolation, kind):
    image = moving_image(rigid())
    moving = bridge.add_node(image_like(sitk.GetArrayFromImage(image).astype(kind), image), "Moving", kind="image")
    fixed = bridge.add_node(fixed_grid().blank(), "Fixed", kind="image")
    node = bridge.add_node(rigid(), "T", kind="transform")
    made = run_in_scene(
        ApplyTransform(interpolation=interpolation), {"image": moving, "transform": node, "reference": fixed}
    )
    assert warnings_of(made["image"]) == []


def test_moving_and_fixed_references_follow_inverting_composing_and_converting():
    moving = bridge.add_node(moving_image(rigid()), "Moving", kind="image")
    fixed = bridge.add_node(moving_image(sitk.Transform(3, sitk.sitkIdentity)), "Fixed", kind="image")
    made = run_in_scene(Register(start="moments", finest_mm=4.0), {"fixed": fixed, "moving": moving})["transform"]
    inverse = run_in_scene(InvertTransform(), {"transform": made})["transform"]
    sampled = run_in_scene(ToDisplacementField(), {"transform": made, "reference": fixed})["transform"]
    there_and_back = run_in_scene(ComposeTransforms(), {"first": made, "second": inverse})["transform"]
    assert _sides(made) == (moving, fixed) == _sides(sampled)
    assert _sides(inverse) == (fixed, moving)
    assert _sides(there_and_back) == (fixed, fixed)
    assert sampled.GetClassName() == "vtkMRMLGridTransformNode"
    assert sampled.GetTransformFromParent().GetInterpolationModeAsString() == "Linear"


def _sides(node) -> tuple:
    kind = slicer.vtkMRMLTransformNode
    return (
        node.GetNodeReference(kind.GetMovingNodeReferenceRole()),
        node.GetNodeReference(kind.GetFixedNodeReferenceRole()),
    )


def test_landmarks_in_the_scene_go_to_where_slicer_shows_them():
    transform = bent()
    source = np.array(transform.TransformPoint(mark_mm().tolist()))
    points = bridge.add_node(Landmarks(("mark",), source[None]), "Points", kind="landmarks")
    node = bridge.add_node(transform, "T", kind="transform")
    made = run_in_scene(ApplyTransformLandmarks(), {"landmarks": points, "transform": node})["landmarks"]
    put_under(points, node)
    shown = bridge.value_of(points, "landmarks").points
    np.testing.assert_allclose(bridge.value_of(made, "landmarks").points, shown, atol=1e-4)
    np.testing.assert_allclose(shown[0], mark_mm(), atol=1e-3)


def test_volumes_that_do_not_overlap_are_told_with_their_distance():
    fixed = bridge.add_node(moving_image(rigid()), "Fixed", kind="image")
    far = moving_image(rigid())
    far.SetOrigin(np.add(far.GetOrigin(), (700.0, 0.0, 0.0)).tolist())
    moving = bridge.add_node(far, "Moving", kind="image")
    assert "700 mm apart" in alignment.overlap(fixed, moving, True)
    shift = np.eye(4)
    shift[0, 3] = 700.0  # RAS
    put_under(moving, add_transform(shift))
    assert alignment.overlap(fixed, moving, True) == ""
    assert "700 mm apart" in alignment.overlap(fixed, moving, False)
    assert volumes.node_grid(moving) != Grid.of(far)


def test_a_field_on_a_small_lattice_says_where_the_scene_differs_from_itk():
    """Beyond its lattice Slicer lets a grid fade out, ITK leaves points in place: the two volumes differ there."""
    grid = fixed_grid()
    half = field(Grid((24, 20, 6), grid.spacing, grid.origin, grid.direction), lambda p: 6 + 0 * p)
    moving, node, aligned = apply(half)
    assert any("not defined" in warning for warning in warnings_of(aligned))
    assert bool(alignment.difference(moving, node, aligned, "linear", True)) == any(
        "is not what" in warning for warning in warnings_of(aligned)
    )


@pytest.mark.parametrize("preset", ["Position only", "Strong"])
def test_augment_is_compared_with_the_scene_only_where_it_leaves_the_values_alone(preset):
    moving = bridge.add_node(moving_image(rigid()), "Moving", kind="image")
    made = run_in_scene(Augment.preset(preset), {"image": moving})
    assert not [sentence for sentence in warnings_of(made["image"]) if "is not what" in sentence]
