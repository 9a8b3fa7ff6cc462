"""The plan of a batch: what would run, what is missing, and what it takes; nothing is written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from cases_testing import SMOOTH, THRESHOLD, recipe_data, write_cohort, write_recipe
from MedImgAnalysisLib.__main__ import main
from MedImgAnalysisLib.batch.cohort import load
from MedImgAnalysisLib.batch.outlook import outlook
from MedImgAnalysisLib.batch.runner import run_batch
from MedImgAnalysisLib.recipe import Recipe

RECIPE = Recipe.from_data(recipe_data())


@pytest.fixture
def cohort(tmp_path: Path):
    return load(write_cohort(tmp_path, ["a", "b", "c"]), RECIPE)


def states(found) -> dict[str, str]:
    return {case.id: case.state for case in found.cases}


def test_before_anything_ran(cohort, tmp_path: Path) -> None:
    (tmp_path / "c.nrrd").unlink()
    found = outlook(RECIPE, cohort, tmp_path / "out", 2)
    assert states(found) == {"a": "run", "b": "run", "c": "problem"}
    assert "c.nrrd" in found.problems[0].text and "'t1'" in found.problems[0].text
    assert not (tmp_path / "out").exists()
    voxels = 24 * 24 * 12
    assert found.cases[0].disk_bytes == pytest.approx(voxels * (4 + 1))  # a float image and one segment
    assert found.cases[0].memory_bytes > voxels * 8 and found.memory_bytes >= 2 * found.cases[0].memory_bytes
    assert "2 of 3 cases would run" in found.text()


def test_a_file_whose_header_cannot_be_read_is_a_problem(cohort, tmp_path: Path) -> None:
    (tmp_path / "a.nrrd").write_text("this is no image")
    (tmp_path / "b.nrrd").write_bytes(b"")
    found = outlook(RECIPE, cohort, tmp_path / "out", 1)
    assert states(found) == {"a": "problem", "b": "problem", "c": "run"}
    assert "'t1'" in found.problems[0].text and "no image" in found.problems[0].text
    assert "empty" in found.problems[1].text
    result = run_batch(RECIPE, cohort, tmp_path / "out", workers=0)
    assert [case.state for case in result.cases] == ["failed", "failed", "done"], "as the plan has said"


def test_after_a_run_and_a_changed_file(cohort, tmp_path: Path) -> None:
    run_batch(RECIPE, cohort, tmp_path / "out", workers=0)
    assert states(outlook(RECIPE, cohort, tmp_path / "out", 1)) == dict.fromkeys("abc", "kept")
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((5, 6, 7), np.float32)), str(tmp_path / "b.nrrd"))
    found = outlook(RECIPE, cohort, tmp_path / "out", 1)
    assert states(found) == {"a": "kept", "b": "run", "c": "kept"}
    assert found.cases[1].text == "Again: the input t1 has changed."
    other = Recipe.from_data(recipe_data(SMOOTH, outputs=("smoothed",)))
    assert {case.text for case in outlook(other, cohort, tmp_path / "out", 1).cases} == {
        "Again: the recipe has changed."
    }
    assert states(outlook(RECIPE, cohort, tmp_path / "out", 1, restart=True))["a"] == "run"


def test_a_folder_that_is_not_ours_is_a_problem(cohort, tmp_path: Path) -> None:
    (tmp_path / "out" / "a").mkdir(parents=True)
    (tmp_path / "out" / "a" / "thesis.txt").touch()
    found = outlook(RECIPE, cohort, tmp_path / "out", 1)
    assert states(found)["a"] == "problem" and (tmp_path / "out" / "a" / "thesis.txt").exists()


def test_the_plan_on_the_command_line(tmp_path: Path, capsys) -> None:
    recipe, cohort = write_recipe(tmp_path / "r.json", SMOOTH, THRESHOLD), write_cohort(tmp_path, ["a", "b"])
    words = ["batch", str(recipe), str(cohort), "--out", str(tmp_path / "out"), "--plan"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "2 of 2 cases would run" in said and "Disk: at most" in said
    (tmp_path / "b.nrrd").unlink()
    assert main([*words, "--json"]) == 1
    data = json.loads(capsys.readouterr().out)
    assert data["counts"] == {"run": 1, "kept": 0, "problem": 1} and not (tmp_path / "out").exists()


def test_a_batch_from_a_pattern(tmp_path: Path, capsys) -> None:
    recipe = write_recipe(tmp_path / "r.json", SMOOTH, THRESHOLD, outputs=("size",))
    write_cohort(tmp_path, ["a-1", "a-2", "b-1"])
    (tmp_path / "b-1x.nrrd").write_bytes((tmp_path / "b-1.nrrd").read_bytes())
    words = ["batch", str(recipe), "--in", f"t1={tmp_path}/{{who}}-{{visit}}.nrrd", "--id", "{who}{visit}"]
    assert main([*words, "--out", str(tmp_path / "out"), "--workers", "0", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["done"] == ["a1", "a2", "b1", "b1x"]
    header, first = (tmp_path / "out" / "results.csv").read_text().splitlines()[:2]
    assert header.startswith("id,status,who,visit,") and first.startswith("a1,done,a,1,")


def test_a_case_with_a_problem_fails_with_it_and_the_others_run(tmp_path: Path, capsys) -> None:
    recipe = write_recipe(tmp_path / "r.json", SMOOTH, THRESHOLD, outputs=("size",))
    write_cohort(tmp_path, ["a-1", "b-1"])
    (tmp_path / "b-10.nrrd").write_bytes((tmp_path / "b-1.nrrd").read_bytes())
    words = ["batch", str(recipe), "--in", f"t1={tmp_path}/{{who}}-1*.nrrd", "--out", str(tmp_path / "out"), "--json"]
    assert main([*words, "--workers", "0"]) == 1
    data = json.loads(capsys.readouterr().out)
    assert data["done"] == ["a"]
    assert data["failed"][0]["error"]["message"].startswith("2 files fit the input 't1' (b-1.nrrd, b-10.nrrd)")


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["c.csv", "--in", "t1={s}.nrrd"],
        ["c.csv", "--id", "{s}"],
        ["--in", "t1={s}.nrrd", "--case-by", "patient"],
        ["--from-dicom", "."],
        ["--from-dicom", ".", "--in", "t1=Modality=MR", "--id", "{s}"],
    ],
)
def test_a_cohort_that_is_told_twice_or_not_at_all_is_refused(words: list[str], tmp_path: Path, capsys) -> None:
    recipe = write_recipe(tmp_path / "r.json", SMOOTH, outputs=("smoothed",))
    assert main(["batch", str(recipe), *words, "--out", str(tmp_path / "out"), "--quiet"]) == 2
    assert capsys.readouterr().err and not (tmp_path / "out").exists()
