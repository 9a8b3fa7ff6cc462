"""Regions of interest as masks and labels: by voxel centres, turned, under transforms."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from medimg_testing import oblique_grid
from MedImgAnalysisLib.errors import InputError
from MedImgAnalysisLib.filtering import Gaussian
from MedImgAnalysisLib.geometry import Grid
from MedImgAnalysisLib.quality import MeasureSignal
from MedImgAnalysisLib.scene import bridge, frames, rois
from MedImgAnalysisLib.scene.run import run_in_scene
from MedImgAnalysisLib.scene.verify import verify_node
from scene_helpers import add_transform, put_under, rigid_matrix

SHAPE = (12, 14, 16)
FLIP = np.diag([-1.0, -1.0, 1.0])


def image() -> sitk.Image:
    noise = np.random.default_rng(5).normal(100, 5, SHAPE)
    return oblique_grid(sitk.GetImageFromArray(noise.astype(np.float32)))


def add_roi(center, size, axes=None, name="Region"):
    """A ROI with centre and axes in RAS."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", name)
    node.SetSize(*size)
    matrix = np.eye(4)
    matrix[:3, :3] = np.eye(3) if axes is None else axes
    matrix[:3, 3] = center
    node.SetAndObserveObjectToNodeMatrix(frames.to_matrix(matrix))
    return node


def along_voxels(low, high, name="Region"):
    """A ROI along the axes of the image around the voxels from `low` to `high` (i, j, k), included."""
    grid = Grid.of(image())
    middle = grid.to_physical((np.array([low], float) + high) / 2)[0]
    size = (np.array(high) - low + 0.6) * grid.spacing
    return add_roi(FLIP @ middle, size, FLIP @ np.reshape(grid.direction, (3, 3)), name)


def centres() -> np.ndarray:
    """RAS voxel centres (k, j, i, 3)."""
    k, j, i = np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij")
    return Grid.of(image()).to_physical(np.stack([i, j, k], -1).reshape(-1, 3).astype(float)) @ FLIP.T


def voxels(mask: sitk.Image) -> np.ndarray:
    return sitk.GetArrayFromImage(mask)


def test_a_box_along_the_voxels_holds_exactly_those():
    expected = np.zeros(SHAPE, np.uint8)
    expected[2:9, 3:6, 4:11] = 1
    mask = rois.roi_mask(along_voxels((4, 3, 2), (10, 5, 8)), Grid.of(image()))
    assert np.array_equal(voxels(mask), expected)
    assert Grid.of(mask).same_as(Grid.of(image()))


@pytest.mark.parametrize("seed", range(5))
def test_a_turned_box_agrees_with_the_node_itself(seed):
    rng = np.random.default_rng(seed)
    parent = rigid_matrix(0.2, tuple(rng.normal(0, 20, 3)))
    center = np.linalg.inv(parent) @ (*centres()[rng.integers(0, np.prod(SHAPE))], 1)
    node = add_roi(center[:3], rng.uniform(3, 14, 3), rigid_matrix(0.7 * seed)[:3, :3])
    put_under(node, add_transform(parent))
    mask = voxels(rois.roi_mask(node, Grid.of(image())))
    expected = np.array([node.IsPointInROIWorld(point.tolist()) for point in centres()]).reshape(SHAPE)
    assert expected.any() and np.array_equal(mask, expected)


def test_a_transform_that_bends_is_followed_point_by_point():
    node = along_voxels((4, 3, 2), (10, 5, 8))
    bend = sitk.DisplacementFieldTransform(3)
    x = np.linspace(-60, 60, 25)
    field = np.zeros((25, 25, 25, 3))
    field[..., 0] = 0.002 * x[None, None, :] ** 2
    displacement = sitk.GetImageFromArray(field, isVector=True)
    displacement.SetOrigin((-60.0, -60.0, 90.0))
    displacement.SetSpacing((5.0, 5.0, 5.0))
    bend.SetDisplacementField(displacement)
    parent = bridge.add_node(bend, "Bend", kind="transform")
    plain = voxels(rois.roi_mask(node, Grid.of(image())))
    put_under(node, parent)
    assert frames.world_matrix(parent) is None
    mask = voxels(rois.roi_mask(node, Grid.of(image())))
    # A transform node maps its parent's space, the world, to the space of the node.
    own = np.array([bend.TransformPoint(point.tolist()) for point in centres() @ FLIP]) @ FLIP
    to_object = np.linalg.inv(frames.to_array(node.GetObjectToNodeMatrix()))
    inside = np.abs(own @ to_object[:3, :3].T + to_object[:3, 3]) <= np.array(node.GetSize()) / 2
    assert np.array_equal(mask, inside.all(axis=1).reshape(SHAPE))
    assert not np.array_equal(mask, plain)


