"""Runs in the scene: inputs untouched, results in the right place, with their record."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import SimpleITK as sitk
import slicer
from MedImgAnalysisLib import catalog
from MedImgAnalysisLib.filtering.gaussian import Gaussian
from MedImgAnalysisLib.geometry import Grid
from MedImgAnalysisLib.operation import Operation
from MedImgAnalysisLib.progress import SILENT, Progress
from MedImgAnalysisLib.provenance import ATTRIBUTE, fingerprint
from MedImgAnalysisLib.recipe import Recipe
from MedImgAnalysisLib.scene import bridge, segmentations
from MedImgAnalysisLib.scene.digest import changes, scene_digest
from MedImgAnalysisLib.scene.run import SceneRun, run_in_scene, single_step
from MedImgAnalysisLib.values import Labels, Mask
from scene_helpers import box, overlapping, ramp, same_voxels
from scene_operations import Everything, gaussian_of


def test_a_run_gives_what_the_operation_gives_on_plain_images(volume):
    expected = Gaussian(sigma_mm=1.5).run(bridge.value_of(volume, "image"))
    assert same_voxels(bridge.value_of(gaussian_of(volume), "image"), expected)


def test_only_new_nodes_appear_and_no_other_node_changes(volume, scene):
    before = scene_digest()
    made = gaussian_of(volume)
    found = changes(before, scene_digest())
    assert found["removed"] == []
    assert found["changed"] == [scene.GetFirstNodeByClass("vtkMRMLSubjectHierarchyNode").GetID()]
    assert set(found["added"]) == {made.GetID(), made.GetDisplayNode().GetID()}


def test_new_nodes_are_named_after_their_input(volume):
    assert gaussian_of(volume).GetName() == "T1 Gaussian smoothing"
    assert gaussian_of(volume).GetName() == "T1 Gaussian smoothing_1"
    assert gaussian_of(volume, outputs={"image": "Smooth"}).GetName() == "Smooth"


def test_a_registration_is_named_after_both_and_refers_to_both(volume):
    moving = bridge.add_node(bridge.value_of(volume, "image"), "T2", kind="image")
    operation = catalog.find("register")()
    run = SceneRun(*single_step(operation, {"fixed": volume, "moving": moving}))
    assert run.default_name("transform") == "T2 to T1 transform"
    made = run.run()
    kind = slicer.vtkMRMLTransformNode
    assert made["transform"].GetNodeReference(kind.GetMovingNodeReferenceRole()) is moving
    assert made["transform"].GetNodeReference(kind.GetFixedNodeReferenceRole()) is volume


def test_a_named_output_is_overwritten_and_keeps_its_name_and_id(volume):
    target = bridge.add_node(ramp(), "Mine", kind="image")
    identity = target.GetID()
    made = gaussian_of(volume, outputs={"image": target})
    assert made is target
    assert (target.GetID(), target.GetName()) == (identity, "Mine")
    assert bridge.value_of(target, "image").GetSize() == bridge.value_of(volume, "image").GetSize()


def test_results_land_in_the_folder_of_their_input(volume, scene):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    folder = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "Patient 7")
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(volume), folder)
    made = gaussian_of(volume)
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(made)) == folder


def test_window_and_unit_follow_through_an_operation_that_keeps_the_meaning(volume):
    volume.GetDisplayNode().SetAutoWindowLevel(0)
    volume.GetDisplayNode().SetWindowLevel(77, 33)
    display = gaussian_of(volume).GetDisplayNode()
    assert (display.GetWindow(), display.GetLevel()) == (77, 33)


def test_every_kind_of_result_gets_its_node_and_record(volume):
    made = run_in_scene(Everything(offset=2.0), {"image": volume})
    assert [node.GetClassName() for node in made.values()] == [
        "vtkMRMLScalarVolumeNode", "vtkMRMLSegmentationNode", "vtkMRMLLinearTransformNode",
        "vtkMRMLMarkupsFiducialNode", "vtkMRMLTableNode", "vtkMRMLPlotChartNode",
    ]  # fmt: skip
    for role, node in made.items():
        record = json.loads(node.GetAttribute(ATTRIBUTE))
        assert record["operation"] == "everything"
        assert record["parameters"] == {"offset": 2.0}
        assert record["inputs"]["image"]["name"] == "T1"
        assert record["inputs"]["image"]["id"] == volume.GetID()
        assert record["inputs"]["image"]["sha256"] == fingerprint(bridge.value_of(volume, "image"))
        assert record["scene"]["role"] == role


def test_the_work_can_be_done_in_another_thread(volume):
    run = SceneRun(*single_step(Gaussian(sigma_mm=1.5), {"image": volume}))
    run.collect()
    before = scene_digest()
    worker = threading.Thread(target=run.compute)
    worker.start()
    worker.join()
    assert scene_digest() == before
    expected = Gaussian(sigma_mm=1.5).run(bridge.value_of(volume, "image"))
    assert same_voxels(bridge.value_of(run.commit()["gaussian_image"], "image"), expected)


def test_a_recipe_of_several_steps_writes_its_outputs_only(volume, scene):
    recipe = Recipe.from_data({
        "medimg_recipe": 1, "inputs": {"t1": {"kind": "image"}}, "outputs": ["smooth", "object"],
        "steps": [
            {"id": "one", "operation": "median", "inputs": {"image": "t1"}, "outputs": {"image": "m"}},
            {"id": "two", "operation": "gaussian", "inputs": {"image": "m"}, "outputs": {"image": "smooth"}},
            {"id": "three", "operation": "auto_threshold", "inputs": {"image": "smooth"},
             "outputs": {"labels": "object"}},
        ],
    })  # fmt: skip
    volume.GetDisplayNode().SetAutoWindowLevel(0)
    volume.GetDisplayNode().SetWindowLevel(77, 33)
    made = SceneRun(recipe, {"t1": volume}).run()
    assert list(made) == ["smooth", "object"]
    assert made["smooth"].GetName() == "T1 Gaussian smoothing"
    assert made["smooth"].GetDisplayNode().GetWindow() == 77
    assert scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 2


@dataclass(frozen=True)
class Union(Operation):
    """Voxels that are set in any of the label images."""

    name: ClassVar[str] = "union"
    title: ClassVar[str] = "Union"
    group: ClassVar[str] = "Test"

    def run(self, parts: Sequence[Labels], *, progress: Progress = SILENT) -> Mask:
        masks = [part.mask(segment) for part in parts for segment in part.segments]
        result = masks[0]
        for mask in masks[1:]:
            result = sitk.Or(result, mask)
        return result


def test_a_role_of_several_values_takes_a_list_of_nodes_and_segments(monkeypatch):
    monkeypatch.setitem(catalog.OPERATIONS, "union", Union)
    labels = overlapping()
    node = bridge.add_node(labels, "Seg", kind="labels")
    other = bridge.add_node(Labels.from_masks([("B", box((12, 10, 8), (0, 0, 0), (1, 1, 1)))]), "More", kind="labels")
    made = run_in_scene(Union(), {"parts": [(node, "tumour"), other]})["mask"]
    assert made.GetName() == "Tumour Union"
    mask = sitk.GetArrayFromImage(bridge.value_of(made, "mask"))
    assert int(mask.sum()) == 125 + 1


def test_a_result_without_segments_is_an_empty_segmentation_with_a_geometry(volume):
    nothing = Labels((Grid.of(bridge.value_of(volume, "image")).blank(),), ())
    node = bridge.add_node(nothing, "None", kind="labels", like=volume)
    assert node.GetSegmentation().GetNumberOfSegments() == 0
    assert segmentations.reference_grid(node.GetSegmentation()).same_as(nothing.grid)


def test_a_frame_of_a_sequence_is_named_in_a_warning(volume, scene):
    sequence = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "Perfusion")
    sequence.SetDataNodeAtValue(volume, "0")
    browser = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "Browser")
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    proxy = browser.GetProxyNode(sequence)
    said: list[str] = []
    made = run_in_scene(Gaussian(), {"image": proxy}, progress=Progress(on_warning=said.append))["image"]
    assert "belongs to the sequence 'Perfusion'; only its current frame (#0) is used" in said[0]
    assert said[0] in json.loads(made.GetAttribute(ATTRIBUTE))["warnings"]
