"""The parameter node holds what the panel shows: both ways, through saving, closing and loading."""

from __future__ import annotations

import json

import pytest
from panel_helpers import FILTERING, add_segmentation, add_volume, choose, log_text


@pytest.fixture
def filtering(load_module):
    return load_module(FILTERING)


@pytest.fixture
def panel(filtering):
    return filtering.widget.panel


def test_what_the_user_does_goes_into_the_node(filtering, panel):
    volume = add_volume()
    node, segment = add_segmentation(volume)
    panel.enter()
    choose(panel.chooser.combo, "median")
    panel.form.fields["radius_voxels"].widget.setValue(4)
    mask = panel.inputs.selectors["mask"].widget
    mask.setCurrentNode(node)
    mask.setCurrentSegmentID(segment)
    wrapper = filtering.logic.getParameterNode()
    assert wrapper.operation == "median"
    assert json.loads(wrapper.parameters)["median"] == {"radius_voxels": 4, "in_plane": False}
    assert json.loads(wrapper.segments)["mask"] == segment
    assert wrapper.parameterNode.GetNodeReference("MedImgInput.image") is volume
    assert wrapper.parameterNode.GetNodeReference("MedImgInput.mask") is node


def test_what_a_script_writes_is_shown(filtering, panel):
    first, second = add_volume("First"), add_volume("Second")
    panel.enter()
    wrapper = filtering.logic.getParameterNode()
    assert panel.inputs.selectors["image"].nodes() == (first,)
    wrapper.parameters = json.dumps({"median": {"radius_voxels": 3}})
    wrapper.operation = "median"
    wrapper.parameterNode.SetNodeReferenceID("MedImgInput.image", second.GetID())
    assert panel.chooser.combo.currentText.strip() == "Median"
    assert panel.form.build().values() == {"radius_voxels": 3, "in_plane": False}
    assert panel.inputs.selectors["image"].nodes() == (second,)


def test_each_operation_keeps_its_own_parameters_and_the_inputs_are_shared(panel):
    volume = add_volume()
    panel.enter()
    panel.form.fields["sigma_mm"].widget.setValue(3.25)
    choose(panel.chooser.combo, "median")
    panel.form.fields["radius_voxels"].widget.setValue(2)
    choose(panel.chooser.combo, "gaussian")
    assert panel.form.build().sigma_mm == 3.25
    choose(panel.chooser.combo, "median")
    assert panel.form.build().radius_voxels == 2
    assert panel.inputs.selectors["image"].nodes() == (volume,)


def test_a_saved_scene_restores_the_panel(filtering, panel, tmp_path):
    import slicer

    volume = add_volume("Second one")
    other = add_volume("First one")
    target = add_volume("Result")
    node, segment = add_segmentation(volume)
    panel.enter()
    choose(panel.chooser.combo, "gaussian")
    panel.form.show({"sigma_mm": 1.2345678901})
    panel.form._on_change()
    image = panel.inputs.selectors["image"].widget
    image.setCurrentNode(volume)
    mask = panel.inputs.selectors["mask"].widget
    mask.setCurrentNode(node)
    mask.setCurrentSegmentID(segment)
    panel.outputs.show("image", target)
    path = str(tmp_path / "panel.mrb")
    assert slicer.mrmlScene.WriteToMRB(path)
    image.setCurrentNode(other)
    panel.form.reset()
    slicer.mrmlScene.Clear(0)
    assert panel.inputs.selectors["image"].nodes() == ()
    assert panel.form.build().sigma_mm == 1.0
    assert slicer.mrmlScene.ReadFromMRB(path, True)
    assert panel.form.build().sigma_mm == 1.2345678901
    assert [node.GetName() for node in panel.inputs.selectors["image"].nodes()] == ["Second one"]
    assert [node.GetName() for node in panel.inputs.selectors["mask"].nodes()] == ["Brain segmentation"]
    assert panel.inputs.selectors["mask"].segment() == segment
    assert panel.outputs.node("image").GetName() == "Result"
    assert panel.run.apply_button.enabled


def test_a_scene_loaded_while_another_module_is_shown_is_there_on_coming_back(filtering, panel, tmp_path):
    import slicer

    add_volume()
    panel.enter()
    choose(panel.chooser.combo, "median")
    panel.form.fields["radius_voxels"].widget.setValue(5)
    path = str(tmp_path / "panel.mrb")
    assert slicer.mrmlScene.WriteToMRB(path)
    filtering.exit()
    slicer.mrmlScene.Clear(0)
    assert slicer.mrmlScene.ReadFromMRB(path, True)
    filtering.enter()
    assert panel.form.build().values() == {"radius_voxels": 5, "in_plane": False}
    assert [node.GetName() for node in panel.inputs.selectors["image"].nodes()] == ["T1"]


def test_closing_the_scene_empties_the_panel_and_it_goes_on_working(panel, press, wait_until):
    import slicer

    add_volume()
    panel.enter()
    slicer.mrmlScene.Clear(0)
    assert not panel.run.apply_button.enabled
    add_volume("Next")
    panel.enter()
    press(panel.run.apply_button)
    wait_until(lambda: not panel.run.runner.running)
    assert "Next Gaussian smoothing" in log_text(panel)


@pytest.mark.parametrize(
    "text", ["no json", "[1]", '{"gaussian": {"sigma_mm": -4}}', '{"gaussian": {"sigma": 1}}', '{"gaussian": 7}']
)
def test_saved_parameters_that_cannot_be_used_become_the_defaults(filtering, panel, text):
    filtering.logic.getParameterNode().parameters = text
    assert panel.form.build().sigma_mm == 1.0
    if "sigma" in text:
        assert "The saved parameters cannot be used" in log_text(panel)


def test_an_operation_that_does_not_exist_any_more_is_said_and_another_shown(filtering, panel):
    choose(panel.chooser.combo, "median")
    filtering.logic.getParameterNode().operation = "sharpen_2031"
    assert "sharpen_2031" in log_text(panel)
    assert panel.operation.name == "median"
    assert filtering.logic.getParameterNode().operation == "median"


def test_a_removed_input_is_not_chosen_any_more(panel):
    import slicer

    volume = add_volume()
    panel.enter()
    assert panel.run.apply_button.enabled
    slicer.mrmlScene.RemoveNode(volume)
    assert not panel.run.apply_button.enabled
    assert panel.state.inputs("image") == ()


def test_the_volume_in_the_slice_views_is_suggested(panel):
    import slicer

    add_volume("First")
    shown = add_volume("Shown")
    view = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")
    view.SetBackgroundVolumeID(shown.GetID())
    panel.enter()
    assert panel.inputs.selectors["image"].nodes() == (shown,)


def test_cleanup_removes_all_observers(filtering, panel):
    add_volume()
    panel.enter()
    wrapper = filtering.logic.getParameterNode()
    panel.cleanup()
    assert panel.Observations == []
    shown = panel.form.build()
    wrapper.parameters = json.dumps({"gaussian": {"sigma_mm": 9.0}})
    assert panel.form.build() == shown
