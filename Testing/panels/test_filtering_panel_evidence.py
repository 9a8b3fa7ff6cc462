"""The switch for evidence on the filtering panel: what the filter took away comes with the result."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk
from panel_helpers import FILTERING, add_volume, choose, log_text, noisy_image, volumes, voxels


@pytest.fixture
def filtering(load_module):
    add_volume()
    module = load_module(FILTERING)
    module.widget.panel.enter()
    return module


@pytest.fixture
def run(filtering, press, wait_until):
    """Press Apply, wait, and give the new volumes by name."""

    def go():
        before = volumes()
        press(filtering.widget.panel.run.apply_button)
        wait_until(lambda: not filtering.widget.panel.run.runner.running, timeout=20)
        return {node.GetName(): node for node in volumes() if node not in before}

    return go


def tables() -> list:
    import slicer

    return [node for node in slicer.util.getNodesByClass("vtkMRMLTableNode") if "Evidence" in node.GetName()]


def test_with_the_switch_on_table_curves_and_residual_come_with_the_result(filtering, run, grab, tmp_path):
    from MedImgAnalysisLib.execution import execute
    from MedImgAnalysisLib.filtering import FilterEvidence, Gaussian
    from MedImgAnalysisLib.provenance import ATTRIBUTE

    panel = filtering.widget.panel
    panel.run.evidence_box.setChecked(True)
    made = run()
    assert set(made) == {"T1 Gaussian smoothing", "T1 Evidence of filtering residual"}
    before = noisy_image()
    after = Gaussian().run(before)
    expected = execute(FilterEvidence(), {"before": before, "after": after}).outputs
    np.testing.assert_array_equal(voxels(made["T1 Gaussian smoothing"]), sitk.GetArrayFromImage(after))
    np.testing.assert_array_equal(
        voxels(made["T1 Evidence of filtering residual"]), sitk.GetArrayFromImage(expected["residual"])
    )
    table = next(node for node in tables() if node.GetName() == "T1 Evidence of filtering table")
    record = json.loads(table.GetAttribute(ATTRIBUTE))
    assert record["operation"] == "filter_evidence" and set(record["inputs"]) == {"before", "after"}
    assert "Evidence" in log_text(panel) and "failed" not in log_text(panel).lower()
    assert panel.run.status.text.startswith("Done")
    assert grab(panel.ui.runSection, tmp_path / "evidence.png").stat().st_size > 1000


def test_without_the_switch_there_is_the_result_alone(filtering, run):
    assert set(run()) == {"T1 Gaussian smoothing"} and tables() == []


def test_the_switch_is_kept_in_the_parameter_node_and_follows_it(filtering):
    panel = filtering.widget.panel
    panel.run.evidence_box.setChecked(True)
    assert panel.state.evidence is True
    filtering.widget.logic.getParameterNode().evidence = False
    assert not panel.run.evidence_box.checked


def test_the_switch_is_there_only_for_operations_that_can_have_evidence(filtering, run):
    panel = filtering.widget.panel
    panel.run.evidence_box.setChecked(True)
    assert not panel.run.evidence_box.isHidden()
    choose(panel.chooser.combo, "sobel")
    assert panel.run.evidence_box.isHidden() and len(panel.request().recipe().steps) == 1
    assert len(run()) == 1 and tables() == []


def test_recipe_and_python_call_have_the_evidence_too(filtering):
    panel = filtering.widget.panel
    panel.run.evidence_box.setChecked(True)
    request = panel.request()
    assert [step.operation for step in request.recipe().steps] == ["gaussian", "filter_evidence"]
    assert "evidence=True" in request.python_call("MedImgFiltering")
    import slicer

    nodes = filtering.widget.logic.run("gaussian", image=slicer.util.getNode("T1"), evidence=True)
    assert nodes.image.IsA("vtkMRMLScalarVolumeNode") and nodes.evidence.IsA("vtkMRMLTableNode")
    assert nodes.evidence_residual.IsA("vtkMRMLScalarVolumeNode")


def test_the_page_of_a_run_with_evidence_can_be_written(filtering, run, tmp_path):
    from MedImgAnalysisLib.scene.pages import write_page

    panel = filtering.widget.panel
    panel.run.evidence_box.setChecked(True)
    run()
    path = tmp_path / "run.html"
    write_page(path, panel.run._written)
    text = path.read_text(encoding="utf-8")
    assert "Noise kept" in text and "Gaussian smoothing" in text
