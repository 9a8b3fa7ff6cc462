"""4-D files on the command line, in recipes and in batches: each frame as if it were alone."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from cases_testing import SMOOTH, THRESHOLD, blob, leftovers, recipe_data, write_recipe
from MedImgAnalysisLib import files
from MedImgAnalysisLib.__main__ import main
from MedImgAnalysisLib.batch.case import run_case
from MedImgAnalysisLib.batch.verify import verify
from MedImgAnalysisLib.filtering import Gaussian
from MedImgAnalysisLib.progress import Progress
from MedImgAnalysisLib.provenance import fingerprint
from MedImgAnalysisLib.recipe import Recipe
from MedImgAnalysisLib.values import Frames

TIMES = (0.0, 1.5, 3.0)


@pytest.fixture
def cine(tmp_path: Path) -> Path:
    return files.write(Frames(tuple(blob(n) for n in range(3)), TIMES, "time", "s"), tmp_path / "cine.nii.gz")


def apply(*arguments: object) -> int:
    return main(["apply", *map(str, arguments), "--quiet"])


def quiet() -> Progress:
    return Progress(on_warning=lambda sentence: None)


@pytest.mark.parametrize("name", ("out.seq.nrrd", "out.nii.gz"))
def test_apply_filters_every_frame_as_if_it_were_alone(cine: Path, name: str, tmp_path: Path) -> None:
    out = tmp_path / name
    assert apply("gaussian", "--in", cine, "--set", "sigma_mm=1.5", "--out", out) == 0
    found, given = files.read(out, "image"), files.read(cine, "image")
    assert (found.positions, found.unit) == (TIMES, "s")
    for before, after in zip(given.values, found.values, strict=True):
        alone = sitk.GetArrayFromImage(Gaussian(sigma_mm=1.5).run(before))
        assert np.array_equal(sitk.GetArrayFromImage(after), alone)
    assert leftovers(tmp_path) == []


def test_one_frame_of_the_file_is_worked_on_where_it_is_named(cine: Path, tmp_path: Path) -> None:
    assert apply("gaussian", "--in", f"{cine}#2", "--out", tmp_path / "a.nrrd") == 0
    expected = Gaussian().run(files.read(cine, "image").values[2])
    assert np.array_equal(
        sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "a.nrrd"))), sitk.GetArrayFromImage(expected)
    )


def test_registration_writes_a_folder_of_transforms_and_one_table(
    cine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sitk.WriteImage(blob(0), str(tmp_path / "fixed.nrrd"))
    register = ["apply", "register", "--in", f"fixed={tmp_path / 'fixed.nrrd'}", "--set", "start=none"]
    register += ["--set", "finest_mm=4", "--json"]
    outputs = ["--out", f"transform={tmp_path / 'moves'}", "--out", f"image={tmp_path / 'aligned.seq.nrrd'}"]
    assert main([*register, "--in", f"moving={cine}", *outputs]) == 0
    data = json.loads(capsys.readouterr().out)
    assert [row["frame"] for row in data["measurements"]["table"]] == [0, 1, 2]
    assert [row["position"] for row in data["measurements"]["table"]] == list(TIMES)
    assert data["columns"]["table"]["position"]["unit"] == "s"
    assert data["provenance"]["inputs"]["moving"]["frames"] == 3
    moves = files.read(tmp_path / "moves", "transform")
    assert len(moves) == 3 and moves.positions == TIMES
    assert main([*register, "--in", f"moving={cine}#1", "--out", f"transform={tmp_path / 'one.h5'}"]) == 0
    assert fingerprint(files.read(tmp_path / "one.h5", "transform")) == fingerprint(moves.values[1])


@pytest.mark.parametrize(
    "arguments, what",
    [
        (("gaussian", "--in", "{cine}", "--out", "{folder}/a.mha"), "several frames, which are written as .seq.nrrd"),
        (("gaussian", "--in", "{cine}#0", "--out", "{folder}/a"), "an image is written as .nrrd"),
        (("auto_threshold", "--in", "{cine}", "--out", "labels={folder}/a.seg.nrrd"), "a folder (a name without"),
    ],
)
def test_an_output_that_cannot_hold_the_frames_is_refused_before_the_work(
    arguments: tuple[str, ...], what: str, cine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["apply", *(text.format(cine=cine, folder=tmp_path) for text in arguments)]) == 2
    assert what in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["cine.nii.gz"]


def test_the_page_of_a_run_over_frames_has_the_table_of_all(cine: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert apply("auto_threshold", "--in", cine, "--page", page) == 0
    assert "<img" in page.read_text(encoding="utf-8") and "Frame" in page.read_text(encoding="utf-8")


def test_a_recipe_over_a_4d_file_gives_a_case_that_can_be_verified(cine: Path, tmp_path: Path) -> None:
    recipe = Recipe.from_data(recipe_data())
    record = run_case(recipe, {"t1": cine}, tmp_path / "case", progress=quiet())
    assert record["outputs"]["smoothed"]["file"] == "smoothed.seq.nrrd"
    assert record["outputs"]["seg"]["file"] == "seg" and (tmp_path / "case/seg/002.seg.nrrd").is_file()
    assert record["measurements"]["size"]["rows"][0]["frame"] == 0
    for number, frame in enumerate(files.read(cine, "image").values):
        alone = recipe.run({"t1": frame}, progress=quiet()).outputs
        assert fingerprint(alone["seg"]) == fingerprint(files.read(f"{tmp_path}/case/seg#{number}", "labels"))
        rows = [row for row in record["measurements"]["size"]["rows"] if row["frame"] == number]
        plain = [{key: value for key, value in row.items() if key not in ("frame", "position")} for row in rows]
        assert plain == [dict(row) for row in alone["size"].rows]
    assert verify(tmp_path / "case").equal
    changed = files.read(tmp_path / "case/smoothed.seq.nrrd", "image")
    changed.values[1][3, 3, 3] += 1
    files.write(changed, tmp_path / "case/smoothed.seq.nrrd")
    assert [found.where for found in verify(tmp_path / "case").differences] == ["smoothed frame #1 voxels"]


def test_a_batch_names_the_numbers_of_every_frame(cine: Path, tmp_path: Path) -> None:
    sitk.WriteImage(blob(1), str(tmp_path / "still.nrrd"))
    cohort = tmp_path / "cohort.csv"
    cohort.write_text(f"id,t1\nmoving,{cine.name}\nstill,still.nrrd\n", encoding="utf-8")
    recipe = write_recipe(tmp_path / "r.json", SMOOTH, THRESHOLD)
    assert main(["batch", str(recipe), str(cohort), "--out", str(tmp_path / "out"), "--workers", "1", "--quiet"]) == 0
    moving, still = csv.DictReader((tmp_path / "out/results.csv").read_text(encoding="utf-8").splitlines())
    values = {key: text for key, text in moving.items() if "threshold" in key and text}
    assert len({key.split(".")[1] for key in values if key.startswith("size.frame")}) == 3
    assert (still["status"], moving["status"]) == ("done", "done")
    assert main(["verify", str(tmp_path / "out"), "--quiet"]) == 0
