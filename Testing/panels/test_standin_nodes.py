"""The node and segment widgets of the stand-in follow the scene as Slicer's do."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def slicer(standin):
    return standin


def add(slicer, kind="vtkMRMLScalarVolumeNode", name="a"):
    return slicer.mrmlScene.AddNewNodeByClass(kind, name)


@pytest.fixture
def combo(slicer):
    made = slicer.qMRMLNodeComboBox()
    made.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    made.noneEnabled = True
    made.setMRMLScene(slicer.mrmlScene)
    return made


def test_a_node_combo_box_lists_the_nodes_of_its_types(slicer, combo):
    first, _ = add(slicer), add(slicer, "vtkMRMLTransformNode", "t")
    label = add(slicer, "vtkMRMLLabelMapVolumeNode", "l")
    assert combo.nodeCount() == 2
    assert combo.nodeFromIndex(0) is first
    combo.showChildNodeTypes = False
    assert combo.nodeCount() == 1
    combo.nodeTypes = ["vtkMRMLLabelMapVolumeNode"]
    assert combo.nodeFromIndex(0) is label


def test_choosing_a_node_tells_it_once_with_each_signal(slicer, combo):
    volume, got = add(slicer), []
    combo.connect("currentNodeChanged(vtkMRMLNode*)", got.append)
    combo.connect("currentNodeChanged(bool)", got.append)
    combo.connect("currentNodeIDChanged(QString)", got.append)
    combo.setCurrentNode(volume)
    assert got == [volume, True, volume.GetID()]
    combo.setCurrentNode(volume)
    assert len(got) == 3
    combo.currentNodeID = ""
    assert combo.currentNode() is None


def test_a_removed_node_is_not_current_any_more(slicer, combo):
    volume = add(slicer)
    combo.setCurrentNode(volume)
    slicer.mrmlScene.RemoveNode(volume)
    assert combo.currentNode() is None
    assert combo.nodeCount() == 0


def test_without_none_and_extra_rows_the_first_node_is_chosen(slicer):
    combo = slicer.qMRMLNodeComboBox()
    combo.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    combo.addEnabled = combo.removeEnabled = False
    combo.setMRMLScene(slicer.mrmlScene)
    volume = add(slicer)
    assert combo.currentNode() is volume


def test_nodes_can_be_made_and_filtered_by_attribute(slicer, combo):
    combo.baseName = "Result"
    made = combo.addNode()
    assert made.GetName() == "Result"
    assert combo.currentNode() is made
    combo.addAttribute("vtkMRMLScalarVolumeNode", "Role", "output")
    assert combo.nodeCount() == 0
    made.SetAttribute("Role", "output")
    add(slicer, name="other")
    assert combo.nodeCount() == 1


def test_a_checkable_combo_box_keeps_what_is_checked(slicer):
    combo = slicer.qMRMLCheckableNodeComboBox()
    combo.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    combo.setMRMLScene(slicer.mrmlScene)
    first, second, count = add(slicer), add(slicer, name="b"), []
    combo.connect("checkedNodesChanged()", lambda: count.append(1))
    combo.check(second)
    assert combo.checkedNodes() == (second,)
    assert combo.uncheckedNodes() == (first,)
    assert len(count) == 1


@pytest.fixture
def segmentation(slicer):
    node = add(slicer, "vtkMRMLSegmentationNode", "s")
    for name in ("liver", "tumour"):
        node.GetSegmentation().AddEmptySegment(name, name, np.random.default_rng(1).random(3))
    return node


def test_a_segment_selector_follows_the_segments(slicer, segmentation):
    selector = slicer.qMRMLSegmentSelectorWidget()
    selector.setMRMLScene(slicer.mrmlScene)
    got = []
    selector.connect("currentSegmentChanged(QString)", got.append)
    selector.setCurrentNode(segmentation)
    assert selector.segmentIDs() == ("liver", "tumour")
    assert selector.currentSegmentID() == "liver"
    selector.setCurrentSegmentID("tumour")
    segmentation.GetSegmentation().RemoveSegment("tumour")
    assert selector.currentSegmentID() == "liver"
    assert got == ["tumour", "liver"]  # the only node was chosen with the scene, and its first segment


def test_a_segment_table_selects_rows(slicer, segmentation):
    table = slicer.qMRMLSegmentsTableView()
    table.setSegmentationNode(segmentation)
    assert table.segmentCount == 2
    table.setSelectedSegmentIDs(["tumour"])
    assert table.selectedSegmentIDs() == ("tumour",)
    table.setHideSegments(["tumour"])
    assert table.displayedSegmentIDs() == ("liver",)


def test_a_subject_hierarchy_combo_box_shows_items(slicer):
    combo = slicer.qMRMLSubjectHierarchyComboBox()
    combo.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    combo.setMRMLScene(slicer.mrmlScene)
    volume = add(slicer)
    add(slicer, "vtkMRMLTableNode", "t")
    combo.setCurrentNode(volume)
    assert combo.currentNode() is volume
    assert combo.count == 1


def test_a_table_view_shows_titles_units_and_values(slicer):
    node = add(slicer, "vtkMRMLTableNode", "t")
    slicer.util.updateTableFromArray(node, [np.array([1.5, 2.5])], ["dice"])
    node.SetColumnTitle("dice", "Dice")
    node.SetColumnUnitLabel("dice", "mm")
    node.SetUseColumnTitleAsColumnHeader(True)
    view = slicer.qMRMLTableView()
    view.setMRMLTableNode(node)
    model = view.model()
    assert model.headerData(0, 1) == "Dice [mm]"
    assert model.data(model.index(1, 0)) == "2.5"


def test_slice_viewer_layers_are_recorded_and_wrong_arguments_refused(slicer):
    from slicer_standin.record import RECORD

    volume = add(slicer)
    slicer.util.setSliceViewerLayers(background=volume, fit=True)
    assert RECORD.slice_layers == [{"background": volume, "fit": True}]
    with pytest.raises(TypeError):
        slicer.util.setSliceViewerLayers(back=volume)


def test_an_error_in_a_scene_observer_is_recorded(slicer, standin):
    from slicer_standin.record import RECORD

    def observer(caller, event):
        raise ValueError("observer")

    tag = slicer.mrmlScene.AddObserver(slicer.mrmlScene.NodeAddedEvent, observer)
    add(slicer)
    slicer.mrmlScene.RemoveObserver(tag)
    assert [str(error) for error in RECORD.slot_errors] == ["observer"]
    RECORD.slot_errors.clear()


def test_a_new_name_is_shown_and_a_hidden_node_goes(slicer, combo):
    volume = add(slicer)
    inner = combo.findChild("QComboBox")
    assert "a" in [inner.itemText(i) for i in range(inner.count)]
    volume.SetName("renamed")
    assert "renamed" in [inner.itemText(i) for i in range(inner.count)]
    volume.SetHideFromEditors(True)
    volume.Modified()
    assert combo.nodeCount() == 0


def test_the_current_node_is_dropped_while_it_still_is_in_the_scene(slicer, combo):
    volume, there = add(slicer), []
    combo.setCurrentNode(volume)
    combo.connect("currentNodeChanged(vtkMRMLNode*)", lambda node: there.append(volume.GetScene() is not None))
    slicer.mrmlScene.RemoveNode(volume)
    assert there == [True]


def test_closing_the_scene_is_told_once_at_its_end(slicer, combo):
    combo.setCurrentNode(add(slicer))
    add(slicer, name="b")
    closing = []
    combo.connect("currentNodeChanged(vtkMRMLNode*)", lambda node: closing.append(slicer.mrmlScene.IsClosing()))
    slicer.mrmlScene.Clear(0)
    assert closing == [False]
    assert combo.currentNode() is None
