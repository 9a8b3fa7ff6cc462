"""Slicer's own Python files run on the stand-in: its tests of the parameter node wrapper and its module template.

They need Slicer's source: SLICER_BASE_PYTHON names its folder Base/Python.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import unittest
from pathlib import Path

import numpy as np
import pytest

BASE = os.environ.get("SLICER_BASE_PYTHON", "")
pytestmark = pytest.mark.skipif(not BASE, reason="SLICER_BASE_PYTHON does not name Slicer's folder Base/Python")

OWN_TESTS = (
    "test_slicer_parameter_node_wrapper",
    "test_slicer_parameter_pack",
    "test_slicer_parameter_node_wrapper_guis",
    "test_slicer_parameter_node_wrapper_gui_creation",
    "test_slicer_util_VTKObservationMixin",
    "test_slicer_util_childWidgetVariables",
    "test_slicer_util_getNodes",
)
# their connectors come from the module SubjectHierarchy, which is not in Base/Python
NOT_HERE = {"test_qMRMLSubjectHierarchyComboBox", "test_qMRMLSubjectHierarchyTreeViewToNode"}


def cases(suite):
    for item in suite:
        yield from cases(item) if isinstance(item, unittest.TestSuite) else [item]


@pytest.mark.filterwarnings("ignore:already has observer", "ignore:does not have observer")
@pytest.mark.parametrize("name", OWN_TESTS)
def test_slicers_own_tests_pass(standin, name, slot_errors, monkeypatch):
    spec = importlib.util.spec_from_file_location(name, Path(BASE) / "slicer" / "tests" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)  # one of them pickles its classes
    spec.loader.exec_module(module)
    failed, count = [], 0
    for case in cases(unittest.defaultTestLoader.loadTestsFromModule(module)):
        standin.mrmlScene.Clear(0)
        result = unittest.TestResult()
        case.run(result)
        count += 1
        failed += [(case.id(), text.splitlines()[-1]) for _, text in result.failures + result.errors]
    assert [item for item in failed if item[0].rpartition(".")[2] not in NOT_HERE] == []
    assert count > 0
    slot_errors.clear()  # some of these tests make slots fail on purpose


@pytest.fixture
def template(standin, load_module, tmp_path: Path):
    """The module that Slicer's extension wizard makes, under the name Sample."""
    source = Path(BASE).parents[1] / "Utilities" / "Templates" / "Modules" / "Scripted"
    if not source.is_dir():
        pytest.skip(f"{source} is not there")
    for file in ("TemplateKey.py", "Resources/UI/TemplateKey.ui"):
        target = tmp_path / file.replace("TemplateKey", "Sample")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text((source / file).read_text().replace("TemplateKey", "Sample"))
    return load_module(tmp_path / "Sample.py")


def test_the_module_template_works(standin, template, press, monkeypatch):
    calls = []

    def process(image, output, threshold, invert=False, showResult=True):
        calls.append((image, output, threshold))

    monkeypatch.setattr(template.logic, "process", process)
    ui, node = template.ui, template.widget._parameterNode
    assert not ui.applyButton.enabled
    volume = standin.util.addVolumeFromArray(np.zeros((3, 4, 5), np.float32), name="v")
    ui.inputSelector.setCurrentNode(volume)
    output = ui.outputSelector.addNode()
    assert node.inputVolume is volume
    assert node.thresholdedVolume is output
    ui.imageThresholdSliderWidget.value = 12.5
    assert node.imageThreshold == 12.5
    node.imageThreshold = 7
    assert ui.imageThresholdSliderWidget.value == 7
    press(ui.applyButton)
    assert calls == [(volume, output, 7.0)]


def test_the_module_template_survives_closing_the_scene(standin, template):
    standin.util.addVolumeFromArray(np.zeros((3, 4, 5), np.float32), name="v")
    template.exit()
    template.enter()
    assert template.widget._parameterNode.inputVolume is not None
    standin.mrmlScene.Clear()
    assert template.widget._parameterNode.inputVolume is None
    assert template.ui.inputSelector.currentNode() is None
