"""Inputs under transforms: one policy, results where people look for them, millimetres of the world."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from MedImgAnalysisLib import catalog
from MedImgAnalysisLib.filtering.gaussian import Gaussian
from MedImgAnalysisLib.scene import bridge, frames
from MedImgAnalysisLib.scene.run import SceneRun, run_in_scene, single_step
from MedImgAnalysisLib.segmentation.auto_threshold import AutoThreshold
from MedImgAnalysisLib.values import Labels
from scene_helpers import add_transform, put_under, rigid_matrix, same_voxels


def blob() -> sitk.Image:
    k, j, i = np.meshgrid(*(np.arange(n, dtype=float) for n in (16, 18, 20)), indexing="ij")
    array = 100 * np.exp(-(((i - 9) / 4) ** 2 + ((j - 8) / 3) ** 2 + ((k - 7) / 3) ** 2))
    return sitk.GetImageFromArray(array.astype(np.float32))


@pytest.fixture
def volume():
    return bridge.add_node(blob(), "T1", kind="image")


def test_a_single_input_under_a_rigid_transform_shares_it_with_the_result(volume):
    parent = add_transform(rigid_matrix())
    put_under(volume, parent)
    made = run_in_scene(Gaussian(), {"image": volume})["image"]
    assert made.GetParentTransformNode() is parent
    assert same_voxels(bridge.value_of(made, "image", world=False), Gaussian().run(blob()))


def test_labels_of_a_moved_volume_lie_on_it(volume):
    put_under(volume, add_transform(rigid_matrix(), "Inner", add_transform(rigid_matrix(0.8), "Outer")))
    made = run_in_scene(AutoThreshold(), {"image": volume})["labels"]
    labels = bridge.value_of(made, "labels")
    assert labels.grid.same_as(frames.Grid.of(bridge.value_of(volume, "image")))


def test_inputs_under_one_rigid_transform_are_taken_as_they_are(volume):
    parent = add_transform(rigid_matrix())
    other = bridge.add_node(blob(), "T2", kind="image")
    for node in (volume, other):
        put_under(node, parent)
    run = SceneRun(*single_step(catalog.find("register")(), {"fixed": volume, "moving": other}))
    assert (run.world, run.parent) == (False, parent)


def test_a_scaling_transform_means_world_millimetres(volume):
    """Sigma is in millimetres, so a volume shown at twice its size is smoothed over half as many voxels."""
    put_under(volume, add_transform(np.diag([2.0, 2.0, 2.0, 1.0])))
    made = run_in_scene(Gaussian(sigma_mm=2.0), {"image": volume})["image"]
    assert made.GetParentTransformNode() is None
    expected = Gaussian(sigma_mm=1.0).run(blob())
    assert np.allclose(
        sitk.GetArrayFromImage(bridge.value_of(made, "image")), sitk.GetArrayFromImage(expected), atol=1e-3
    )
    assert np.allclose(made.GetSpacing(), (2, 2, 2))


def test_inputs_with_different_parents_are_compared_where_they_are_shown():
    mask = sitk.Greater(blob(), 50.0)
    still = bridge.add_node(Labels.from_masks([("A", mask)]), "Still", kind="labels")
    moved = bridge.add_node(Labels.from_masks([("A", mask)]), "Moved", kind="labels")
    operation = catalog.find("compare_segmentations")()

    def dice() -> float:
        made = run_in_scene(operation, {"reference": still, "test": moved})["table"]
        return bridge.value_of(made, "table").rows[0]["dice"]

    assert dice() == 1.0
    shift = np.eye(4)
    shift[0, 3] = 3.0
    put_under(moved, add_transform(shift))
    inside = sitk.GetArrayFromImage(mask)
    overlap = int((inside[:, :, 3:] & inside[:, :, :-3]).sum())
    assert dice() == pytest.approx(overlap / int(inside.sum()))


def test_a_moved_copy_registered_in_world_coordinates_comes_back_to_where_it_was(volume):
    """The moving volume hangs under a shift; the result undoes that shift, since it is what people see."""
    moving = bridge.add_node(blob(), "T2", kind="image")
    shift = np.eye(4)
    shift[:3, 3] = (2.0, -1.5, 1.0)
    put_under(moving, add_transform(shift))
    made = run_in_scene(catalog.find("register")(), {"fixed": volume, "moving": moving})
    transform = bridge.value_of(made["transform"], "transform")
    point = np.array(transform.TransformPoint((9.0, 8.0, 7.0)))
    assert np.abs(point - (7.0, 9.5, 8.0)).max() < 0.3


def test_rigid_means_that_lengths_are_kept():
    assert frames.rigid(add_transform(rigid_matrix()))
    assert frames.rigid(add_transform(np.diag([1.0, 1.0, -1.0, 1.0])))
    assert not frames.rigid(add_transform(np.diag([1.0, 1.0, 1.01, 1.0])))
    assert not frames.rigid(bridge.add_node(_spline(), "Bend", kind="transform"))


def _spline() -> sitk.Transform:
    made = sitk.BSplineTransformInitializer(blob(), [3, 3, 3])
    made.SetParameters(np.random.default_rng(0).normal(0, 1, len(made.GetParameters())).tolist())
    return made


def test_under_a_bending_transform_the_result_is_where_the_input_is_shown(volume):
    put_under(volume, bridge.add_node(_spline(), "Bend", kind="transform"))
    made = run_in_scene(AutoThreshold(), {"image": volume})["labels"]
    assert made.GetParentTransformNode() is None
    shown = bridge.value_of(volume, "image")
    assert bridge.value_of(made, "labels").grid.same_as(frames.Grid.of(shown))
