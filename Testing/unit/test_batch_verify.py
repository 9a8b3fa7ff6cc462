"""`medimg verify`: a case is computed again and compared."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import SimpleITK as sitk
from cases_testing import SMOOTH, THRESHOLD, blob, recipe_data, write_recipe
from MedImgAnalysisLib import files
from MedImgAnalysisLib.__main__ import main
from MedImgAnalysisLib.batch.case import run_case
from MedImgAnalysisLib.batch.verify import tolerances, verify
from MedImgAnalysisLib.errors import FileError
from MedImgAnalysisLib.recipe import Recipe

RECIPE = Recipe.from_data(recipe_data())


@pytest.fixture
def out(tmp_path: Path) -> Path:
    sitk.WriteImage(blob(1), str(tmp_path / "t1.nrrd"))
    run_case(RECIPE, {"t1": tmp_path / "t1.nrrd"}, tmp_path / "res" / "case01")
    return tmp_path / "res" / "case01"


def edit(out: Path, change: Any) -> None:
    path = out / "provenance.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    change(record)
    path.write_text(json.dumps(record), encoding="utf-8")


def where(out: Path) -> list[str]:
    return [difference.where for difference in verify(out).differences]


def test_an_untouched_case_is_equal(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(out)]) == 0
    assert "case01: equal (smoothed, seg, size)" in capsys.readouterr().out
    assert main(["verify", str(out), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["equal"] is True and data["cases"][0]["compared"] == ["smoothed", "seg", "size"]


def test_a_changed_voxel_is_found(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = files.read(out / "smoothed.nrrd", "image")
    image[3, 4, 5] = image[3, 4, 5] + 1e-3
    files.write(image, out / "smoothed.nrrd", "image")
    assert main(["verify", str(out)]) == 1
    text = capsys.readouterr().out
    assert "smoothed voxels" in text and "1 of" in text and "equal" in text
    assert main(["verify", str(out), "--json"]) == 1
    data = json.loads(capsys.readouterr().out)
    assert data["equal"] is False and data["cases"][0]["differences"][0]["where"] == "smoothed voxels"


def test_a_changed_grid_segment_and_table_are_found(out: Path) -> None:
    image = files.read(out / "smoothed.nrrd", "image")
    image.SetOrigin((0.0, 0.0, 0.0))
    files.write(image, out / "smoothed.nrrd", "image")
    seg = files.read(out / "seg.seg.nrrd", "labels")
    mask = seg.mask(seg.segments[0])
    mask[0, 0, 0] = 1
    files.write(type(seg).from_masks([(seg.names[0], mask)]), out / "seg.seg.nrrd", "labels")
    table = out / "size.csv"
    text = table.read_text(encoding="utf-8")
    threshold = repr(json.loads((out / "provenance.json").read_text())["measurements"]["size"]["rows"][0]["threshold"])
    assert threshold in text
    table.write_text(text.replace(threshold, threshold[:-1] + ("1" if threshold[-1] != "1" else "2")), encoding="utf-8")
    assert where(out) == ["smoothed grid", "seg segment Foreground", "size row 1 threshold"]


def test_a_number_changed_in_the_record_alone_is_found(out: Path) -> None:
    edit(out, lambda record: record["measurements"]["size"]["rows"][0].update(voxels=1))
    assert where(out) == ["size (record) row 1 voxels"]


def test_other_parameters_in_the_record_give_other_results(out: Path) -> None:
    edit(out, lambda record: record["recipe"]["steps"][0]["parameters"].update(sigma_mm=1.5))
    assert "smoothed voxels" in where(out)


def test_a_missing_result_is_a_difference(out: Path) -> None:
    (out / "smoothed.nrrd").unlink()
    assert where(out) == ["smoothed"]


def test_another_input_is_said_and_nothing_is_computed(
    out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sitk.WriteImage(blob(2), str(tmp_path / "t1.nrrd"))
    assert main(["verify", str(out)]) == 1
    text = capsys.readouterr().out
    assert "input t1" in text and "SHA-256" in text and "smoothed" not in text


def test_results_that_moved_with_their_inputs_are_found_again(out: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    shutil.move(tmp_path / "t1.nrrd", tmp_path / "new" / "t1.nrrd")
    shutil.move(out.parent, tmp_path / "new" / "res")
    assert verify(tmp_path / "new" / "res" / "case01").equal


def test_an_input_that_is_gone_and_a_damaged_record_are_status_2(
    out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "t1.nrrd").rename(tmp_path / "other.nrrd")
    assert main(["verify", str(out)]) == 2
    assert "t1.nrrd" in capsys.readouterr().err
    (tmp_path / "other.nrrd").rename(tmp_path / "t1.nrrd")
    edit(out, lambda record: record.pop("outputs"))
    assert main(["verify", str(out)]) == 2
    assert "damaged" in capsys.readouterr().err
    (out / "provenance.json").write_text("{", encoding="utf-8")
    with pytest.raises(FileError, match="provenance"):
        verify(out)


def test_other_software_is_noted_and_is_no_difference(out: Path) -> None:
    edit(out, lambda record: record["software"].update(numpy="1.0"))
    result = verify(out)
    assert result.equal and "numpy 1.0 ->" in result.notes[0]


def test_a_folder_of_cases_is_verified_case_by_case(
    out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_case(RECIPE, {"t1": tmp_path / "t1.nrrd"}, out.parent / "case02")
    edit(out, lambda record: record["measurements"]["size"]["rows"][0].update(voxels=1))
    assert main(["verify", str(out.parent), "--json"]) == 1
    data = json.loads(capsys.readouterr().out)
    assert [(entry["case"], entry["equal"]) for entry in data["cases"]] == [("case01", False), ("case02", True)]


def registration(reproducible: bool) -> Recipe:
    step = {
        "id": "align",
        "operation": "register",
        "parameters": {"reproducible": reproducible, "start": "none", "finest_mm": 4},
        "inputs": {"fixed": "t1", "moving": "t1"},
        "outputs": {"image": "smoothed", "transform": "motion"},
    }
    return Recipe.from_data(recipe_data(step, THRESHOLD, outputs=["motion", "smoothed", "seg"]))


def test_a_tolerance_reaches_everything_after_the_step_it_belongs_to() -> None:
    assert set(tolerances(registration(True)).values()) == {0.0}
    loose = tolerances(registration(False))
    assert loose["t1"] == 0.0 and loose["motion"] == loose["smoothed"] == loose["seg"] == loose["size"] > 0
    both = Recipe.from_data(
        recipe_data(
            SMOOTH,
            {**registration(False).as_data()["steps"][0], "outputs": {"transform": "m"}},
            outputs=["smoothed", "m"],
        )
    )
    assert tolerances(both)["smoothed"] == 0.0 < tolerances(both)["m"]


def test_a_result_that_is_not_deterministic_is_compared_with_its_tolerance(tmp_path: Path) -> None:
    sitk.WriteImage(blob(1), str(tmp_path / "t1.nrrd"))
    recipe, out = registration(False), tmp_path / "out"
    run_case(recipe, {"t1": tmp_path / "t1.nrrd"}, out)
    transform = files.read(out / "motion.h5", "transform")
    allowed = tolerances(recipe)["motion"] * 45  # the diagonal of the image is about 48 mm
    for shift, equal in ((0.2 * allowed, True), (2.0 * allowed, False)):
        moved = sitk.TranslationTransform(3, (shift, 0.0, 0.0))
        files.write(sitk.CompositeTransform([transform, moved]), out / "motion.h5", "transform")
        assert ("motion" not in where(out)) is equal


def test_medimg_run_and_verify_work_together_as_programs(tmp_path: Path) -> None:
    sitk.WriteImage(blob(3), str(tmp_path / "t1.nrrd"))
    recipe = write_recipe(tmp_path / "recipe.json")
    assert main(["run", str(recipe), "--in", str(tmp_path / "t1.nrrd"), "--out", str(tmp_path / "x"), "--quiet"]) == 0
    assert main(["verify", str(tmp_path / "x")]) == 0
    assert replace(verify(tmp_path / "x"), notes=()).equal
