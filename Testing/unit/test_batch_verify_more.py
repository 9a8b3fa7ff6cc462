"""`medimg verify`: what it says of threads, versions, changed files, damaged records, and of a whole cohort."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from cases_testing import SMOOTH, THRESHOLD, blob, recipe_data
from MedImgAnalysisLib import files
from MedImgAnalysisLib.__main__ import main
from MedImgAnalysisLib.batch.case import run_case
from MedImgAnalysisLib.batch.verify import verify
from MedImgAnalysisLib.batch.verify_many import case_folders, verify_many
from MedImgAnalysisLib.blockwise import set_thread_count, thread_count
from MedImgAnalysisLib.compare import Compared, differences
from MedImgAnalysisLib.errors import FileError, ParameterError, RecipeError
from MedImgAnalysisLib.filtering.gaussian import Gaussian
from MedImgAnalysisLib.recipe import Recipe
from MedImgAnalysisLib.values import Labels

RECIPE = Recipe.from_data(recipe_data())


@pytest.fixture
def out(tmp_path: Path) -> Path:
    sitk.WriteImage(blob(1), str(tmp_path / "t1.nrrd"))
    run_case(RECIPE, {"t1": tmp_path / "t1.nrrd"}, tmp_path / "res" / "case01")
    return tmp_path / "res" / "case01"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A batch of four cases."""
    folder = tmp_path_factory.mktemp("cohort")
    for number, name in enumerate("abcd"):
        sitk.WriteImage(blob(number), str(folder / f"{name}.nrrd"))
        run_case(RECIPE, {"t1": folder / f"{name}.nrrd"}, folder / "out" / name)
    return folder


@pytest.fixture
def cohort(made: Path, tmp_path: Path) -> Path:
    """A copy of it that a test can damage; the inputs are found where they were."""
    shutil.copytree(made / "out", tmp_path / "out")
    return tmp_path / "out"


def edit(out: Path, change: Any) -> None:
    path = out / "provenance.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    change(record)
    path.write_text(json.dumps(record), encoding="utf-8")


def spoil(file: Path, by: float = 0.5) -> None:
    image = files.read(file, "image")
    image[3, 4, 5] = image[3, 4, 5] + by
    files.write(image, file, "image")


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_other_numbers_of_threads_give_the_same_bits(out: Path, threads: int) -> None:
    before = thread_count()
    assert verify(out, threads=threads).equal
    edit(out, lambda record: record.update(threads=threads))
    assert verify(out).equal and thread_count() == before


def test_the_recorded_number_of_threads_is_used(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    real = Gaussian.run
    monkeypatch.setattr(Gaussian, "run", lambda self, *a, **k: seen.append(thread_count()) or real(self, *a, **k))
    set_thread_count(2)
    edit(out, lambda record: record.update(threads=3))
    assert verify(out).equal and verify(out, threads=1).equal and seen == [3, 1]


def test_a_new_revision_of_an_operation_is_said(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Gaussian, "revision", 7)
    result = verify(out)
    assert result.equal, "the hash of the recipe is another one then, which is no contradiction"
    assert "The operation gaussian had revision" in result.notes[0] and "has 7 now" in result.notes[0]


def test_a_recipe_that_does_not_fit_its_hash_is_a_difference(out: Path) -> None:
    edit(out, lambda record: record["recipe"]["steps"][0]["parameters"].update(sigma_mm=1.0 + 1e-9))
    found = [difference.where for difference in verify(out).differences]
    assert found[:2] == ["recipe (record)", "step smooth sigma_mm (record)"]
    edit(out, lambda record: record["software"].update(MedImgAnalysis="0.0.1"))
    again = [difference.where for difference in verify(out).differences]
    assert "recipe (record)" not in again, "another version may have other parameters"
    assert again[0] == "step smooth sigma_mm (record)"


def test_a_step_that_was_taken_out_of_the_record_is_a_difference(out: Path) -> None:
    edit(out, lambda record: record["steps"].pop())
    assert [d.where for d in verify(out).differences] == ["steps (record)"]


def test_an_operation_that_is_unknown_by_now_is_named(out: Path) -> None:
    edit(out, lambda record: record["recipe"]["steps"][0].update(operation="gone"))
    with pytest.raises((RecipeError, ParameterError), match="gone"):
        verify(out)
    assert main(["verify", str(out)]) == 2


def test_a_changed_file_is_told_from_a_changed_computation(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spoil(out / "smoothed.nrrd")
    assert main(["verify", str(out)]) == 1
    told = capsys.readouterr()
    assert "smoothed.nrrd was changed after the run: its SHA-256" in told.err
    head, line = told.out.splitlines()[1:3]
    assert head.split() == ["what", "recorded", "recomputed", "largest", "allowed", "where"]
    assert re.search(r"0\.5\s+equal\s+voxel \(3, 4, 5\) at LPS \(-9\.0, 7\.5, 50\.0\) mm$", line), line


def test_a_file_with_other_bytes_and_the_same_voxels_is_equal_and_noted(out: Path) -> None:
    image = sitk.ReadImage(str(out / "smoothed.nrrd"))
    sitk.WriteImage(image, str(out / "smoothed.nrrd"), useCompression=True, compressionLevel=1)
    result = verify(out)
    assert result.equal and "smoothed.nrrd was changed after the run" in result.notes[0]


def test_other_files_of_the_case_that_are_gone_are_noted(out: Path) -> None:
    edit(out, lambda record: record["files"].append("snapshots/seg-axial.png"))
    result = verify(out)
    assert result.equal and result.notes == ("Files of the case are gone: snapshots/seg-axial.png.",)


def test_warnings_that_come_or_stay_away_are_noted(out: Path) -> None:
    edit(out, lambda record: record["warnings"].append("It was dark."))
    assert verify(out).notes == ("Warnings that did not come again: It was dark.",)


def test_inputs_that_are_somewhere_else_can_be_given(
    out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "t1.nrrd").rename(tmp_path / "elsewhere.nrrd")
    assert main(["verify", str(out)]) == 2
    assert main(["verify", str(out), "--in", f"t1={tmp_path}/elsewhere.nrrd"]) == 0
    assert main(["verify", str(out), "--in", f"{tmp_path}/elsewhere.nrrd"]) == 0
    assert main(["verify", str(out), "--in", f"t1={out}/smoothed.nrrd"]) == 1, "another file is not that input"
    capsys.readouterr()
    edit(out, lambda record: [record["inputs"]["t1"].pop(key) for key in ("path", "relative")])
    assert main(["verify", str(out)]) == 2
    assert "holds no paths" in capsys.readouterr().err
    assert main(["verify", str(out), "--in", f"t1={tmp_path}/elsewhere.nrrd"]) == 0
    with pytest.raises(RecipeError, match="no input 'ct'"):
        verify(out, inputs={"ct": tmp_path / "elsewhere.nrrd"})


@pytest.mark.parametrize("name", ["../../t1.nrrd", "{root}/t1.nrrd", "link.nrrd"])
def test_files_outside_the_folder_of_the_case_are_not_read(out: Path, tmp_path: Path, name: str) -> None:
    (out / "link.nrrd").symlink_to(tmp_path / "t1.nrrd")
    edit(out, lambda record: record["outputs"]["smoothed"].update(file=name.format(root=tmp_path)))
    with pytest.raises(FileError, match="which lies outside its folder"):
        verify(out)


def test_one_file_of_a_case_is_compared_alone(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spoil(out / "smoothed.nrrd")
    assert main(["verify", str(out / "seg.seg.nrrd")]) == 0
    assert "case01: equal (seg)" in capsys.readouterr().out
    assert main(["verify", str(out / "smoothed.nrrd")]) == 1
    assert main(["verify", str(out / "provenance.json")]) == 2
    assert "is no output of the case case01" in capsys.readouterr().err
    assert main(["verify", str(out.parent.parent / "t1.nrrd")]) == 2
    assert "does not lie in the folder of a case" in capsys.readouterr().err


def test_a_whole_cohort_is_summed_up_and_one_broken_case_does_not_stop_it(
    cohort: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(cohort)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "4 cases: 4 equal, 0 different"
    edit(cohort / "b", lambda record: record["inputs"]["t1"].update(path="/gone.nrrd", relative="gone.nrrd"))
    edit(cohort / "c", lambda record: record.pop("inputs"))
    assert main(["verify", str(cohort)]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("a: equal") and lines[1].startswith("b: cannot be verified: The input 't1' of b is gone")
    assert "c: cannot be verified" in lines[2] and "damaged" in lines[2]
    spoil(cohort / "d" / "smoothed.nrrd")
    assert main(["verify", str(cohort), "--json"]) == 1
    data = json.loads(capsys.readouterr().out)
    assert data["summary"] == {"equal": 1, "different": 1, "unknown": 2} and data["equal"] is False
    assert [case["state"] for case in data["cases"]] == ["equal", "unknown", "unknown", "different"]
    assert data["cases"][1]["error"]["kind"] == "FileError"


def test_worker_processes_come_to_the_same_verdicts(
    cohort: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(cohort.parent)
    spoil(cohort / "d" / "smoothed.nrrd")
    edit(cohort / "b", lambda record: record["recipe"]["steps"][0].update(operation="gone"))
    told = []
    for workers in ("0", "2"):
        assert main(["verify", cohort.name, "--workers", workers, "--json"]) == 1
        told.append(json.loads(capsys.readouterr().out))
    assert told[0] == told[1] and told[0]["summary"] == {"equal": 2, "different": 1, "unknown": 1}


def test_verdicts_are_told_while_the_others_run(cohort: Path) -> None:
    seen: list[str] = []
    verdicts = verify_many(case_folders(cohort), on_verdict=lambda verdict: seen.append(verdict.case))
    assert seen == [verdict.case for verdict in verdicts] == ["a", "b", "c", "d"]
    with pytest.raises(FileError, match="no finished case"):
        case_folders(cohort / "a" / "nothing")


def test_the_largest_difference_that_is_allowed_is_told_too(tmp_path: Path) -> None:
    sitk.WriteImage(blob(1), str(tmp_path / "t1.nrrd"))
    step = {
        "id": "align", "operation": "register", "inputs": {"fixed": "t1", "moving": "t1"},
        "parameters": {"reproducible": False, "start": "none", "finest_mm": 4}, "outputs": {"image": "smoothed"},
    }  # fmt: skip
    recipe = Recipe.from_data(recipe_data(step, THRESHOLD, outputs=["smoothed"]))
    run_case(recipe, {"t1": tmp_path / "t1.nrrd"}, tmp_path / "out")
    image = files.read(tmp_path / "out" / "smoothed.nrrd", "image")
    (first,) = verify(tmp_path / "out").outputs
    image[1, 2, 3] = image[1, 2, 3] + 0.01
    files.write(image, tmp_path / "out" / "smoothed.nrrd", "image")
    (line,) = verify(tmp_path / "out").outputs
    assert first.equal and line.equal and line.largest == pytest.approx(0.01, rel=0.05)
    assert line.allowed == "within the tolerance" and "voxel (1, 2, 3)" in line.place


def test_the_place_of_a_difference_is_the_voxel_where_it_is_largest() -> None:
    rng = np.random.default_rng(0)
    image = sitk.GetImageFromArray(rng.normal(size=(4, 5, 6)).astype(np.float32))
    image.SetSpacing((1, 2, 3))
    other = sitk.Image(image)
    other[5, 4, 3] = other[5, 4, 3] + 2.0
    other[0, 1, 2] = other[0, 1, 2] - 1.0
    (found,) = differences("x", image, other, 0.0)
    assert found.largest == pytest.approx(2.0) and found.place == "voxel (5, 4, 3) at LPS (5.0, 8.0, 9.0) mm"
    mask, larger = (sitk.Cast(sitk.Abs(image) > limit, sitk.sitkUInt8) for limit in (9, 9))
    larger[2, 3, 1] = 1
    (found,) = differences("s", *(Labels.from_masks([("a", m)]) for m in (mask, larger)), 0.0)
    assert found.largest == 1 and found.place == "voxel (2, 3, 1) at LPS (2.0, 6.0, 3.0) mm"
    shift = sitk.TranslationTransform(3, (3.0, 4.0, 0.0))
    points = np.array([[0.0, 0, 0], [10, 0, 0]])
    (found,) = differences("m", sitk.TranslationTransform(3), shift, 0.0, points)
    assert found.largest == pytest.approx(5.0)
    assert Compared.of("m", "transform", [found]) == Compared(
        "m", "transform", False, found.largest, "equal", "LPS (0.0, 0.0, 0.0) mm"
    )
    assert Compared.of("m", "transform", []).equal


def test_a_smoothed_image_of_two_steps_is_verified_with_its_table(tmp_path: Path) -> None:
    sitk.WriteImage(blob(2), str(tmp_path / "t1.nrrd"))
    run_case(Recipe.from_data(recipe_data(SMOOTH, THRESHOLD)), {"t1": tmp_path / "t1.nrrd"}, tmp_path / "x")
    edit(tmp_path / "x", lambda record: record["measurements"]["size"]["rows"][0].update(voxels=1))
    (found,) = verify(tmp_path / "x").differences
    assert found.place == "row 1, voxels" and found.largest is not None and found.largest > 100
