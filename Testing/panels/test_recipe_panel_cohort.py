"""A cohort run from the recipe page: the same results as `run_batch`, a line per case, cancel, and going on."""

from __future__ import annotations

import json
import time

import pytest
from MedImgAnalysisLib import files
from MedImgAnalysisLib.provenance import fingerprint
from MedImgAnalysisLib.recipe import Recipe
from panel_helpers import noisy_image
from recipe_panel_testing import RECIPES, picture


@pytest.fixture
def panel(load_module):
    made = load_module(RECIPES).widget.panel
    made.ui.cohortSection.collapsed = False
    for operation in ("median", "auto_threshold", "measure_segments"):
        made.add_step(operation)
    return made


@pytest.fixture
def cohort(tmp_path):
    """Three cases, of which the last has no file."""
    rows = ["id,image,age"]
    for number in range(3):
        if number < 2:
            files.write(noisy_image(seed=number), tmp_path / f"in {number}.nrrd")
        rows.append(f"case {number},in {number}.nrrd,{40 + number}")
    path = tmp_path / "cohort.csv"
    path.write_text("\n".join(rows), encoding="utf-8")
    return path


@pytest.fixture
def run(panel, press, wait_until):
    def start_and_wait() -> str:
        press(panel.cohort.button)
        wait_until(lambda: not panel.cohort.runner.running, timeout=90)
        return panel.cohort.status.text

    return start_and_wait


@pytest.fixture
def in_process(monkeypatch):
    """The batch runs in the thread of the page, without the start of worker processes."""
    from MedImgAnalysisLib.batch import runner

    true_run = runner.run_batch
    monkeypatch.setattr(runner, "run_batch", lambda *given, **more: true_run(*given, **{**more, "workers": 0}))


def test_what_is_missing_is_said_before_anything_runs(panel, cohort, press, tmp_path, answer_files):
    section = panel.cohort
    assert section.status.text == "Choose the table of a cohort." and not section.button.enabled
    dialogs = answer_files(cohort, tmp_path / "out")
    section.form.cohort.browse()
    assert section.form.cohort.currentPath == str(cohort)
    assert section.status.text == "Choose a folder for the results."
    section.form.folder.browse()
    assert section.button.enabled and section.status.text == ""
    assert [dialog.kind for dialog in dialogs] == ["QFileDialog.getOpenFileName", "QFileDialog.getExistingDirectory"]
    cohort.write_text("id,t1\na,b.nrrd\n", encoding="utf-8")
    press(section.button)
    assert "no column for the recipe input image" in section.status.text and not section.runner.running
    panel.steps._on_switch("median", False)
    assert section.status.text.startswith("Step auto_threshold: ") and not section.button.enabled
    assert not (tmp_path / "out").exists()


def test_a_plan_says_what_would_run_and_writes_nothing(panel, cohort, press, wait_until, tmp_path):
    section = panel.cohort
    assert not section.plan_button.enabled
    section.form.cohort.currentPath, section.form.folder.currentPath = str(cohort), str(tmp_path / "out")
    press(section.plan_button)
    wait_until(lambda: not section.runner.running, timeout=30)
    assert section.status.text.startswith("2 of 3 cases would run, 0 are done, 1 cannot run.")
    assert "Memory: about" in section.status.text and "Disk: at most" in section.status.text
    assert section.cases.texts("case 1")[0] == "would run"
    assert section.cases.texts("case 2")[0] == "cannot run" and "in 2.nrrd" in section.cases.texts("case 2")[1]
    assert not (tmp_path / "out").exists() and section.plan_button.enabled
    assert section.report_button.isHidden()


