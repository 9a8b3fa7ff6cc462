"""Surfaces in the scene: models, their colours, Slicer's own files, and runs that make them."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import vtk
from medimg_testing import oblique_grid
from MedImgAnalysisLib import files
from MedImgAnalysisLib.agreement import CompareSegmentations
from MedImgAnalysisLib.errors import InputError
from MedImgAnalysisLib.provenance import fingerprint
from MedImgAnalysisLib.scene import bridge, standalone
from MedImgAnalysisLib.scene.digest import changes, scene_digest
from MedImgAnalysisLib.scene.run import run_in_scene
from MedImgAnalysisLib.scene.verify import verify_node
from MedImgAnalysisLib.values import Labels, PointValues, Surface
from scene_helpers import add_transform, put_under, rigid_matrix

POINTS = np.array([[0, 0, 0], [3, 0, 0], [0, 4, 0], [0, 0, 5]], float) + np.array([1 / 3, -20, 7])
FACES = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
SURFACE = Surface(
    POINTS, FACES, (PointValues("Distance", [0.1, -2, np.nan, 1e-7], "mm"), PointValues("Row", [1, 2, 3, 4]))
)


def labels(shift: int = 0) -> Labels:
    array = np.zeros((12, 14, 16), np.uint8)
    array[3:8, 4:9, 5 + shift : 10 + shift] = 1
    return Labels.from_masks([("Box", oblique_grid(sitk.GetImageFromArray(array)))])


def two_segmentations():
    return [bridge.add_node(labels(shift), name, kind="labels") for shift, name in ((0, "Rater 1"), (2, "Rater 2"))]


def test_a_surface_comes_back_from_its_model_bit_by_bit():
    node = bridge.add_node(SURFACE, "S", kind="surface")
    back = bridge.value_of(node, "surface")
    assert fingerprint(back) == fingerprint(SURFACE)
    assert node.GetPolyData().GetPoint(1) == pytest.approx((-POINTS[1, 0], -POINTS[1, 1], POINTS[1, 2]))


def test_a_model_is_turned_outwards_as_the_surface_is():
    mesh = bridge.add_node(SURFACE, "S", kind="surface").GetPolyData()
    mass = vtk.vtkMassProperties()
    mass.SetInputData(mesh)
    assert mass.GetVolume() == pytest.approx(SURFACE.volume_mm3)
    assert bridge.value_of(slicer.mrmlScene.GetFirstNodeByName("S"), "surface").volume_mm3 == pytest.approx(10)


def test_a_model_is_coloured_by_its_first_value_with_zero_in_the_middle():
    display = bridge.add_node(SURFACE, "S", kind="surface").GetDisplayNode()
    assert display.GetScalarVisibility()
    assert display.GetActiveScalarName() == "Distance [mm]"
    assert display.GetScalarRange() == (-2.0, 2.0)
    assert display.GetColorNode() is not None


def test_a_legend_says_the_unit():
    node = bridge.add_node(SURFACE, "S", kind="surface")
    legend = slicer.modules.colors.logic().GetColorLegendDisplayNode(node)
    assert legend.GetTitleText() == "Distance [mm]"
    bridge.put_value(SURFACE, node, "surface")
    assert slicer.modules.colors.logic().GetNumberOfColorLegendDisplayNodes(node) == 1


def test_numbers_of_one_sign_begin_at_zero():
    values = (PointValues("Thickness", [1, 2, 3, 4], "mm"),)
    display = bridge.add_node(Surface(POINTS, FACES, values), "S", kind="surface").GetDisplayNode()
    assert display.GetScalarRange() == (0.0, 4.0)


def test_parent_transforms_are_applied_in_world_coordinates():
    matrix = rigid_matrix()
    node = bridge.add_node(SURFACE, "S", kind="surface")
    put_under(node, add_transform(matrix))
    flip = np.diag([-1, -1, 1, 1])
    expected = (np.c_[POINTS, np.ones(4)] @ (flip @ matrix @ flip).T)[:, :3]
    assert np.allclose(bridge.value_of(node, "surface").points, expected, atol=1e-9)
    assert np.array_equal(bridge.value_of(node, "surface", world=False).points, POINTS)


def test_polygons_and_strips_of_other_models_become_triangles():
    source = vtk.vtkCubeSource()
    source.Update()
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", "Cube")
    node.SetAndObservePolyData(source.GetOutput())
    found = bridge.value_of(node, "surface")
    assert found.triangles.shape == (12, 3)
    assert found.volume_mm3 == pytest.approx(1)


def test_an_empty_model_is_refused():
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", "Empty")
    with pytest.raises(InputError, match="no points"):
        bridge.value_of(node, "surface")


def stored(path, node):
    storage = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelStorageNode")
    storage.SetFileName(str(path))
    return storage, node


def test_slicer_reads_our_file_where_it_belongs(tmp_path):
    path = files.write(SURFACE, tmp_path / "a.vtk")
    storage, node = stored(path, slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", "Read"))
    assert storage.ReadData(node) == 1
    assert fingerprint(bridge.value_of(node, "surface")) == fingerprint(SURFACE)


@pytest.mark.parametrize("system", ["RAS", "LPS"])
def test_we_read_what_slicer_writes(tmp_path, system):
    storage, node = stored(tmp_path / f"{system}.vtk", bridge.add_node(SURFACE, "S", kind="surface"))
    storage.SetCoordinateSystem(storage.GetCoordinateSystemFromString(system))
    assert storage.WriteData(node) == 1
    back = files.read(tmp_path / f"{system}.vtk", "surface")
    assert np.allclose(back.points, POINTS, atol=1e-5)
    assert np.array_equal(back.triangles, FACES)
    assert back.value("Distance")[:2].tolist() == [0.1, -2]


def test_a_saved_scene_keeps_the_model_and_its_colours(tmp_path):
    bridge.add_node(SURFACE, "S", kind="surface")
    path = tmp_path / "s.mrb"
    standalone.save_mrb(path)
    standalone.load(path)
    node = slicer.mrmlScene.GetFirstNodeByName("S")
    assert np.allclose(bridge.value_of(node, "surface").points, POINTS, atol=1e-5)
    assert node.GetDisplayNode().GetActiveScalarName() == "Distance [mm]"


def test_a_comparison_puts_errors_and_surface_into_the_scene():
    reference, test = two_segmentations()
    operation = CompareSegmentations(mark_errors=True, color_surface=True)
    nodes = run_in_scene(operation, {"reference": reference, "test": test})
    assert nodes["surface"].GetName() == "Rater 1 Compare segmentations surface"
    assert verify_node(nodes["surface"]).equal
    errors = bridge.value_of(nodes["errors"], "labels")
    assert errors.names == ("Box true positive", "Box false positive", "Box false negative")
    assert errors.grid.same_as(labels().grid)
    assert [int(sitk.GetArrayFromImage(errors.mask(s)).sum()) for s in errors.segments] == [75, 50, 50]
    assert [s.color for s in errors.segments] == [
        pytest.approx(c) for c in ((0, 0.62, 0.45), (0.84, 0.37, 0), (0, 0.45, 0.7))
    ]
    inside = errors.mask(errors.segments[1])
    assert inside.TransformPhysicalPointToIndex(inside.TransformIndexToPhysicalPoint((11, 6, 5))) == (11, 6, 5)
    assert inside[11, 6, 5] == 1


def test_the_surface_moves_with_segmentations_under_one_transform():
    reference, test = two_segmentations()
    parent = add_transform(rigid_matrix())
    for node in (reference, test):
        put_under(node, parent)
    nodes = run_in_scene(CompareSegmentations(color_surface=True), {"reference": reference, "test": test})
    assert nodes["surface"].GetParentTransformNode() is parent
    assert verify_node(nodes["surface"]).equal


def test_overwriting_a_model_that_fails_leaves_it_as_it_was(monkeypatch):
    from MedImgAnalysisLib.scene import outputs

    reference, test = two_segmentations()
    target = bridge.add_node(SURFACE, "Old", kind="surface")
    before = scene_digest()
    monkeypatch.setattr(outputs, "_sign", lambda *args: (_ for _ in ()).throw(RuntimeError("no")))
    with pytest.raises(RuntimeError, match="no"):
        run_in_scene(
            CompareSegmentations(color_surface=True), {"reference": reference, "test": test}, {"surface": target}
        )
    assert changes(before, scene_digest()) == {"added": [], "removed": [], "changed": []}
    assert fingerprint(bridge.value_of(target, "surface")) == fingerprint(SURFACE)
