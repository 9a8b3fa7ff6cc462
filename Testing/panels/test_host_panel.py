"""The host module: overview, sample data, versions, and the self-tests that run inside Slicer."""

from __future__ import annotations

import unittest

import pytest
from panel_helpers import FILTERING, HOST


@pytest.fixture
def host(load_module):
    load_module(FILTERING)
    return load_module(HOST)


def test_each_loaded_module_has_a_card_that_opens_it(host, press, monkeypatch):
    import slicer

    opened = []
    monkeypatch.setattr(slicer.util, "mainWindow", lambda: object())
    monkeypatch.setattr(slicer.util, "selectModule", opened.append)
    assert list(host.widget.page.buttons) == ["filtering"]
    press(host.widget.page.buttons["filtering"])
    assert opened == ["MedImgFiltering"]


def test_without_a_main_window_a_card_says_so(host, press, monkeypatch):
    import slicer

    monkeypatch.setattr(slicer.util, "mainWindow", lambda: None)
    press(host.widget.page.buttons["filtering"])
    assert "no main window" in host.ui.statusLabel.text


def test_without_other_modules_the_page_says_so(load_module):
    host = load_module(HOST)
    assert host.widget.page.buttons == {}


def test_a_module_that_is_loaded_later_gets_its_card_on_coming_back(load_module):
    host = load_module(HOST)
    load_module(FILTERING)
    host.exit()
    host.enter()
    assert list(host.widget.page.buttons) == ["filtering"]


def test_versions_can_be_copied(host, press):
    import MedImgAnalysisLib
    import slicer

    press(host.ui.copyVersionsButton)
    text = slicer.app.clipboard().text()
    assert f"MedImgAnalysis: {MedImgAnalysisLib.__version__}" in text
    assert "SimpleITK: " in text
    assert MedImgAnalysisLib.__version__ in host.ui.versionsLabel.text


def test_another_copy_of_the_library_is_told(standin, tmp_path):
    from MedImgAnalysisLib.panel.overview import foreign_library

    assert foreign_library(str(HOST)) == ""
    assert "Another copy" in foreign_library(str(tmp_path / "MedImgAnalysis.py"))


def test_the_phantom_comes_with_a_button(host, press):
    import slicer

    press(host.ui.samplesButton)
    names = [
        slicer.mrmlScene.GetNodesByClass(kind).GetItemAsObject(0).GetName()
        for kind in ("vtkMRMLScalarVolumeNode", "vtkMRMLSegmentationNode")
    ]
    assert names == ["Phantom FLAIR", "Phantom truth"]
    assert "Phantom T1" in host.ui.statusLabel.text


def test_the_phantom_is_in_the_sample_data_module(host):
    import SampleData
    import slicer

    flair, t1, truth = SampleData.downloadSample("MedImgAnalysisPhantom")
    assert [node.GetName() for node in (flair, t1, truth)] == ["Phantom FLAIR", "Phantom T1", "Phantom truth"]
    sources = slicer.modules.sampleDataSources["MedImgAnalysis"]
    assert all(source.fileNames and source.nodeNames for source in sources)


@pytest.mark.parametrize("path", [HOST, FILTERING], ids=lambda path: path.stem)
def test_the_self_test_of_the_module_passes(load_module, path):
    loaded = load_module(path)
    case = getattr(loaded.python, f"{loaded.name}Test")
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    assert result.testsRun >= 2
    assert [text for _, text in [*result.errors, *result.failures]] == []


@pytest.mark.parametrize("path", [HOST, FILTERING], ids=lambda path: path.stem)
def test_the_module_says_who_it_is(load_module, path):
    parent = load_module(path).module.parent
    assert parent.title.startswith("MedImg ")
    assert parent.categories
    assert parent.contributors
    assert "MedImgAnalysis" in parent.helpText
    assert "SimpleITK" in parent.acknowledgementText
    assert not parent.icon.isNull()
    assert tuple(parent.dependencies) == (() if path == HOST else ("MedImgAnalysis",))
