"""Runs in the scene: inputs untouched, results in the right place, all or nothing."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from medimg_testing import oblique_grid
from MedImgAnalysisLib import catalog
from MedImgAnalysisLib.errors import Cancelled, InputError, RecipeError
from MedImgAnalysisLib.filtering import gaussian
from MedImgAnalysisLib.geometry import Grid
from MedImgAnalysisLib.operation import Operation
from MedImgAnalysisLib.parameters import Quantity
from MedImgAnalysisLib.progress import SILENT, Progress
from MedImgAnalysisLib.provenance import ATTRIBUTE, fingerprint
from MedImgAnalysisLib.recipe import Recipe
from MedImgAnalysisLib.scene import bridge, outputs, segmentations
from MedImgAnalysisLib.scene.digest import changes, scene_digest
from MedImgAnalysisLib.scene.run import SceneRun, run_in_scene, single_step
from MedImgAnalysisLib.segmentation.auto_threshold import AutoThreshold
from MedImgAnalysisLib.values import Column, Curve, Curves, Image, Labels, Landmarks, Mask, Measurements, Transform
from scene_helpers import add_transform, box, overlapping, put_under, ramp, rigid_matrix, same_voxels

Gaussian = gaussian.Gaussian


class EverythingMade(NamedTuple):
    image: Image
    labels: Labels
    transform: Transform
    landmarks: Landmarks
    table: Measurements
    curves: Curves


@dataclass(frozen=True)
class Everything(Operation):
    """Make one result of every kind.

    Parameters
    ----------
    offset
        Added to the image.
    """

    name: ClassVar[str] = "everything"
    title: ClassVar[str] = "Everything"
    group: ClassVar[str] = "Test"
    keeps: ClassVar = {"image": "image"}
    fail: ClassVar[bool] = False

    offset: Annotated[float, Quantity("", -100, 100)] = 1.0

    def run(self, image: Image, labels: Labels | None = None, transform: Transform | None = None,
            landmarks: Landmarks | None = None, *, progress: Progress = SILENT) -> EverythingMade:  # fmt: skip
        progress.report(0.5, "Half")
        if self.fail:
            raise InputError("The operation failed on purpose.")
        made = sitk.Cast(image, sitk.sitkFloat32) + self.offset
        inside = sitk.Greater(image, float(np.median(sitk.GetArrayViewFromImage(image))))
        centre = Grid.of(image).corners.mean(axis=0)
        series = (Curve("A", np.arange(3.0), np.arange(3.0) * self.offset),)
        return EverythingMade(
            made,
            Labels.from_masks([("Bright", inside), ("All", sitk.Cast(inside * 0 + 1, sitk.sitkUInt8))]),
            sitk.TranslationTransform(3, (self.offset, 0, 0)),
            Landmarks(("centre",), centre[None]),
            Measurements((Column("n", "N"),), ({"n": self.offset},)),
            Curves("C", "X", "Y", series),
        )


@pytest.fixture(autouse=True)
def everything(monkeypatch):
    monkeypatch.setitem(catalog.OPERATIONS, "everything", Everything)
    return Everything


@pytest.fixture
def volume():
    k, j, i = np.meshgrid(*(np.arange(n, dtype=float) for n in (12, 14, 16)), indexing="ij")
    array = (100 * np.exp(-(((i - 8) / 4) ** 2 + ((j - 7) / 3) ** 2 + ((k - 6) / 3) ** 2))).astype(np.float32)
    return bridge.add_node(oblique_grid(sitk.GetImageFromArray(array)), "T1", kind="image")


def gaussian_of(node, **more):
    return run_in_scene(Gaussian(sigma_mm=1.5), {"image": node}, **more)["image"]


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


def full_scene():
    """A scene with a node of every kind, all of them under transforms, in folders or with references."""
    image = bridge.add_node(ramp((8, 8, 8)), "Old image", kind="image")
    labels = bridge.add_node(overlapping(), "Old labels", kind="labels")
    transform = bridge.add_node(sitk.TranslationTransform(3, (1, 2, 3)), "Old transform", kind="transform")
    landmarks = bridge.add_node(Landmarks(("p", "q"), np.eye(3)[:2]), "Old points", kind="landmarks")
    table = bridge.add_node(Measurements((Column("a", "A", "mm"),), ({"a": 0.1},)), "Old table", kind="table")
    curves = bridge.add_node(
        Curves("Old", "x", "y", (Curve("c", np.arange(3.0), np.ones(3)),)), "Old chart", kind="curves"
    )
    parent = add_transform(rigid_matrix())
    put_under(image, parent)
    put_under(landmarks, parent)
    image.SetAttribute("note", "keep me; & <this>")
    image.GetDisplayNode().SetAutoWindowLevel(0)
    image.GetDisplayNode().SetWindowLevel(12, 34)
    labels.GetDisplayNode().SetOpacity(0.25)
    labels.GetDisplayNode().SetSegmentVisibility("tumour", False)
    return {"image": image, "labels": labels, "transform": transform, "landmarks": landmarks, "table": table,
            "curves": curves}  # fmt: skip


STEPS = ("image", "labels", "transform", "landmarks", "table", "curves")


@pytest.mark.parametrize("overwrite", [False, True], ids=["new nodes", "overwritten nodes"])
@pytest.mark.parametrize("at", range(6), ids=STEPS)
def test_an_error_in_the_middle_of_writing_leaves_the_scene_as_it_was(volume, monkeypatch, overwrite, at):
    targets = full_scene()
    before = scene_digest()
    real, calls = outputs._sign, []

    def sign(node, output, segments):
        real(node, output, segments)
        calls.append(output.role)
        if len(calls) == at + 1:
            raise RuntimeError("disk on fire")

    monkeypatch.setattr(outputs, "_sign", sign)
    with pytest.raises(RuntimeError, match="disk on fire"):
        run_in_scene(Everything(), {"image": volume}, targets if overwrite else None)
    assert len(calls) == at + 1
    assert changes(before, scene_digest()) == {"added": [], "removed": [], "changed": []}


def test_the_scene_works_on_after_a_failure(volume, monkeypatch):
    targets = full_scene()
    with monkeypatch.context() as patch:
        patch.setattr(outputs, "_sign", lambda *_: (_ for _ in ()).throw(RuntimeError("disk on fire")))
        with pytest.raises(RuntimeError):
            run_in_scene(Everything(), {"image": volume}, targets)
    assert not slicer.mrmlScene.IsBatchProcessing()
    assert run_in_scene(Everything(), {"image": volume}, targets) == targets
    assert bridge.value_of(targets["table"], "table").rows == ({"n": 1.0},)
    assert bridge.value_of(targets["curves"], "curves").title == "C"


def test_an_error_of_the_operation_leaves_the_scene_as_it_was(volume, monkeypatch):
    targets = full_scene()
    before = scene_digest()
    monkeypatch.setattr(Everything, "fail", True)
    with pytest.raises(InputError, match="on purpose"):
        run_in_scene(Everything(), {"image": volume}, targets)
    assert scene_digest() == before


def test_a_cancel_leaves_the_scene_as_it_was(volume):
    progress = Progress(on_progress=lambda *_: progress.cancel())
    before = scene_digest()
    with pytest.raises(Cancelled):
        run_in_scene(Everything(), {"image": volume}, progress=progress)
    assert scene_digest() == before


def test_a_result_that_does_not_fit_its_output_changes_nothing(volume, scene):
    vector = bridge.add_node(sitk.Image([3, 3, 3], sitk.sitkVectorUInt8, 3), "Colours", kind="image")
    before = scene_digest()
    with pytest.raises(InputError, match="'Colours' is a VectorVolume node"):
        run_in_scene(Everything(), {"image": volume}, {"transform": "T", "image": vector})
    assert scene_digest() == before


def test_overwriting_a_chart_replaces_its_old_series_and_table(volume, scene):
    first = run_in_scene(Everything(), {"image": volume}, {"curves": "Plot"})["curves"]
    count = scene.GetNumberOfNodesByClass("vtkMRMLPlotSeriesNode"), scene.GetNumberOfNodesByClass("vtkMRMLTableNode")
    run_in_scene(Everything(), {"image": volume}, {"curves": first, "table": "Numbers"})
    assert scene.GetNumberOfNodesByClass("vtkMRMLPlotSeriesNode") == count[0]
    assert scene.GetNumberOfNodesByClass("vtkMRMLTableNode") == count[1] + 1


def test_all_is_written_in_one_batch(volume, scene):
    states: list[tuple[str, bool]] = []
    tags = [scene.AddObserver(event, lambda caller, name: states.append((name, caller.IsBatchProcessing())))
            for event in (scene.StartBatchProcessEvent, scene.EndBatchProcessEvent, scene.NodeAddedEvent)]  # fmt: skip
    run_in_scene(Everything(), {"image": volume})
    for tag in tags:
        scene.RemoveObserver(tag)
    assert len(states) > 8
    assert all(batch for _, batch in states[1:-1])


def test_an_input_is_refused_as_output(volume):
    with pytest.raises(InputError, match="'T1' is an input, and inputs are never changed"):
        gaussian_of(volume, outputs={"image": volume})


def test_the_segmentation_of_a_mask_is_refused_as_output(volume):
    node = bridge.add_node(Labels.from_masks([("M", box((16, 14, 12), (2, 2, 2), (9, 9, 9)))]), "Seg", kind="labels")
    with pytest.raises(InputError, match="'Seg' is an input"):
        run_in_scene(AutoThreshold(), {"image": volume, "mask": (node, "Segment_1")}, {"labels": node})


def test_one_node_is_refused_for_two_outputs(volume):
    recipe = Recipe.from_data({
        "medimg_recipe": 1, "inputs": {"t1": {"kind": "image"}}, "outputs": ["a", "b"],
        "steps": [{"id": name, "operation": "gaussian", "inputs": {"image": "t1"}, "outputs": {"image": name}}
                  for name in "ab"],
    })  # fmt: skip
    target = bridge.add_node(ramp(), "Mine", kind="image")
    with pytest.raises(InputError, match="'Mine' is named as two outputs"):
        SceneRun(recipe, {"t1": volume}, {"a": target, "b": target})


def test_a_transform_above_an_input_is_refused_as_output(volume):
    parent = add_transform(rigid_matrix())
    put_under(volume, parent)
    with pytest.raises(InputError, match="An input is under the transform 'Parent'"):
        run_in_scene(Everything(), {"image": volume}, {"transform": parent})


def test_an_input_that_is_under_a_transform_input_is_refused(volume):
    parent = add_transform(rigid_matrix())
    put_under(volume, parent)
    with pytest.raises(InputError, match="'T1' is already under the transform 'Parent', which is an input as well"):
        run_in_scene(Everything(), {"image": volume, "transform": parent})


def test_a_wrong_class_is_refused_by_name_and_says_what_would_be_right(scene):
    node = scene.AddNewNodeByClass("vtkMRMLModelNode", "Skull")
    with pytest.raises(InputError, match="Input 'image': 'Skull' is a Model node; image needs one of: ScalarVolume"):
        gaussian_of(node)


def test_a_missing_or_unknown_role_is_refused(volume):
    with pytest.raises(InputError, match="gaussian needs the input 'image'"):
        run_in_scene(Gaussian(), {})
    with pytest.raises(InputError, match="gaussian has no input 'picture'; it has image"):
        run_in_scene(Gaussian(), {"picture": volume})
    with pytest.raises(InputError, match="gaussian has no output 'labels'; it has image"):
        gaussian_of(volume, outputs={"labels": "x"})


def test_unknown_names_of_a_recipe_are_refused(volume):
    recipe, nodes = single_step(Gaussian(), {"image": volume})
    with pytest.raises(RecipeError, match="no input 'other'"):
        SceneRun(recipe, {**nodes, "other": volume})
    with pytest.raises(RecipeError, match="no output 'other'"):
        SceneRun(recipe, nodes, {"other": "x"})


def started(volume):
    run = SceneRun(*single_step(Gaussian(), {"image": volume}))
    run.collect()
    run.compute()
    return run


def test_an_input_that_was_deleted_meanwhile_stops_the_writing(volume, scene):
    run = started(volume)
    scene.RemoveNode(volume)
    before = scene_digest()
    with pytest.raises(InputError, match="'T1' was deleted while the operation ran"):
        run.commit()
    assert scene_digest() == before


def change_voxels(node):
    import slicer.util

    slicer.util.arrayFromVolume(node)[0, 0, 0] = 55
    slicer.util.arrayFromVolumeModified(node)


def change_spacing(node):
    node.SetSpacing(9, 9, 9)


def change_parent(node):
    put_under(node, add_transform(rigid_matrix()))


@pytest.mark.parametrize("change", [change_voxels, change_spacing, change_parent])
def test_an_input_that_was_changed_meanwhile_stops_the_writing(volume, change):
    run = started(volume)
    change(volume)
    before = scene_digest()
    with pytest.raises(InputError, match="'T1' was changed while the operation ran"):
        run.commit()
    assert scene_digest() == before


def test_looking_at_an_input_or_renaming_it_meanwhile_does_not_stop_the_writing(volume):
    run = started(volume)
    volume.GetDisplayNode().SetAutoWindowLevel(0)
    volume.GetDisplayNode().SetWindowLevel(5, 5)
    volume.SetName("Renamed")
    volume.SetAttribute("seen", "yes")
    assert run.commit()["gaussian_image"].GetName() == "Renamed Gaussian smoothing"


def test_a_segment_that_was_painted_meanwhile_stops_the_writing(volume):
    node = bridge.add_node(Labels.from_masks([("M", box((16, 14, 12), (2, 2, 2), (9, 9, 9)))]), "Seg", kind="labels")
    run = SceneRun(*single_step(AutoThreshold(), {"image": volume, "mask": (node, "Segment_1")}))
    run.collect()
    run.compute()
    more = Labels.from_masks([("M", box((16, 14, 12), (2, 2, 2), (11, 9, 9)))])
    segmentations.put_labels(more, node)
    with pytest.raises(InputError, match="'Seg' was changed"):
        run.commit()


def test_an_output_that_was_deleted_meanwhile_stops_the_writing(volume, scene):
    target = bridge.add_node(ramp(), "Mine", kind="image")
    run = SceneRun(*single_step(Gaussian(), {"image": volume}), {"gaussian_image": target})
    run.collect()
    run.compute()
    scene.RemoveNode(target)
    with pytest.raises(InputError, match="output 'Mine' was deleted"):
        run.commit()


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
    assert "belongs to the sequence 'Browser'; only its current frame (1) is used" in said[0]
    assert said[0] in json.loads(made.GetAttribute(ATTRIBUTE))["warnings"]
