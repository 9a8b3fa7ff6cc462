"""The Python line and the recipe of a panel do what the panel does."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk
from panel_helpers import FILTERING, add_segmentation, add_volume, choose, log_text, noisy_image, volumes, voxels


@pytest.fixture
def panel(load_module):
    return load_module(FILTERING).widget.panel


@pytest.fixture
def applied(panel, press, wait_until):
    """Press Apply, wait, and give the new volume."""

    def run():
        before = volumes()
        press(panel.run.apply_button)
        wait_until(lambda: not panel.run.runner.running, timeout=20)
        (made,) = [node for node in volumes() if node not in before]
        return made

    return run


def copied(panel, press) -> str:
    import slicer

    press(panel.run.copy_button)
    return slicer.app.clipboard().text()


def executed(text: str):
    """What the line gives when it is typed in the console."""
    import slicer

    return eval(text, {"slicer": slicer})


def test_the_line_is_readable(panel, press):
    add_volume()
    panel.enter()
    panel.form.fields["sigma_mm"].widget.setValue(1.5)
    assert copied(panel, press) == (
        "slicer.util.getModuleLogic('MedImgFiltering').run('gaussian', image=slicer.util.getNode('T1'), sigma_mm=1.5)"
    )


@pytest.mark.parametrize("name", ["T1", 'it\'s "T1"', "T1 [axial] *", "n\u00f6rmal", "new\nline"])
def test_the_line_gives_equal_voxels_whatever_the_volume_is_called(panel, press, applied, name):
    add_volume(name)
    panel.enter()
    panel.form.fields["sigma_mm"].widget.setValue(1.5)
    text = copied(panel, press)
    assert np.array_equal(voxels(executed(text)), voxels(applied()))


def test_the_line_means_the_chosen_one_of_two_volumes_of_one_name(panel, press, applied):
    add_volume("T1")
    second = add_volume("T1", noisy_image(seed=7))
    second.SetName("T1")
    panel.enter()
    panel.inputs.selectors["image"].widget.setCurrentNode(second)
    text = copied(panel, press)
    assert np.array_equal(voxels(executed(text)), voxels(applied()))


def test_the_line_means_the_chosen_volume_when_its_name_is_the_id_of_another(panel, press, applied):
    other, chosen = add_volume("T1"), add_volume("T2", noisy_image(seed=7))
    chosen.SetName(other.GetID())
    panel.enter()
    panel.inputs.selectors["image"].widget.setCurrentNode(chosen)
    text = copied(panel, press)
    assert np.array_equal(voxels(executed(text)), voxels(applied()))


def test_the_line_with_a_segment_and_several_parameters(panel, press, applied):
    node, segment = add_segmentation(add_volume())
    panel.enter()
    choose(panel.chooser.combo, "median")
    panel.form.show({"radius_voxels": 2, "in_plane": True})
    mask = panel.inputs.selectors["mask"].widget
    mask.setCurrentNode(node)
    mask.setCurrentSegmentID(segment)
    text = copied(panel, press)
    assert np.array_equal(voxels(executed(text)), voxels(applied()))


def test_the_line_with_a_chosen_output_writes_there(panel, press):
    add_volume()
    target = add_volume("Target")
    panel.enter()
    panel.outputs.show("image", target)
    count = len(volumes())
    assert executed(copied(panel, press)) is target
    assert len(volumes()) == count


def test_the_exported_recipe_gives_equal_voxels(panel, press, applied, answer_files, tmp_path):
    from MedImgAnalysisLib.recipe import Recipe

    add_volume()
    panel.enter()
    panel.form.fields["sigma_mm"].widget.setValue(2.2)
    path = tmp_path / "smooth.json"
    answer_files(path)
    press(panel.run.export_button)
    assert str(path) in log_text(panel)
    assert json.loads(path.read_text(encoding="utf-8"))["steps"][0]["parameters"]["sigma_mm"] == 2.2
    result = Recipe.load(path).run({"image": noisy_image()})
    (image,) = result.outputs.values()
    assert np.array_equal(sitk.GetArrayFromImage(image), voxels(applied()))


def test_the_exported_recipe_with_a_segment_gives_equal_voxels(panel, press, applied, answer_files, tmp_path):
    from MedImgAnalysisLib.recipe import Recipe
    from MedImgAnalysisLib.scene import bridge

    node, segment = add_segmentation(add_volume())
    panel.enter()
    mask = panel.inputs.selectors["mask"].widget
    mask.setCurrentNode(node)
    mask.setCurrentSegmentID(segment)
    answer_files(tmp_path / "masked.json")
    press(panel.run.export_button)
    inputs = {"image": noisy_image(), "mask": bridge.value_of(node, "mask", segment)}
    (image,) = Recipe.load(tmp_path / "masked.json").run(inputs).outputs.values()
    assert np.array_equal(sitk.GetArrayFromImage(image), voxels(applied()))


def test_cancelling_the_file_dialog_writes_nothing(panel, press, answer_files):
    add_volume()
    panel.enter()
    answer_files("")
    press(panel.run.export_button)
    assert log_text(panel) == ""


def test_a_recipe_that_cannot_be_written_is_said(panel, press, answer_files, tmp_path):
    add_volume()
    panel.enter()
    answer_files(tmp_path / "no such folder" / "smooth.json")
    press(panel.run.export_button)
    assert "could not be written" in panel.run.status.text


def test_without_an_image_there_is_nothing_to_export(panel):
    assert not panel.run.copy_button.enabled
    assert not panel.run.export_button.enabled
