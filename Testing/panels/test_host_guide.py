"""The guided example of the host page, done as a beginner does it, and the sample data."""

from __future__ import annotations

import json
import time

import pytest
from panel_helpers import HOST, MODULES

STEPS = ("load", "filter", "register", "segment", "compare")


@pytest.fixture
def small_head(standin, monkeypatch):
    """The phantom with few voxels."""
    from MedImgAnalysisLib import phantom

    small = phantom.head(flair_spacing_mm=(2.5, 2.5, 3.0), t1_spacing_mm=(2.5, 2.5, 2.5), lesion_radii_mm=(9.0, 7.0))
    monkeypatch.setattr(phantom, "head", lambda seed: small)


@pytest.fixture
def host(load_module):
    for path in sorted(MODULES.glob("MedImg*/MedImg*.py")):
        load_module(path)
    return load_module(HOST)


def test_the_steps_can_be_done_one_after_the_other_and_each_says_what_to_look_at(host, press, small_head):
    import slicer
    from MedImgAnalysisLib.provenance import ATTRIBUTE

    guide = host.widget.page.guide
    assert [name for name in STEPS if guide.buttons[name].enabled] == ["load"]
    ticks = []
    for name in STEPS:
        assert guide.looks[name].isHidden()
        press(guide.buttons[name])
        # A fast step may have ended while the click was handled.
        assert not (guide.runner.running and guide.buttons["load"].enabled)
        started = time.monotonic()
        while guide.runner.running and time.monotonic() - started < 60:
            before = time.monotonic()
            slicer.app.processEvents()
            ticks.append(time.monotonic() - before)
        assert not guide.looks[name].isHidden(), guide.status.text
        assert guide.looks[name].text
    assert ticks and sorted(ticks)[len(ticks) // 2] < 0.2
    records = [json.loads(node.GetAttribute(ATTRIBUTE)) for node in slicer.util.getNodesByClass("vtkMRMLNode")
               if node.GetAttribute(ATTRIBUTE)]  # fmt: skip
    made = {record["operation"] for record in records}
    assert made == {"median", "register", "auto_threshold", "compare_segmentations"}
    assert "Dice 0.9" in guide.looks["compare"].text
    slicer.mrmlScene.RemoveNode(guide.nodes["found"])
    host.enter()
    assert not guide.buttons["compare"].enabled and guide.buttons["segment"].enabled


def test_a_look_leads_to_the_module_that_did_it(host, monkeypatch):
    import slicer

    opened = []
    monkeypatch.setattr(slicer.util, "mainWindow", lambda: object())
    monkeypatch.setattr(slicer.util, "selectModule", opened.append)
    host.widget.page.guide.looks["filter"].linkActivated("MedImgFiltering")
    assert opened == ["MedImgFiltering"]


def test_every_module_of_the_extension_has_a_card(host):
    from MedImgAnalysisLib.panel.overview import MODULES as CARDS

    names = {path.stem for path in MODULES.glob("MedImg*/MedImg*.py")}
    assert set(CARDS.values()) == names
    assert len(host.widget.page.buttons) == len(names)


def test_closing_the_scene_while_a_step_runs_is_said_and_the_example_begins_anew(host, press, wait_until, small_head):
    import slicer

    guide = host.widget.page.guide
    press(guide.buttons["load"])
    wait_until(lambda: not guide.runner.running)
    guide.start(next(step for step in _steps() if step.name == "filter"))
    slicer.mrmlScene.Clear(0)
    wait_until(lambda: not guide.runner.running)
    assert guide.looks["filter"].isHidden()
    assert guide.status.text not in ("", "Running...")
    assert [name for name in STEPS if guide.buttons[name].enabled] == ["load"]


def _steps():
    from MedImgAnalysisLib.panel.guide import steps

    return steps()


@pytest.mark.parametrize("name", ["MRHead", "CTChest", "MRBrainTumor1", "MRBrainTumor2"])
def test_public_samples_are_loaded_by_slicer_itself(host, press, monkeypatch, name):
    import SampleData

    asked = []
    monkeypatch.setattr(SampleData, "downloadSample", lambda sample: asked.append(sample) or object())
    press(host.widget.page.samples.buttons[name])
    assert asked == [name]
    assert host.ui.statusLabel.text == f"Loaded: {name}."


def test_a_download_that_fails_is_said(host, press, monkeypatch):
    import SampleData

    def fail(sample):
        raise OSError("no network")

    monkeypatch.setattr(SampleData, "downloadSample", fail)
    press(host.widget.page.samples.buttons["MRHead"])
    assert "MRHead could not be loaded: no network" in host.ui.statusLabel.text
    monkeypatch.setattr(SampleData, "downloadSample", lambda sample: None)
    press(host.widget.page.samples.buttons["MRHead"])
    assert "connected to the internet" in host.ui.statusLabel.text


def test_optional_packages_are_listed_with_their_state(host, monkeypatch):
    from MedImgAnalysisLib.panel import packages

    assert packages.version_of("pydicom") in host.ui.packagesLabel.text
    monkeypatch.setattr(packages, "version_of", lambda name: "")
    text = packages.packages_text()
    assert "highdicom: not installed" in text
    assert "slicer.util.pip_install(&quot;highdicom&quot;)" in text
