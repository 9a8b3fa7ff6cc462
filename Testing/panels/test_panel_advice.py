"""Parameters that suit the input: by DICOM, unit, values or window; said in one line, and the user decides."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from panel_helpers import FILTERING, MODULES, add_volume, choose, noisy_image

REGISTRATION = MODULES / "MedImgRegistration" / "MedImgRegistration.py"
SEGMENTATION = MODULES / "MedImgSegmentation" / "MedImgSegmentation.py"


def hounsfield() -> sitk.Image:
    """A body of 40 HU in air, with a bone of 900 HU."""
    image = noisy_image()
    array = np.full(sitk.GetArrayFromImage(image).shape, -1000, np.int16)
    array[3:-3, 4:-4, 4:-4] = 40
    array[6:9, 8:11, 8:11] = 900
    made = sitk.GetImageFromArray(array)
    made.CopyInformation(image)
    return made


def in_hierarchy(node, modality: str) -> None:
    """As the DICOM module leaves it: the modality is an attribute of the series."""
    import slicer

    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "Study")
    item = hierarchy.GetItemByDataNode(node)
    hierarchy.SetItemParent(item, study)
    hierarchy.SetItemAttribute(item, "DICOM.Modality", modality)


@pytest.fixture
def panel(load_module):
    return load_module(FILTERING).widget.panel


def said(panel) -> str:
    assert panel.advice.label.isHidden() is (panel.advice.label.text == "")
    return panel.advice.label.text


def test_the_modality_comes_from_dicom_then_the_unit_then_the_values(standin):
    import slicer
    from MedImgAnalysisLib.scene.modality import modality_of

    plain, body = add_volume("T1"), add_volume("CT", hounsfield())
    assert modality_of(plain).name == ""
    assert modality_of(body)[:2] == ("CT", "values")
    entry = slicer.vtkCodedEntry()
    entry.SetValueSchemeMeaning("{SUVbw}g/ml", "UCUM", "Standardized Uptake Value body weight")
    plain.SetVoxelValueUnits(entry)
    assert modality_of(plain)[:2] == ("PT", "unit")
    in_hierarchy(plain, "MR")
    assert modality_of(plain)[:2] == ("MR", "dicom")


def test_a_ct_gets_the_preset_for_ct_and_the_panel_says_why(panel):
    add_volume("Head", hounsfield())
    panel.enter()
    choose(panel.chooser.combo, "apply_mask")
    assert panel.form.preset.currentText == "CT air"
    assert panel.form.build().values()["outside_value"] == -1000.0
    assert "Head is CT by its values, -1000 to 900." in said(panel)
    assert "Set: preset CT air." in said(panel)


def test_the_user_takes_the_defaults_back_with_one_click_and_they_stay(panel):
    add_volume("Head", hounsfield())
    panel.enter()
    choose(panel.chooser.combo, "bilateral")
    assert panel.form.preset.currentText == "CT soft tissue"
    panel.advice.label.linkActivated("#defaults")
    assert panel.form.build() == panel.operation()
    assert "Suggested: preset CT soft tissue." in said(panel)
    choose(panel.chooser.combo, "gaussian")
    choose(panel.chooser.combo, "bilateral")
    assert panel.form.build() == panel.operation()
    panel.advice.label.linkActivated("#use")
    assert panel.form.preset.currentText == "CT soft tissue"


def test_what_the_user_typed_is_not_touched_by_another_input(panel):
    head, other = add_volume("Head", hounsfield()), add_volume("T1")
    choose(panel.chooser.combo, "window")
    image = panel.inputs.selectors["image"].widget
    image.setCurrentNode(head)
    panel.form.fields["level"].widget.setValue(77.0)
    image.setCurrentNode(other)
    assert panel.form.build().values()["level"] == 77.0
    assert "Suggested: the window in which T1 is shown." in said(panel)


def test_what_was_set_for_one_input_changes_with_the_input(panel):
    head, other = add_volume("Head", hounsfield()), add_volume("T1")
    choose(panel.chooser.combo, "bilateral")
    image = panel.inputs.selectors["image"].widget
    image.setCurrentNode(head)
    assert panel.form.build().values()["range_sigma"] == 40.0
    image.setCurrentNode(other)
    assert panel.form.build() == panel.operation()
    assert said(panel) == ""


def test_an_image_without_modality_is_thresholded_where_it_is_grey(load_module, press, wait_until):
    volume = add_volume("T1", noisy_image() / 100)
    panel = load_module(SEGMENTATION).widget.panel
    choose(panel.chooser.combo, "threshold")
    display = volume.GetDisplayNode()
    assert panel.form.build().values()["lower"] == pytest.approx(display.GetLevel(), rel=0.01)
    assert "Set: the window in which T1 is shown." in said(panel)
    press(panel.run.apply_button)
    wait_until(lambda: not panel.run.runner.running)
    assert "Done in" in panel.run.status.text


@pytest.mark.parametrize(
    ("fixed", "moving", "preset"), [("CT", "MR", "CT to MR"), ("PT", "CT", "PET to CT"), ("MR", "MR", "Defaults")]
)
def test_registration_goes_by_both_images(load_module, fixed, moving, preset):
    first, second = add_volume("A"), add_volume("B")
    in_hierarchy(first, fixed)
    in_hierarchy(second, moving)
    panel = load_module(REGISTRATION).widget.panel
    assert panel.form.preset.currentText == preset
    word = {"PT": "PET"}.get(fixed, fixed)
    assert f"A is {word} by its DICOM header." in said(panel)


def test_every_preset_that_is_advised_exists(standin):
    from MedImgAnalysisLib.catalog import OPERATIONS
    from MedImgAnalysisLib.panel.advice import PRESETS

    for (operation, *_modalities), preset in PRESETS.items():
        assert preset in OPERATIONS[operation].presets


def test_a_saved_scene_keeps_what_was_set(panel, tmp_path):
    import slicer

    add_volume("Head", hounsfield())
    panel.enter()
    choose(panel.chooser.combo, "window")
    panel.advice.label.linkActivated("#defaults")
    path = str(tmp_path / "scene.mrb")
    assert slicer.mrmlScene.WriteToMRB(path)
    slicer.mrmlScene.Clear(0)
    assert slicer.mrmlScene.ReadFromMRB(path, True)
    assert panel.operation.name == "window"
    assert panel.form.build() == panel.operation()