def test_cases_run_while_the_page_stays_usable_and_the_report_opens(
    panel, cohort, run, press, tmp_path, grab, monkeypatch
):
    from slicer_standin.record import RECORD

    section = panel.cohort
    section.form.cohort.currentPath, section.form.folder.currentPath = str(cohort), str(tmp_path / "out")
    section.form.workers.setValue(1)
    assert run() == "2 of 3 cases done. 1 failed."
    assert section.cases.texts("case 0")[0] == "done" and section.cases.texts("case 2")[0] == "failed"
    assert "in 2.nrrd" in section.cases.texts("case 2")[1]
    for number in range(2):
        expected = panel.recipe.run({"image": noisy_image(seed=number)}).outputs
        found = files.read(tmp_path / "out" / f"case {number}" / "median_image.nrrd", "image")
        assert fingerprint(found) == fingerprint(expected["median_image"])
    results = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    assert Recipe.from_data(results["recipe"]) == panel.recipe
    press(section.report_button)
    assert RECORD.urls == [(tmp_path / "out" / "report.html").as_uri()]
    picture(grab, panel, "MedImgRecipes-cohort", tmp_path)
    assert panel.module_widget.parent.width <= 480, "long paths do not make the page wide"
    files.write(noisy_image(seed=2), tmp_path / "in 2.nrrd")
    assert run() == "3 of 3 cases done. 2 of them were kept from before."
    assert [section.cases.texts(f"case {number}")[0] for number in range(3)] == ["kept", "kept", "done"]
    (tmp_path / "out" / "report.html").unlink()
    press(section.report_button)
    assert section.status.text == "The report is not there any more." and len(RECORD.urls) == 1


def test_cancel_keeps_what_is_done_and_the_next_run_goes_on(
    in_process, panel, cohort, run, press, wait_until, tmp_path, monkeypatch
):
    from MedImgAnalysisLib.filtering import Median

    calls, true_run = [], Median.run

    def waiting(self, image, mask=None, *, progress):
        calls.append(image)
        while len(calls) == 2 and not progress.cancelled:
            time.sleep(0.01)
        progress.check()
        return true_run(self, image, mask, progress=progress)

    assert Median.inputs() and Median.outputs()
    monkeypatch.setattr(Median, "run", waiting)
    section = panel.cohort
    files.write(noisy_image(seed=2), tmp_path / "in 2.nrrd")
    section.form.cohort.currentPath, section.form.folder.currentPath = str(cohort), str(tmp_path / "out")
    press(section.button)
    assert section.button.text == "Cancel"
    wait_until(lambda: len(calls) == 2 and section.cases.texts("case 1")[0] == "running", timeout=60)
    assert section.cases.texts("case 0")[0] == "done" and section.cases.texts("case 2")[0] == "waiting"
    panel.add_step("gaussian")
    assert len(panel.recipe.steps) == 4, "the page stays usable"
    press(panel.steps.buttons["remove"])
    panel.steps._on_switch("median", False)
    section.button.click()
    assert not section.button.enabled and section.status.text == "Stopping..."
    wait_until(lambda: not section.runner.running, timeout=60)
    assert section.status.text.startswith("Cancelled; finished cases are kept")
    assert not section.button.enabled and "is switched off" in section.button.toolTip
    panel.steps._on_switch("median", True)
    assert [path.name for path in sorted((tmp_path / "out").glob("case*"))] == ["case 0"]
    assert run() == "3 of 3 cases done. 1 of them were kept from before."
    assert section.cases.texts("case 0")[0] == "kept"


def test_an_error_of_the_batch_is_told(in_process, panel, cohort, run, tmp_path):
    section = panel.cohort
    (tmp_path / "file").write_text("x", encoding="utf-8")
    section.form.cohort.currentPath, section.form.folder.currentPath = str(cohort), str(tmp_path / "file")
    assert "cannot be made" in run()
    assert section.button.enabled and section.button.text == "Run on the cohort"


def test_an_unexpected_error_is_told_with_its_details(panel, cohort, run, tmp_path, monkeypatch):
    import slicer
    from MedImgAnalysisLib.batch import runner

    def fail(*arguments, **more):
        raise ZeroDivisionError("kaput")

    shown = []
    monkeypatch.setattr(slicer.util, "errorDisplay", lambda text, **more: shown.append(more["detailedText"]))
    monkeypatch.setattr(runner, "run_batch", fail)
    section = panel.cohort
    section.form.cohort.currentPath, section.form.folder.currentPath = str(cohort), str(tmp_path / "out")
    assert "kaput" in run() and "ZeroDivisionError" in shown[0]
    assert section.button.enabled


def test_leaving_the_module_stops_the_batch(in_process, panel, cohort, press, tmp_path):
    import threading

    section = panel.cohort
    section.form.cohort.currentPath, section.form.folder.currentPath = str(cohort), str(tmp_path / "out")
    press(section.button)
    panel.cleanup()
    for thread in threading.enumerate():
        if thread.name == "MedImgAnalysis":
            thread.join(20)
    assert not section.runner.running
    assert [thread for thread in threading.enumerate() if thread.name == "MedImgAnalysis"] == []
