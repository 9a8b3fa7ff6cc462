"""One case: its folder, its record, and what is left when it fails."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from cases_testing import SMOOTH, THRESHOLD, blob, leftovers, recipe_data, write_recipe
from MedImgAnalysisLib import files
from MedImgAnalysisLib.__main__ import main
from MedImgAnalysisLib.batch.case import Extras, describe_inputs, finished, recipe_key, run_case
from MedImgAnalysisLib.batch.sources import content
from MedImgAnalysisLib.errors import Cancelled, FileError, MedImgError, ParameterError
from MedImgAnalysisLib.progress import Progress
from MedImgAnalysisLib.recipe import Recipe

RECIPE = Recipe.from_data(recipe_data())


@pytest.fixture
def t1(tmp_path: Path) -> Path:
    path = tmp_path / "input" / "t1.nrrd"
    path.parent.mkdir()
    sitk.WriteImage(blob(1), str(path))
    return path


def test_the_folder_holds_what_the_recipe_gives_in_memory(t1: Path, tmp_path: Path) -> None:
    record = run_case(RECIPE, {"t1": t1}, tmp_path / "out")
    expected = RECIPE.run({"t1": sitk.ReadImage(str(t1))}).outputs
    smoothed = files.read(tmp_path / "out" / "smoothed.nrrd", "image")
    assert np.array_equal(sitk.GetArrayFromImage(smoothed), sitk.GetArrayFromImage(expected["smoothed"]))
    seg = files.read(tmp_path / "out" / "seg.seg.nrrd", "labels")
    assert seg.names == expected["seg"].names
    assert np.array_equal(
        sitk.GetArrayFromImage(seg.mask(seg.segments[0])),
        sitk.GetArrayFromImage(expected["seg"].mask(expected["seg"].segments[0])),
    )
    assert record["measurements"]["size"]["rows"][0]["threshold"] == expected["size"].rows[0]["threshold"]
    assert sorted(os.listdir(tmp_path / "out")) == ["provenance.json", "seg.seg.nrrd", "size.csv", "smoothed.nrrd"]
    assert leftovers(tmp_path) == []


def test_the_record_says_how_the_results_came_about(t1: Path, tmp_path: Path) -> None:
    run_case(RECIPE, {"t1": t1}, tmp_path / "out", case="P1")
    record = json.loads((tmp_path / "out" / "provenance.json").read_text(encoding="utf-8"))
    entry = record["inputs"]["t1"]
    assert record["case"] == "P1"
    assert entry["sha256"] == hashlib.sha256(t1.read_bytes()).hexdigest() and entry["path"] == str(t1)
    assert (tmp_path / "out" / entry["relative"]).resolve() == t1
    assert Recipe.from_data(record["recipe"]) == RECIPE and record["recipe_sha256"] == recipe_key(RECIPE)
    assert [step["operation"] for step in record["steps"]] == ["gaussian", "auto_threshold"]
    assert record["steps"][0]["inputs"]["image"]["sha256"] == entry["value_sha256"]
    assert record["steps"][1]["inputs"]["image"]["sha256"] == record["outputs"]["smoothed"]["value_sha256"]
    for output in record["outputs"].values():
        assert output["sha256"] == hashlib.sha256((tmp_path / "out" / output["file"]).read_bytes()).hexdigest()
    assert record["software"]["SimpleITK"] and record["threads"] >= 1 and record["seconds"] > 0
    assert record["files"] == ["seg.seg.nrrd", "size.csv", "smoothed.nrrd"]


def test_folders_and_files_have_the_usual_permissions(t1: Path, tmp_path: Path) -> None:
    run_case(RECIPE, {"t1": t1}, tmp_path / "out")
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "file").touch()
    for ours, plain in (("out", "plain"), ("out/provenance.json", "plain/file"), ("out/smoothed.nrrd", "plain/file")):
        assert stat.S_IMODE((tmp_path / ours).stat().st_mode) == stat.S_IMODE((tmp_path / plain).stat().st_mode)


def test_a_failing_step_leaves_nothing_not_even_the_parents_it_made(t1: Path, tmp_path: Path) -> None:
    sitk.WriteImage(blob() * 0, str(t1))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(MedImgError, match="constant"):
        run_case(RECIPE, {"t1": t1}, tmp_path / "a" / "b" / "out")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_failing_write_leaves_nothing(t1: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise FileError("the disk is full")

    monkeypatch.setattr(files, "write", full)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(FileError, match="full"):
        run_case(RECIPE, {"t1": t1}, tmp_path / "a" / "out")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("fraction", [0.0, 0.2, 0.86, 0.88])
def test_a_cancel_at_any_time_leaves_nothing_and_keeps_the_earlier_result(
    fraction: float, t1: Path, tmp_path: Path
) -> None:
    run_case(RECIPE, {"t1": t1}, tmp_path / "out")
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}

    def cancel(at: float, _: str) -> None:
        if at >= fraction:
            progress.cancel()

    progress = Progress(cancel)
    with pytest.raises(Cancelled):
        run_case(RECIPE, {"t1": t1}, tmp_path / "out", progress=progress)
    assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert leftovers(tmp_path) == []


def test_the_result_of_an_earlier_run_is_replaced_whole(t1: Path, tmp_path: Path) -> None:
    run_case(RECIPE, {"t1": t1}, tmp_path / "out")
    other = Recipe.from_data(recipe_data(SMOOTH, outputs=["smoothed"]))
    run_case(other, {"t1": t1}, tmp_path / "out")
    assert sorted(os.listdir(tmp_path / "out")) == ["provenance.json", "smoothed.nrrd"]
    assert sorted(os.listdir(tmp_path)) == ["input", "out"]


def test_an_empty_folder_and_the_working_folder_can_be_filled(
    t1: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for _ in range(2):
        run_case(RECIPE, {"t1": t1}, ".")
        assert sorted(os.listdir(".")) == ["provenance.json", "seg.seg.nrrd", "size.csv", "smoothed.nrrd"]


@pytest.mark.parametrize("make", ["file", "foreign", "foreign in result", "link"])
def test_what_is_not_ours_is_never_replaced(make: str, t1: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    if make == "file":
        out.write_text("mine")
    elif make == "link":
        (tmp_path / "elsewhere").mkdir()
        out.symlink_to(tmp_path / "elsewhere")
    elif make == "foreign":
        out.mkdir()
        (out / "notes.txt").write_text("mine")
    else:
        run_case(RECIPE, {"t1": t1}, out)
        (out / "sub").mkdir()
        (out / "sub" / "notes.txt").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(FileError, match="choose another"):
        run_case(RECIPE, {"t1": t1}, out)
    assert sorted(tmp_path.rglob("*")) == before


def test_an_input_inside_the_folder_that_would_be_replaced_is_refused(t1: Path, tmp_path: Path) -> None:
    run_case(RECIPE, {"t1": t1}, tmp_path / "out")
    with pytest.raises(FileError, match="would be replaced"):
        run_case(RECIPE, {"t1": tmp_path / "out" / "smoothed.nrrd"}, tmp_path / "out")
    assert (tmp_path / "out" / "smoothed.nrrd").is_file()


def described(recipe: Recipe, t1: Path, out: Path) -> Any:
    return finished(out, recipe_key(recipe), describe_inputs(recipe, {"t1": t1}, out), Extras())


def test_a_finished_case_is_known_again_until_recipe_input_or_files_change(t1: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert described(RECIPE, t1, out) == (None, "")
    run_case(RECIPE, {"t1": t1}, out)
    assert described(RECIPE, t1, out)[0]["case"] == "out"
    renamed = Recipe.from_data({**recipe_data(name="Another title"), "description": "more words"})
    assert described(renamed, t1, out)[0] is not None
    stronger = Recipe.from_data(recipe_data({**SMOOTH, "parameters": {"sigma_mm": 1.1}}, THRESHOLD))
    assert described(stronger, t1, out) == (None, "the recipe has changed")
    before = t1.stat()
    data = t1.read_bytes()
    t1.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    os.utime(t1, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert described(RECIPE, t1, out) == (None, "the input t1 has changed")
    t1.write_bytes(data)
    (out / "size.csv").write_text("")
    assert "size.csv" in described(RECIPE, t1, out)[1]
    (out / "size.csv").unlink()
    assert "size.csv" in described(RECIPE, t1, out)[1]


def test_defaults_written_out_are_the_same_recipe(t1: Path) -> None:
    explicit = Recipe.from_data(recipe_data(SMOOTH, {**THRESHOLD, "parameters": {"bins": 256, "side": "bright"}}))
    assert recipe_key(explicit) == recipe_key(RECIPE)


def test_the_hash_of_an_input_covers_its_data_files(tmp_path: Path) -> None:
    sitk.WriteImage(blob(), str(tmp_path / "x.mhd"))
    first = content(tmp_path / "x.mhd")
    assert first["bytes"] == (tmp_path / "x.mhd").stat().st_size + (tmp_path / "x.raw").stat().st_size
    raw = tmp_path / "x.raw"
    raw.write_bytes(raw.read_bytes()[:-1] + b"\x7f")
    assert content(tmp_path / "x.mhd")["sha256"] != first["sha256"]
    (tmp_path / "list.nhdr").write_text("NRRD0004\ndimension: 3\ndata file: LIST 2\na.raw\nb.raw\n")
    (tmp_path / "a.raw").write_bytes(b"1")
    one = content(tmp_path / "list.nhdr")
    (tmp_path / "b.raw").write_bytes(b"2")
    assert content(tmp_path / "list.nhdr")["bytes"] == one["bytes"] + 1


def test_the_hash_of_a_folder_covers_names_and_contents(tmp_path: Path) -> None:
    folder = tmp_path / "series"
    folder.mkdir()
    (folder / "1.dcm").write_bytes(b"one")
    (folder / "2.dcm").write_bytes(b"two")
    first = content(folder)["sha256"]
    assert content(folder)["sha256"] == first
    (folder / "2.dcm").rename(folder / "3.dcm")
    assert content(folder)["sha256"] != first


def test_medimg_run_prints_where_everything_is(t1: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = write_recipe(tmp_path / "recipe.json")
    assert main(["run", str(recipe), "--in", str(t1), "--out", str(tmp_path / "res"), "--case", "P 1", "--json"]) == 0
    captured = capsys.readouterr()
    data = json.loads(captured.out)
    assert captured.err == ""
    assert data["folder"] == str(tmp_path / "res" / "P 1") and data["case"] == "P 1"
    assert Path(data["outputs"]["smoothed"]).is_file() and Path(data["provenance"]).is_file()
    assert data["measurements"]["size"][0]["segment"] == "Foreground"
    assert data["columns"]["size"]["volume_ml"]["unit"] == "ml"


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--in", "nonsense=x"], "t1"),
        ([], "t1"),
        (["--in", "t1={t1}", "--case", "../x"], "../x"),
        (["--in", "t1={t1}", "--scene", "x.txt"], ".mrb"),
        (["--in", "t1={t1}", "--scene", "{tmp}/no/x.mrb"], "does not exist"),
    ],
)
def test_medimg_run_refuses_a_wrong_request(
    arguments: list[str], word: str, t1: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = write_recipe(tmp_path / "recipe.json")
    filled = [argument.format(t1=t1, tmp=tmp_path) for argument in arguments]
    assert main(["run", str(recipe), *filled, "--out", str(tmp_path / "res")]) == 2
    assert word in capsys.readouterr().err
    assert not (tmp_path / "res").exists()


@pytest.mark.parametrize("name", ["x" * 300, "recipe.json/res", "closed/res"])
def test_a_folder_that_cannot_be_made_is_refused_before_the_work(
    name: str, t1: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def not_now(*_: object, **__: object) -> None:
        raise AssertionError("the work was begun")

    recipe = write_recipe(tmp_path / "recipe.json")
    (tmp_path / "closed").mkdir()
    may = os.access
    monkeypatch.setattr(
        "MedImgAnalysisLib.batch.folder.os.access", lambda path, mode: "closed" not in str(path) and may(path, mode)
    )
    monkeypatch.setattr("MedImgAnalysisLib.batch.case.describe_inputs", not_now)
    assert main(["run", str(recipe), "--in", f"t1={t1}", "--out", str(tmp_path / name)]) == 2
    said = capsys.readouterr().err
    assert "cannot be made: " in said and "debug" not in said and "Error" not in said


def test_a_scene_file_must_be_an_mrb() -> None:
    with pytest.raises(ParameterError, match="mrb"):
        Extras("case.mrml")
