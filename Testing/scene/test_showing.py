"""Surfaces of segments and tables in the views; nothing is measured on a surface."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from MedImgAnalysisLib.scene import bridge, outputs, showing
from MedImgAnalysisLib.scene.run import run_in_scene
from MedImgAnalysisLib.scene.standalone import application_logic
from MedImgAnalysisLib.segmentation import MeasureSegments, Threshold
from MedImgAnalysisLib.values import Labels
from scene_helpers import box, overlapping

SIZE = (12, 10, 8)


@pytest.fixture
def volume():
    import SimpleITK as sitk

    image = sitk.Cast(box(SIZE, (2, 2, 2), (9, 8, 7)), sitk.sitkFloat32) * 100
    return bridge.add_node(
        image + sitk.Cast(box(SIZE, (3, 3, 3), (6, 6, 5)), sitk.sitkFloat32) * 100, "T1", kind="image"
    )


@pytest.fixture
def drawn():
    return bridge.add_node(overlapping(), "Drawn", kind="labels")


def threshold(volume, target, lower):
    return run_in_scene(Threshold(lower=lower), {"image": volume}, {"labels": target})["labels"]


def points_of(node, identity) -> int:
    return node.GetClosedSurfaceInternalRepresentation(identity).GetNumberOfPoints()


def test_only_the_new_segments_appear_when_nothing_was_in_3d(volume, drawn):
    node = threshold(volume, drawn, 50.0)
    new = outputs.segments_of(node)
    assert len(new) == 1 and not showing.shown_in_3d(node, new)
    showing.show_in_3d(node, new)
    display = node.GetDisplayNode()
    assert showing.shown_in_3d(node, new) and points_of(node, new[0]) > 20
    assert not display.GetSegmentVisibility3D("tumour") and display.GetSegmentVisibility("tumour")
    showing.hide_in_3d(node, new)
    assert not showing.shown_in_3d(node, new) and display.GetSegmentVisibility(new[0])


def test_what_was_in_3d_stays_there(volume, drawn):
    showing.show_in_3d(drawn, ["tumour"])
    node = threshold(volume, drawn, 50.0)
    showing.show_in_3d(node, outputs.segments_of(node))
    assert showing.shown_in_3d(node, ["tumour", *outputs.segments_of(node)])
    assert not showing.shown_in_3d(node, ["oedema"])


def test_a_rerun_shows_the_new_surface(volume, drawn):
    node = threshold(volume, drawn, 50.0)
    new = outputs.segments_of(node)
    showing.show_in_3d(node, new)
    large, others = points_of(node, new[0]), points_of(node, "tumour")
    threshold(volume, drawn, 150.0)
    assert outputs.segments_of(node) == new
    assert showing.shown_in_3d(node, new) and 0 < points_of(node, new[0]) < large
    assert points_of(node, "tumour") == others


def test_measures_and_the_record_do_not_change_with_a_surface(volume, drawn):
    node = threshold(volume, drawn, 50.0)
    before = run_in_scene(MeasureSegments(), {"labels": node, "image": volume})["table"]
    showing.show_in_3d(node, outputs.segments_of(node))
    assert node.GetSegmentation().GetSourceRepresentationName() == "Binary labelmap"
    after = run_in_scene(MeasureSegments(), {"labels": node, "image": volume})["table"]
    first, second = (bridge.value_of(table, "table").rows for table in (before, after))
    for one, two in zip(first, second, strict=True):
        np.testing.assert_equal(one, two)
    threshold(volume, drawn, 150.0)
    assert node.GetSegmentation().GetNumberOfSegments() == 4, "still known as its own"


def test_segments_without_a_voxel_have_no_surface_and_do_no_harm():
    node = bridge.add_node(Labels.from_masks([("None", box(SIZE, (0, 0, 0), (0, 0, 0)))]), "Empty", kind="labels")
    showing.show_in_3d(node, [node.GetSegmentation().GetNthSegmentID(0)])
    assert node.GetSegmentation().GetNumberOfSegments() == 1


def test_a_table_becomes_the_one_that_table_views_show(volume, drawn):
    table = run_in_scene(MeasureSegments(), {"labels": drawn})["table"]
    showing.show_table(table)
    assert application_logic().GetSelectionNode().GetActiveTableID() == table.GetID()


def test_the_layout_changes_only_where_it_has_no_such_view():
    class Manager:
        layout = slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView

        def setLayout(self, number):
            self.layout = number

    manager = Manager()
    view = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLViewNode", "View1")
    view.SetMappedInLayout(1)
    manager.layout = slicer.vtkMRMLLayoutNode.SlicerLayoutOneUp3DView
    showing.layout_with_3d(manager)
    assert manager.layout == slicer.vtkMRMLLayoutNode.SlicerLayoutOneUp3DView
    view.SetMappedInLayout(0)
    showing.layout_with_3d(manager)
    assert manager.layout == slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView
