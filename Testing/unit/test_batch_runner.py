"""A batch over a cohort: results, failures, going on, and what a second batch is told."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from cases_testing import (
    SMOOTH,
    THRESHOLD,
    blob,
    events,
    leftovers,
    medimg,
    recipe_data,
    write_cohort,
    write_recipe,
)
from MedImgAnalysisLib import files
from MedImgAnalysisLib.__main__ import main
from MedImgAnalysisLib.batch.cohort import load
from MedImgAnalysisLib.batch.journal import Journal
from MedImgAnalysisLib.batch.lock import Lock
from MedImgAnalysisLib.batch.runner import run_batch
from MedImgAnalysisLib.errors import FileError, MissingPackageError, ParameterError
from MedImgAnalysisLib.recipe import Recipe

RECIPE = Recipe.from_data(recipe_data())
CASES = ["a", "b ü", "c"]


def rows(out: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((out / "results.csv").read_text(encoding="utf-8"))))


def voxels(out: Path) -> dict[str, Any]:
    """Every image and record of every case, without what depends on time and place."""
    found = {}
    for case in sorted(path for path in out.iterdir() if path.is_dir()):
        image = sitk.ReadImage(str(case / "smoothed.nrrd"))
        record = json.loads((case / "provenance.json").read_text(encoding="utf-8"))
        found[case.name] = (
            sitk.GetArrayFromImage(image).tobytes(),
            image.GetOrigin(),
            record["outputs"],
            record["measurements"],
        )
    return found


def test_every_case_gets_the_numbers_of_the_recipe_and_its_own_columns(tmp_path: Path) -> None:
    cohort = load(write_cohort(tmp_path, CASES), RECIPE)
    result = run_batch(RECIPE, cohort, tmp_path / "out", workers=2)
    assert [case.state for case in result.cases] == ["done"] * 3
    table = rows(tmp_path / "out")
    assert [row["id"] for row in table] == CASES
    for number, row in enumerate(table):
        expected = RECIPE.run({"t1": blob(number)}).outputs["size"].rows[0]
        assert row["age"] == str(40 + number) and row["status"] == "done" and row["error"] == ""
        assert float(row["size.Foreground.threshold"]) == expected["threshold"]
        assert float(row["size.Foreground.volume_ml [ml]"]) == expected["volume_ml"]
        saved = files.read(tmp_path / "out" / row["id"] / "smoothed.nrrd", "image")
        again = RECIPE.run({"t1": blob(number)}).outputs["smoothed"]
        assert np.array_equal(sitk.GetArrayFromImage(saved), sitk.GetArrayFromImage(again))
    assert leftovers(tmp_path) == []
    data = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    assert [case["id"] for case in data["cases"]] == CASES
    assert data["cases"][0]["values"]["size.Foreground.threshold"] == float(table[0]["size.Foreground.threshold"])
    assert (tmp_path / "out" / data["cases"][1]["outputs"]["smoothed"]).is_file()
    assert Recipe.load(tmp_path / "out" / "recipe.json") == RECIPE


def test_one_worker_and_two_give_equal_files_and_tables(tmp_path: Path) -> None:
    cohort = load(write_cohort(tmp_path, CASES), RECIPE)
    for workers in (1, 2):
        run_batch(RECIPE, cohort, tmp_path / f"out{workers}", workers=workers)
    assert voxels(tmp_path / "out1") == voxels(tmp_path / "out2")
    assert (tmp_path / "out1" / "results.csv").read_bytes() == (tmp_path / "out2" / "results.csv").read_bytes()


def test_a_batch_and_a_single_run_give_equal_results(tmp_path: Path) -> None:
    cohort = load(write_cohort(tmp_path, ["a"]), RECIPE)
    run_batch(RECIPE, cohort, tmp_path / "out")
    recipe = write_recipe(tmp_path / "recipe.json")
    single = [
        "run",
        str(recipe),
        "--in",
        str(tmp_path / "a.nrrd"),
        "--out",
        str(tmp_path / "single"),
        "--case",
        "a",
        "--quiet",
    ]
    assert main(single) == 0
    assert voxels(tmp_path / "single") == voxels(tmp_path / "out")


def test_a_failed_case_leaves_its_error_in_the_table_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_cohort(tmp_path, ["good", "constant", "truncated", "last"])
    sitk.WriteImage(blob() * 0 + 7, str(tmp_path / "constant.nrrd"))
    data = (tmp_path / "truncated.nrrd").read_bytes()
    (tmp_path / "truncated.nrrd").write_bytes(data[: len(data) // 2])
    with open(path, "a", encoding="utf-8") as stream:
        stream.write("missing,no such file.nrrd,1\nempty,,2\n")
    recipe = write_recipe(tmp_path / "recipe.json")
    out = tmp_path / "out"
    assert main(["batch", str(recipe), str(path), "--out", str(out), "--workers", "1", "--json"]) == 1
    captured = capsys.readouterr()
    answer = json.loads(captured.out)
    assert captured.err == ""
    assert answer["done"] == ["good", "last"] and answer["cases"] == 6
    assert {entry["case"] for entry in answer["failed"]} == {"constant", "truncated", "missing", "empty"}
    table = {row["id"]: row for row in rows(out)}
    assert table["good"]["status"] == table["last"]["status"] == "done"
    for case, word in (
        ("constant", "constant"),
        ("truncated", "truncated.nrrd"),
        ("missing", "no such file.nrrd"),
        ("empty", "t1"),
    ):
        assert table[case]["status"] == "failed" and word in table[case]["error"]
        assert table[case]["size.Foreground.threshold"] == ""
    assert sorted(path.name for path in out.iterdir() if path.is_dir()) == ["good", "last"]
    assert leftovers(tmp_path) == []


def test_finished_cases_are_kept_and_changed_ones_run_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, recipe, out = write_cohort(tmp_path, CASES), write_recipe(tmp_path / "recipe.json"), tmp_path / "out"
    command = ["batch", str(recipe), str(path), "--out", str(out), "--workers", "2", "--json"]

    def again(*more: str) -> dict[str, Any]:
        assert main([*command, *more]) == 0
        return json.loads(capsys.readouterr().out)

    again()
    before, times = voxels(out), {case: (out / case).stat().st_ino for case in CASES}
    first = (out / "results.csv").read_bytes()
    assert again()["kept"] == CASES
    assert {case: (out / case).stat().st_ino for case in CASES} == times
    assert (out / "results.csv").read_bytes() == first
    sitk.WriteImage(blob(9), str(tmp_path / "c.nrrd"))
    answer = again()
    assert answer["kept"] == CASES[:2] and answer["recomputed"] == {"c": "the input t1 has changed"}
    assert voxels(out)["a"] == before["a"] and voxels(out)["c"] != before["c"]
    write_recipe(recipe, {**SMOOTH, "parameters": {"sigma_mm": 2.0}}, THRESHOLD)
    answer = again()
    assert answer["kept"] == [] and set(answer["recomputed"].values()) == {"the recipe has changed"}
    assert again("--restart")["kept"] == []


def test_a_case_that_fails_now_leaves_no_result_of_another_recipe(tmp_path: Path) -> None:
    cohort = load(write_cohort(tmp_path, ["a", "b"]), RECIPE)
    run_batch(RECIPE, cohort, tmp_path / "out")
    (tmp_path / "a.nrrd").write_bytes(b"garbage")
    result = run_batch(RECIPE, cohort, tmp_path / "out")
    assert [case.state for case in result.cases] == ["failed", "done"]
    assert not (tmp_path / "out" / "a").exists() and (tmp_path / "out" / "b").is_dir()


@pytest.mark.parametrize(("option", "package"), [("dicom", "highdicom"), ("snapshots", "slicer"), ("scene", "slicer")])
def test_a_package_that_is_missing_is_said_before_anything_is_done(
    option: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cohort = load(write_cohort(tmp_path, ["a", "b"]), RECIPE)
    out = tmp_path / "out"
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingPackageError, match="pip install"):
        run_batch(RECIPE, cohort, out, workers=0, **{option: True})
    assert not out.exists()
    run_batch(RECIPE, cohort, out, workers=0)
    before = voxels(out)
    with pytest.raises(MissingPackageError, match="pip install"):
        run_batch(RECIPE, cohort, out, workers=0, **{option: True})
    assert voxels(out) == before and len(rows(out)) == 2


def test_a_finished_result_outlives_a_run_that_fails_for_another_reason_than_its_recipe_or_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cohort = load(write_cohort(tmp_path, ["a", "b"]), RECIPE)
    out = tmp_path / "out"
    run_batch(RECIPE, cohort, out, workers=0)
    before = voxels(out)

    def full(*arguments: Any, **more: Any) -> Any:
        raise FileError("No space left on device.")

    with monkeypatch.context() as patched:
        patched.setattr("MedImgAnalysisLib.batch.task.run_case", full)
        assert len(run_batch(RECIPE, cohort, out, workers=0, restart=True).failed) == 2
    away = (tmp_path / "a.nrrd").rename(tmp_path / "away")
    result = run_batch(RECIPE, cohort, out, workers=0)
    assert [case.state for case in result.cases] == ["failed", "done"] and rows(out)[0]["status"] == "failed"
    assert voxels(out) == before, "both results are still there"
    away.rename(tmp_path / "a.nrrd")
    assert run_batch(RECIPE, cohort, out, workers=0).kept == ("a", "b") and voxels(out) == before
    away = (tmp_path / "a.nrrd").rename(tmp_path / "away")
    other = Recipe.from_data(recipe_data({**SMOOTH, "parameters": {"sigma_mm": 2.0}}, THRESHOLD))
    run_batch(other, cohort, out, workers=0)
    assert not (out / "a").exists() and (out / "b").is_dir(), "of another recipe"


def test_a_folder_of_the_user_in_the_way_fails_its_case_and_stays(tmp_path: Path) -> None:
    cohort = load(write_cohort(tmp_path, ["a", "b"]), RECIPE)
    (tmp_path / "out" / "a").mkdir(parents=True)
    (tmp_path / "out" / "a" / "notes.txt").write_text("mine")
    result = run_batch(RECIPE, cohort, tmp_path / "out")
    assert [case.state for case in result.cases] == ["failed", "done"]
    assert "notes.txt" in str(result.failed[0].error) and (tmp_path / "out" / "a" / "notes.txt").read_text() == "mine"


def test_a_wrong_cohort_is_status_2_and_nothing_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = write_recipe(tmp_path / "recipe.json")
    path = tmp_path / "cohort.csv"
    for text, word in (
        ("id,t1\n../../x,a.nrrd\n", "../../x"),
        ("id,t1\na,x\nA,y\n", "line 3"),
        ("id,t2\na,x\n", "t1"),
    ):
        path.write_text(text, encoding="utf-8")
        assert main(["batch", str(recipe), str(path), "--out", str(tmp_path / "out")]) == 2
        err = capsys.readouterr().err
        assert word in err and err.count("\n") == 1
        assert not (tmp_path / "out").exists()
    with pytest.raises(ParameterError, match="at least 0"):
        run_batch(RECIPE, load(write_cohort(tmp_path, ["a"]), RECIPE), tmp_path / "out", workers=-1)


def test_hostile_texts_go_through_as_texts(tmp_path: Path) -> None:
    sitk.WriteImage(blob(), str(tmp_path / "x.nrrd"))
    path = tmp_path / "cohort.csv"
    path.write_text(
        'id,t1,"note, ""n"""\n=1+1,x.nrrd,"<script>alert(1)</script>"\n-2,x.nrrd,"@SUM(A1)\nsecond"\n',
        encoding="utf-8",
    )
    result = run_batch(RECIPE, load(path, RECIPE), tmp_path / "out", workers=1)
    assert [case.state for case in result.cases] == ["done", "done"]
    assert (tmp_path / "out" / "=1+1" / "smoothed.nrrd").is_file()
    table = rows(tmp_path / "out")
    assert table[0]["id"] == "'=1+1" and table[1]["id"] == "-2"
    assert table[1]['note, "n"'] == "'@SUM(A1)\nsecond"
    assert "<script>alert" not in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_warnings_of_a_case_reach_the_table_and_the_user(tmp_path: Path) -> None:
    path = write_cohort(tmp_path, ["a", "b"])
    image = blob()
    image.SetSpacing((0.5, 0.5, 8.0))
    sitk.WriteImage(image, str(tmp_path / "a.nrrd"))
    step = {
        "id": "m",
        "operation": "median",
        "parameters": {"radius_voxels": 1},
        "inputs": {"image": "t1"},
        "outputs": {"image": "m"},
    }
    recipe = write_recipe(tmp_path / "recipe.json", step, outputs=["m"])
    done = medimg("batch", recipe, path, "--out", tmp_path / "out")
    assert done.returncode == 0 and done.stdout == ""
    assert "warning: a: The spacing is very uneven" in done.stderr
    table = rows(tmp_path / "out")
    assert "uneven" in table[0]["warnings"] and table[1]["warnings"] == ""


def test_a_second_batch_into_the_same_folder_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, recipe, out = write_cohort(tmp_path, ["a"]), write_recipe(tmp_path / "recipe.json"), tmp_path / "out"
    out.mkdir()
    with Lock(out):
        assert main(["batch", str(recipe), str(path), "--out", str(out)]) == 2
        err = capsys.readouterr().err
        assert "Another batch" in err and str(os.getpid()) in err
        assert not (out / "a").exists() and not (out / "events.jsonl").exists()
    assert main(["batch", str(recipe), str(path), "--out", str(out), "--quiet"]) == 0


def test_an_output_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(FileError, match="out"):
        run_batch(RECIPE, load(write_cohort(tmp_path, ["a"]), RECIPE), tmp_path / "out")


def test_a_journal_line_that_was_cut_off_does_not_swallow_the_next(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_text('{"event": "done"}\n{"event": "do', encoding="utf-8")
    journal = Journal(tmp_path)
    journal.write("done", case="x")
    journal.close()
    lines = (tmp_path / "events.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[-1])["case"] == "x" and len(lines) == 3


def test_the_journal_tells_what_happened_in_order(tmp_path: Path) -> None:
    run_batch(RECIPE, load(write_cohort(tmp_path, ["a", "b"]), RECIPE), tmp_path / "out", workers=1)
    told = [(event["event"], event.get("case")) for event in events(tmp_path / "out")]
    assert told == [
        ("batch started", None),
        ("started", "a"),
        ("done", "a"),
        ("started", "b"),
        ("done", "b"),
        ("batch ended", None),
    ]


def test_workers_without_scene_load_neither_slicer_nor_vtk() -> None:
    import subprocess
    import sys

    from cases_testing import environment

    code = (
        "import sys, MedImgAnalysisLib.batch.worker, MedImgAnalysisLib.batch.runner; "
        "print([m for m in ('slicer', 'vtk', 'scipy', 'tqdm') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