def test_centres_on_the_border_count_as_inside():
    grid = Grid((5, 5, 5), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), tuple(np.eye(3).ravel()))
    mask = voxels(rois.roi_mask(add_roi((-2, -2, 2), (2, 2, 2)), grid))
    assert mask.sum() == 27


@pytest.mark.parametrize(("center", "size", "words"), [
    ((0, 0, 0), (0, 5, 5), "no extent"), ((500, 0, 0), (5, 5, 5), "holds no voxel centre"),
])  # fmt: skip
def test_a_region_that_chooses_nothing_is_refused(center, size, words):
    with pytest.raises(InputError, match=words):
        rois.roi_mask(add_roi(center, size), Grid.of(image()))


def test_a_region_without_an_image_is_refused():
    with pytest.raises(InputError, match="together with"):
        bridge.value_of(along_voxels((4, 3, 2), (10, 5, 8)), "mask")


def test_a_mask_role_takes_a_region():
    volume = bridge.add_node(image(), "T1", kind="image")
    roi = along_voxels((4, 3, 2), (10, 5, 8))
    expected = np.zeros(SHAPE, np.uint8)
    expected[2:9, 3:6, 4:11] = 1
    mask = Grid.of(image()).put_on(sitk.GetImageFromArray(expected))
    found = run_in_scene(Gaussian(sigma_mm=2), {"image": volume, "mask": roi})["image"]
    expected_image = Gaussian(sigma_mm=2).run(image(), mask)
    assert np.array_equal(voxels(bridge.value_of(found, "image")), voxels(expected_image))
    assert verify_node(found).equal


def test_several_regions_stand_for_labels_and_may_overlap():
    volume = bridge.add_node(image(), "T1", kind="image")
    inner, outer = along_voxels((5, 4, 3), (8, 5, 6), "Inner"), along_voxels((4, 3, 2), (10, 8, 8), "Outer")
    nodes = run_in_scene(MeasureSignal(), {"image": volume, "regions": [inner, outer]})
    table = bridge.value_of(nodes["table"], "table")
    array = voxels(image())
    assert [row["segment"] for row in table.rows] == ["Inner", "Outer"]
    assert table.rows[0]["mean"] == pytest.approx(array[3:7, 4:6, 5:9].astype(float).mean())
    assert table.rows[1]["mean"] == pytest.approx(array[2:9, 3:9, 4:11].astype(float).mean())
    assert verify_node(nodes["table"]).equal
    outer.SetSize(5, 5, 5)
    assert not verify_node(nodes["table"]).equal


def test_one_region_stands_for_labels_of_one_segment():
    volume = bridge.add_node(image(), "T1", kind="image")
    table = run_in_scene(MeasureSignal(), {"image": volume, "regions": along_voxels((4, 3, 2), (10, 5, 8))})["table"]
    assert bridge.value_of(table, "table").rows[0]["segment"] == "Region"


def test_image_and_region_under_one_transform_give_the_same_numbers():
    volume = bridge.add_node(image(), "T1", kind="image")
    roi = along_voxels((4, 3, 2), (10, 5, 8))

    def mean() -> float:
        nodes = run_in_scene(MeasureSignal(), {"image": volume, "regions": roi})
        return bridge.value_of(nodes["table"], "table").rows[0]["mean"]

    before = mean()
    parent = add_transform(rigid_matrix())
    for node in (volume, roi):
        put_under(node, parent)
    assert mean() == before


def test_several_regions_cannot_be_a_mask():
    volume = bridge.add_node(image(), "T1", kind="image")
    both = [along_voxels((4, 3, 2), (10, 5, 8), name) for name in "AB"]
    with pytest.raises(InputError, match="takes one node"):
        run_in_scene(Gaussian(), {"image": volume, "mask": both})


def test_a_region_that_changes_during_the_run_is_noticed():
    from MedImgAnalysisLib.scene.run import SceneRun, single_step

    volume, roi = bridge.add_node(image(), "T1", kind="image"), along_voxels((4, 3, 2), (10, 5, 8))
    recipe, nodes = single_step(Gaussian(), {"image": volume, "mask": roi})
    run = SceneRun(recipe, nodes)
    run.collect()
    roi.SetSize(1, 1, 1)
    run.compute()
    with pytest.raises(InputError, match="was changed"):
        run.commit()
