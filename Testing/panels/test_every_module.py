"""Every module of the extension: its own self-test passes, and its page runs and looks as it should."""

from __future__ import annotations

import os
import unittest
from pathlib import Path

import pytest
from panel_helpers import add_segmentation, add_volume, choose

ROOT = Path(__file__).resolve().parents[2] / "MedImgAnalysis"
PATHS = {p.stem: p for p in [ROOT / "MedImgAnalysis.py", *sorted(ROOT.glob("MedImg*/MedImg*.py"))]}
OPERATIONS = {
    "MedImgRegistration": "register",
    "MedImgSegmentation": "auto_threshold",
    "MedImgAgreement": "compare_segmentations",
}


@pytest.mark.parametrize("name", PATHS)
def test_the_modules_own_self_test_passes(load_module, name):
    module = load_module(PATHS[name])
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(getattr(module.python, f"{name}Test"))
    result = unittest.TestResult()
    suite.run(result)
    assert result.testsRun > 0
    assert not result.errors and not result.failures, [*result.errors, *result.failures]


@pytest.mark.parametrize("name", PATHS)
def test_the_file_is_what_slicer_looks_for(name):
    text = PATHS[name].read_text(encoding="ascii")
    assert f"class {name}(ScriptedLoadableModule):" in text
    assert len(text.splitlines()) < 200
    resources = PATHS[name].parent / "Resources"
    for file in (f"Icons/{name}.png", f"Icons/{name}.svg", f"UI/{name}.ui"):
        assert (resources / file).is_file(), file


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_page_runs_its_operation(load_module, press, wait_until, grab, tmp_path, name):
    volume = add_volume("T1")
    add_segmentation(volume, "Reader 1")
    add_segmentation(volume, "Reader 2")
    add_volume("FLAIR")
    module = load_module(PATHS[name])
    panel = module.widget.panel
    choose(panel.chooser.combo, OPERATIONS[name])
    press(panel.run.apply_button)
    wait_until(lambda: not panel.run.runner.running, timeout=60)
    assert "Done in" in panel.run.status.text
    folder = Path(os.environ.get("MEDIMG_PANEL_PNG") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    assert grab(module.parent, folder / f"{name}.png").stat().st_size > 10_000
