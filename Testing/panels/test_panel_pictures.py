"""A picture of every page, into the folder named by MEDIMG_PANEL_PNG, to be looked at."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from panel_helpers import FILTERING, HOST, add_segmentation, add_volume, choose, log_text, looks_drawn


@pytest.fixture
def folder(tmp_path):
    path = Path(os.environ.get("MEDIMG_PANEL_PNG") or tmp_path)
    path.mkdir(parents=True, exist_ok=True)
    return path


@pytest.fixture
def filtering(load_module):
    node, segment = add_segmentation(add_volume("MR head T1"), "Brain")
    panel = load_module(FILTERING).widget.panel
    mask = panel.inputs.selectors["mask"].widget
    mask.setCurrentNode(node)
    mask.setCurrentSegmentID(segment)
    return panel


def test_filtering_after_a_run(filtering, press, wait_until, grab, folder):
    filtering.form.fields["sigma_mm"].widget.setValue(1.5)
    press(filtering.run.apply_button)
    wait_until(lambda: not filtering.run.runner.running)
    assert looks_drawn(grab(filtering.module_widget.parent, folder / "MedImgFiltering.png"))


def test_filtering_with_median_and_the_whole_description(filtering, grab, folder):
    from slicer_standin.record import RECORD

    choose(filtering.chooser.combo, "median")
    filtering.chooser.label.linkActivated("#more")
    assert "docs/operations.md#median" in filtering.chooser.label.text
    filtering.chooser.label.linkActivated("https://example.org/operations.md#median")
    assert RECORD.urls == ["https://example.org/operations.md#median"]
    assert looks_drawn(grab(filtering.module_widget.parent, folder / "MedImgFiltering-median.png"))


def test_filtering_while_it_runs(filtering, press, wait_until, grab, folder, monkeypatch):
    import threading

    from MedImgAnalysisLib.filtering import Gaussian

    go_on = threading.Event()
    true_run = Gaussian.run

    def waiting(self, image, mask=None, *, progress):
        progress.report(0.4, "Smoothing")
        go_on.wait(20)
        return true_run(self, image, mask, progress=progress)

    Gaussian.inputs()
    Gaussian.outputs()
    monkeypatch.setattr(Gaussian, "run", waiting)
    press(filtering.run.apply_button)
    wait_until(lambda: filtering.run.progress_bar.value == 40)
    path = grab(filtering.module_widget.parent, folder / "MedImgFiltering-running.png")
    go_on.set()
    wait_until(lambda: not filtering.run.runner.running)
    assert looks_drawn(path)


def test_filtering_in_an_empty_scene(load_module, grab, folder):
    panel = load_module(FILTERING).widget.panel
    assert looks_drawn(grab(panel.module_widget.parent, folder / "MedImgFiltering-empty.png"))


@pytest.mark.parametrize("package", ["registration", "segmentation", "agreement", "quality"])
def test_the_same_panel_runs_every_package(load_module, press, wait_until, grab, folder, package):
    """The panel needs nothing but the name of the package."""
    from MedImgAnalysisLib.panel import OperationPanel

    volume = add_volume("T1")
    add_segmentation(volume, "Lesion")
    add_segmentation(volume, "Reader 2")
    add_volume("FLAIR")
    loaded = load_module(FILTERING)
    loaded.widget.panel.cleanup()
    loaded.logic.getParameterNode().operation = ""
    loaded.ui.inputsSection.parent().hide()
    loaded.widget.panel = OperationPanel(loaded.widget, package=package)
    panel = loaded.widget.panel
    press(panel.run.apply_button)
    wait_until(lambda: not panel.run.runner.running, timeout=60)
    assert "Done in" in panel.run.status.text
    for role in panel.operation.outputs():
        assert f"{role.title}: " in log_text(panel) or not role.required
    assert looks_drawn(grab(loaded.parent, folder / f"panel-{package}.png"))


def test_host(load_module, grab, folder):
    for path in sorted(HOST.parent.glob("MedImg*/MedImg*.py")):
        load_module(path)
    assert looks_drawn(grab(load_module(HOST).parent, folder / "MedImgAnalysis.png"))
