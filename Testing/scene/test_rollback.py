"""All or nothing: whatever fails, and wherever, the scene is as it was."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from MedImgAnalysisLib.errors import Cancelled, InputError
from MedImgAnalysisLib.progress import Progress
from MedImgAnalysisLib.scene import bridge, outputs
from MedImgAnalysisLib.scene.digest import changes, scene_digest
from MedImgAnalysisLib.scene.run import run_in_scene
from MedImgAnalysisLib.values import Column, Curve, Curves, Landmarks, Measurements
from scene_helpers import add_transform, overlapping, put_under, ramp, rigid_matrix
from scene_operations import Everything


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
