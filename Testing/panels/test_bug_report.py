"""The report of a problem helps to find it and holds nothing of a patient."""

from __future__ import annotations

import json

import pytest
from panel_helpers import FILTERING, HOST, add_segmentation, add_volume, choose

PLANTED = ("MUSTERMANN", "Erika", "19640812", "PID-4711", "hospital-share")


@pytest.fixture
def filtering(load_module):
    return load_module(FILTERING)


@pytest.fixture
def host(filtering, load_module):
    return load_module(HOST)


def planted_error(folder):
    """What a run raises when a file of a patient cannot be read, with what was behind it."""
    from MedImgAnalysisLib.errors import InputError

    try:
        try:
            (folder / "hospital-share" / "MUSTERMANN_Erika_19640812.nrrd").read_bytes()
        except OSError as error:
            raise InputError("The volume 'MUSTERMANN^Erika' PID-4711 cannot be used", path=str(error)) from error
    except InputError as error:
        return error


def test_planted_names_and_paths_do_not_appear(host, filtering, press, tmp_path):
    import slicer
    from MedImgAnalysisLib.panel import last_error

    volume = add_volume("MUSTERMANN^Erika 19640812")
    volume.SetAttribute("DICOM.PatientID", "PID-4711")
    storage = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLVolumeArchetypeStorageNode")
    storage.SetFileName("/data/hospital-share/MUSTERMANN/PID-4711.nrrd")
    volume.SetAndObserveStorageNodeID(storage.GetID())
    add_segmentation(volume, "Tumour Erika")
    filtering.widget.panel.enter()
    state = filtering.logic.getParameterNode()
    state.parameters = json.dumps({"gaussian": {"sigma_mm": 2.5}})
    last_error.remember(planted_error(tmp_path))
    press(host.widget.page.report.collect_button)
    report = host.widget.page.report.text.plainText
    for word in PLANTED:
        assert word.casefold() not in report.casefold(), word
    assert str(tmp_path) not in report
    assert slicer.app.clipboard().text() == report


def test_texts_that_were_typed_do_not_appear(host, load_module, press):
    from panel_helpers import MODULES

    segmentation = load_module(MODULES / "MedImgSegmentation" / "MedImgSegmentation.py")
    add_volume("T1")
    segmentation.widget.panel.enter()
    choose(segmentation.widget.panel.chooser.combo, "auto_threshold")
    segmentation.widget.panel.form.fields["segment"].widget.setText("Lesion of MUSTERMANN")
    press(host.widget.page.report.collect_button)
    report = host.widget.page.report.text.plainText
    assert "MedImgSegmentation: auto_threshold" in report and "segment=(text)" in report
    assert "method=otsu" in report
    assert "MUSTERMANN" not in report


def test_it_has_versions_modules_settings_and_the_scene(host, filtering, press):
    import MedImgAnalysisLib

    add_volume("T1")
    filtering.widget.panel.enter()
    choose(filtering.widget.panel.chooser.combo, "median")
    filtering.widget.panel.form.fields["radius_voxels"].widget.setValue(3)
    press(host.widget.page.report.collect_button)
    report = host.widget.page.report.text.plainText
    assert f"MedImgAnalysis: {MedImgAnalysisLib.__version__}" in report
    assert "SimpleITK: " in report and "system: " in report and "highdicom: " in report
    assert "MedImgFiltering" in report
    assert "MedImgFiltering: median radius_voxels=3 in_plane=False" in report
    assert "1 vtkMRMLScalarVolumeNode" in report


def test_an_error_of_a_run_is_in_it_with_the_place_in_the_code_and_without_its_message(
    host, filtering, press, wait_until, monkeypatch, expect_dialogs
):
    from MedImgAnalysisLib.filtering import gaussian
    from MedImgAnalysisLib.panel import last_error

    def broken(*arguments, **keywords):
        raise ZeroDivisionError("division by the volume of MUSTERMANN^Erika")

    last_error.forget()
    add_volume("T1")
    filtering.widget.panel.enter()
    expect_dialogs()
    gaussian.Gaussian.inputs()
    gaussian.Gaussian.outputs()
    monkeypatch.setattr(gaussian.Gaussian, "run", broken)
    press(filtering.widget.panel.run.apply_button)
    wait_until(lambda: not filtering.widget.panel.run.runner.running)
    press(host.widget.page.report.collect_button)
    report = host.widget.page.report.text.plainText
    assert "ZeroDivisionError" in report
    assert "MedImgAnalysisLib/execution.py, line " in report
    assert "MUSTERMANN" not in report


def test_it_can_be_saved(host, press, answer_files, tmp_path):
    path = tmp_path / "report.txt"
    press(host.widget.page.report.collect_button)
    answer_files(path, "", tmp_path / "no such folder" / "report.txt")
    press(host.widget.page.report.save_button)
    assert path.read_text(encoding="utf-8") == host.widget.page.report.text.plainText
    press(host.widget.page.report.save_button)
    assert "was written" in host.widget.page.report.status.text
    press(host.widget.page.report.save_button)
    assert "could not be written" in host.widget.page.report.status.text
