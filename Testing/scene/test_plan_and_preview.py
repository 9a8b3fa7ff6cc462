"""The plan of a run on nodes, refusals that leave the scene alone, and which slice a view shows."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import vtk
from MedImgAnalysisLib.errors import InputError
from MedImgAnalysisLib.filtering import Canny, Median
from MedImgAnalysisLib.frames import Frames
from MedImgAnalysisLib.geometry import Grid
from MedImgAnalysisLib.plan import Extent
from MedImgAnalysisLib.progress import Progress
from MedImgAnalysisLib.registration import RegisterSequence
from MedImgAnalysisLib.scene import bridge
from MedImgAnalysisLib.scene.digest import changes, scene_digest
from MedImgAnalysisLib.scene.extents import extent_of, plan_of_nodes
from MedImgAnalysisLib.scene.previews import Place, place_of
from MedImgAnalysisLib.scene.run import run_in_scene
from scene_helpers import add_transform, put_under, ramp, rigid_matrix


@pytest.mark.parametrize("kind", [np.int16, np.float32, np.float64, np.uint8])
def test_the_extent_of_a_node_is_that_of_its_image(kind):
    image = ramp(kind=kind)
    found, expected = extent_of(bridge.add_node(image, "T1", kind="image")), Extent.of(image)
    assert found.grid.same_as(expected.grid) and found.grid.size == expected.grid.size
    np.testing.assert_allclose(found.grid.direction, expected.grid.direction, atol=1e-9)
    assert (found.components, found.itemsize, found.floating) == (1, np.dtype(kind).itemsize, expected.floating)
    assert found.working_bytes == expected.working_bytes


def test_nodes_without_voxels_have_no_plan():
    empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    assert extent_of(empty) is None and plan_of_nodes(Median(), {"image": [empty]}) is None
    assert extent_of(add_transform(np.eye(4))) is None


def test_the_plan_counts_the_copies_of_the_scene(monkeypatch):
    monkeypatch.setenv("MEDIMG_FREE_MEMORY", "1e9")
    image = ramp(kind=np.int16)
    count = image.GetNumberOfPixels()
    plan = plan_of_nodes(Median(), {"image": [bridge.add_node(image, "T1", kind="image")]})
    assert plan.peak_bytes == count * (4 * Median.memory_factor + 2 + 4)


def test_the_plan_counts_all_frames_of_a_sequence(monkeypatch):
    monkeypatch.setenv("MEDIMG_FREE_MEMORY", "1e9")
    image = ramp(kind=np.int16)
    count = image.GetNumberOfPixels()
    cine = {"image": [bridge.add_node(Frames([image] * 5), "Cine", kind="image")]}
    one = plan_of_nodes(Median(), {"image": [bridge.add_node(image, "T1", kind="image")]})
    found = plan_of_nodes(Median(), cine)
    assert found.seconds == pytest.approx(5 * one.seconds)
    # Of each frame the copy that comes from the scene, the result, and its copy in the scene.
    assert found.peak_bytes == one.peak_bytes + 4 * count * (2 + 4 + 4)
    still = plan_of_nodes(RegisterSequence(), {"frames": cine["image"]})
    # All frames, all results and their mean.
    need = RegisterSequence.memory_bytes + 5 * count * (4 * RegisterSequence.memory_factor + 2 + 4) + 4 * count
    assert still.peak_bytes == need


def test_a_run_that_does_not_fit_leaves_the_scene_as_it_was(monkeypatch):
    node = bridge.add_node(ramp(), "T1", kind="image")
    before = scene_digest()
    monkeypatch.setenv("MEDIMG_FREE_MEMORY", "1000")
    with pytest.raises(InputError, match="canny needs"):
        run_in_scene(Canny(), {"image": node})
    assert changes(before, scene_digest()) == changes(before, before)


def test_a_run_in_slabs_gives_the_same_node(monkeypatch):
    image = ramp((20, 18, 60), np.int16)
    node = bridge.add_node(image, "T1", kind="image")
    whole = run_in_scene(Median(), {"image": node})["image"]
    need = Median.memory_factor * 4 * image.GetNumberOfPixels()
    monkeypatch.setenv("MEDIMG_FREE_MEMORY", str(need / 0.7 * 0.95))
    said = []
    slabs = run_in_scene(Median(), {"image": node}, progress=Progress(on_warning=said.append))["image"]
    assert any("slabs" in sentence for sentence in said)
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(slabs), slicer.util.arrayFromVolume(whole))


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("moved", [False, True])
def test_the_slice_of_a_view_is_found_in_the_grid(axis, moved):
    image = ramp((9, 7, 5))
    node = bridge.add_node(image, "T1", kind="image")
    parent = add_transform(rigid_matrix(0.2)) if moved else None
    put_under(node, parent)
    view = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSliceNode", "View")
    grid = Grid.of(bridge.value_of(node, "image", world=False))
    index = [4.0, 3.0, 2.0]
    index[axis] = 1.3
    ras = np.diag([-1, -1, 1]) @ np.column_stack([grid.axes / grid.spacing])
    matrix = np.eye(4)
    order = [(axis + 1) % 3, (axis + 2) % 3, axis]
    matrix[:3, :3] = ras[:, order]
    matrix[:3, 3] = grid.to_physical(np.array([index]))[0] * (-1, -1, 1)
    if parent is not None:
        world = vtk.vtkMatrix4x4()
        parent.GetMatrixTransformToWorld(world)
        matrix = np.array([[world.GetElement(r, c) for c in range(4)] for r in range(4)]) @ matrix
    for row in range(4):
        for column in range(4):
            view.GetSliceToRAS().SetElement(row, column, matrix[row, column])
    assert place_of(grid, view, parent) == Place(axis, 1)
    for row in range(3):
        view.GetSliceToRAS().SetElement(row, 3, matrix[row, 3] + 500 * matrix[row, 2])
    assert place_of(grid, view, parent) is None


def test_a_single_slice_is_its_own_place():
    view = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSliceNode", "View")
    assert place_of(Grid.of(sitk.Image(5, 4, sitk.sitkInt16)), view, None) == Place(1, 0)
