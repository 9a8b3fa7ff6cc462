"""`medimg recipe-from`: records of cases put behind each other, whose recipe gives the same hashes again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from cases_testing import SMOOTH, THRESHOLD, write_recipe
from MedImgAnalysisLib import files
from MedImgAnalysisLib.__main__ import main
from MedImgAnalysisLib.batch.case import Extras, run_case
from MedImgAnalysisLib.batch.case_history import history_of_files
from MedImgAnalysisLib.errors import FileError
from MedImgAnalysisLib.provenance import fingerprint
from MedImgAnalysisLib.recipe import Recipe
from panel_helpers import noisy_image


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    """A case that smooths, and one that thresholds its result; gives the folder of the second."""
    files.write(noisy_image(), tmp_path / "t1.nrrd")
    smooth = Recipe.load(write_recipe(tmp_path / "smooth.json", SMOOTH, outputs=["smoothed"]))
    run_case(smooth, {"t1": tmp_path / "t1.nrrd"}, tmp_path / "first")
    found = {**THRESHOLD, "inputs": {"image": "t1"}}
    threshold = Recipe.load(write_recipe(tmp_path / "threshold.json", found, outputs=["seg", "size"]))
    run_case(threshold, {"t1": tmp_path / "first" / "smoothed.nrrd"}, tmp_path / "second")
    return tmp_path / "second"


def test_two_cases_become_one_recipe_with_the_same_hashes(chain: Path, tmp_path: Path) -> None:
    found = history_of_files([chain])
    assert [step.operation for step in found.recipe.steps] == ["gaussian", "auto_threshold"]
    assert found.inputs == {"t1": str(tmp_path / "t1.nrrd")} and found.notes == ()
    record = json.loads((chain / "provenance.json").read_text(encoding="utf-8"))
    made = found.recipe.run({"t1": files.read(tmp_path / "t1.nrrd", "image")}).outputs
    assert {name: fingerprint(value) for name, value in made.items()} == {
        name: entry["value_sha256"] for name, entry in record["outputs"].items()
    }


def test_one_file_takes_only_the_steps_that_it_needs(chain: Path) -> None:
    assert history_of_files([chain.parent / "first" / "smoothed.nrrd"]).recipe.outputs == ("smoothed",)
    both = history_of_files([chain / "seg.seg.nrrd", chain.parent / "first"])
    assert both.recipe.outputs == ("smoothed", "seg") and len(both.recipe.steps) == 2


def test_a_copied_project_is_followed_by_its_relative_paths(chain: Path, tmp_path: Path) -> None:
    copied = tmp_path / "copy"
    copied.mkdir()
    for name in ("first", "second"):
        shutil.move(tmp_path / name, copied / name)
    assert len(history_of_files([copied / "second"]).recipe.steps) == 2


def test_a_file_that_was_changed_before_it_was_used_is_an_input(chain: Path, tmp_path: Path) -> None:
    smoothed = tmp_path / "first" / "smoothed.nrrd"
    files.write(noisy_image(seed=9), smoothed)
    assert len(history_of_files([chain]).recipe.steps) == 2, "it was made from what the file was"
    run_case(Recipe.load(tmp_path / "threshold.json"), {"t1": smoothed}, tmp_path / "third")
    found = history_of_files([tmp_path / "third"])
    assert [step.operation for step in found.recipe.steps] == ["auto_threshold"]
    assert found.inputs == {"t1": str(smoothed)} and "it was changed since it was made" in found.notes[0]


def test_a_record_without_paths_says_so(tmp_path: Path) -> None:
    files.write(noisy_image(), tmp_path / "t1.nrrd")
    smooth = Recipe.load(write_recipe(tmp_path / "smooth.json", SMOOTH, outputs=["smoothed"]))
    run_case(smooth, {"t1": tmp_path / "t1.nrrd"}, tmp_path / "out", extras=Extras(private=True))
    found = history_of_files([tmp_path / "out"])
    assert found.inputs == {"t1": None} and "not in the record" in found.notes[0]


def test_the_command_prints_or_writes_a_recipe_that_runs(
    chain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["recipe-from", str(chain)]) == 0
    printed = capsys.readouterr()
    assert Recipe.from_json(printed.out).outputs == ("seg", "size")
    assert f"The input t1 was {tmp_path / 't1.nrrd'}." in printed.err
    path = tmp_path / "whole.json"
    assert main(["recipe-from", str(chain / "size.csv"), "--out", str(path), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["out"] == str(path) and data["inputs"] == {"t1": str(tmp_path / "t1.nrrd")}
    assert Recipe.load(path).as_data() == data["recipe"]
    assert main(["run", str(path), "--in", f"t1={tmp_path / 't1.nrrd'}", "--out", str(tmp_path / "again")]) == 0
    assert (tmp_path / "again" / "size.csv").read_bytes() == (chain / "size.csv").read_bytes()


def test_what_is_no_result_is_refused(chain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (tmp_path / "t1.nrrd", chain / "provenance.json", tmp_path / "nothing"):
        with pytest.raises(FileError):
            history_of_files([path])
        assert main(["recipe-from", str(path)]) == 2
    assert capsys.readouterr().err.count("\n") == 3
    result = chain / "size.csv"
    assert main(["recipe-from", str(result), "--out", str(result)]) == 2
